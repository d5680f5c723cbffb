"""Every example of schemas/openapi.yaml is sent to a reader, and the answer is what the file says, to the letter."""

from typing import Any

import pytest
import yaml

from ranker.core.times import HOUR_MS
from ranker.store.keys import ShardKeys
from tests.support.defaults import PRESS
from tests.support.example_site import SITES, articles, newsroom
from tests.support.http import Answer
from tests.support.openapi import Example, at, examples, faults
from tests.support.reader import LIST, Reader, T, running_reader, until
from tests.support.rising_site import NEWS, rising
from tests.support.sse_client import listening

EXAMPLES = examples()
OF_HTTP = {"date", "content-type", "content-length", "connection", "x-content-type-options", "transfer-encoding"}
"""Headers that need no description."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example(redis_url: str, example: Example) -> None:
    """Status, media type, headers and body."""
    if example.request.get("redis") == "empty":
        async with running_reader(redis_url, SITES) as reader:
            await answered(reader, example)
    elif example.request.get("redis") == "rising":
        async with rising(redis_url, NEWS, catalogue=articles()) as (reader, _):
            await answered(reader, example)
    else:
        async with newsroom(redis_url) as reader:
            if example.request.get("redis") == "behind":
                await stand_still(reader)
            if example.request.get("redis") == "paused":
                await pause(reader)
            await answered(reader, example)


async def stand_still(reader: Reader) -> None:
    """Partition 1 was last counted ten minutes ago."""
    await reader.client.hset(ShardKeys(PRESS.id, 1).meta, "T", T - 600_000)
    reader.board._lists.clear()  # or the newer list stays until it is stale

    async def seen() -> bool:
        return "behind" in (await reader.get(LIST)).json

    await until(seen, "list that is behind")


async def pause(reader: Reader) -> None:
    """Partition 0 gave up what it remembered of the hours before the last four."""
    await reader.client.hset(ShardKeys(PRESS.id, 0).meta, "first", T // HOUR_MS - 3)

    async def seen() -> bool:
        return (await reader.get(LIST)).json["rules_paused"] is not None

    await until(seen, "list with paused rules")


async def answered(reader: Reader, example: Example) -> None:
    if example.kind == "text/event-stream":
        await streamed(reader, example)
        return
    answer = await send(reader, example)
    assert documented(answer, example), answer
    check_headers(answer.headers, example)
    if example.media is None:
        assert answer.body == b""
        return
    body = answer.json if example.kind.endswith("json") else answer.body.decode()
    assert faults(example.media["schema"], body) == []
    assert body
    if example.value is not None:
        assert body == example.value, f"the answer is\n{yaml.safe_dump(body, allow_unicode=True, sort_keys=False)}"


async def send(reader: Reader, example: Example) -> Answer:
    request = example.request
    return await reader.get(request["target"], request.get("method", "GET"), **request.get("headers", {}))


def documented(answer: Answer, example: Example) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    return (answer.status, kind) == (example.status, example.kind)


def check_headers(headers: dict[str, str], example: Example) -> None:
    """Each that the file requires is there, each that is there is in the file, with a value that it allows."""
    described = {name.lower(): at(header) for name, header in example.response.get("headers", {}).items()}
    required = {name for name, header in described.items() if header.get("required")}
    assert required <= headers.keys()
    assert headers.keys() - OF_HTTP <= described.keys()
    for name, header in described.items():
        if name in headers:
            value: Any = headers[name]
            if header["schema"].get("type") == "integer":
                value = int(value)
            assert faults(header["schema"], value) == [], name


async def streamed(reader: Reader, example: Example) -> None:
    """A stream does not end: the example is how it begins."""
    assert example.media is not None
    async with listening(reader, example.request["target"]) as events:
        status, *lines = events.head.strip().split("\r\n")
        assert status.split()[1] == str(example.status)
        check_headers({name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, example)
        text = await events.text(len(example.value.encode()))
        assert text == example.value
        event = await events.next()
        assert faults(example.media["x-events"][event.kind], event.data) == []
