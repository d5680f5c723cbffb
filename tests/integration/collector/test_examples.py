"""Every example of schemas/openapi-collector.yaml is sent to a collector, and the answer is what the file says."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import HOST, free_port
from tests.support.collector_process import KEY, ORIGIN, SITES, Collector, collector, new_topic
from tests.support.http import Answer
from tests.support.openapi import COLLECTOR, Example, at, examples, faults

OF_HTTP = {"date", "content-type", "content-length", "connection", "x-content-type-options"}
"""Headers that need no description."""
EXAMPLES = examples(COLLECTOR)
EARLIER = "1795396624735"
"""When something happened in the file; a week later that would be too old."""
SLOW_BUCKET = SITES + "[collect]\nclient_events_s = 1\nclient_burst = 500\n"
SMALL_SPOOL = SITES + "[collect]\nspool_mb = 32\nkey_events_s = 1000000\n"


@pytest.fixture(scope="module")
def topic(kafka_embedded: str) -> str:
    return asyncio.run(new_topic(kafka_embedded, "collect.examples"))


@pytest.fixture(scope="module")
def usual(kafka_embedded: str, topic: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(kafka_embedded, topic, tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.mark.parametrize("example", [one for one in EXAMPLES if "given" not in one.request], ids=lambda one: one.name)
def test_an_example(usual: Collector, example: Example) -> None:
    """Status, media type, headers and body."""
    answered(usual, example)


def test_too_many(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """given: spent."""
    with collector(kafka_embedded, topic, tmp_path, SLOW_BUCKET) as running:
        assert running.page([{"article_id": "/a"}] * 500).status == 202
        answered(running, given("spent"))


def test_too_often(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """given: hour. Sent again if the hour has just begun anew."""
    with collector(kafka_embedded, topic, tmp_path) as running:
        hour = None
        while hour != (hour := time.time() // 3600):
            assert running.page([{"article_id": "/ecluses"}] * 30).status == 202
        answered(running, given("hour"))


def test_full(tmp_path: Path) -> None:
    """given: full. No Kafka anywhere, and a spool of 32 MiB; readiness says it too, and ends when there is room."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path, SMALL_SPOOL) as running:
        assert running.admin("/readyz").status == 200
        assert running.metric("spool_limit_bytes") == 32 << 20
        while (answer := running.server([unlike_others() for _ in range(180)])).status == 202:
            pass
        assert answer.status == 503
        while running.page({"article_id": "/a"}).status == 202:
            pass
        answered(running, given("full"))
        assert running.admin("/readyz").json["reasons"] == [
            "neither Kafka nor the spool takes events: Kafka is away, the spool full"
        ]
        assert running.metric("spool_nearly_full") == 1
        assert running.metric("refused_requests_total", reason="full") == 3


def unlike_others() -> dict[str, str]:
    """An event that packs badly."""
    return {"article_id": "/a", "event_id": os.urandom(64).hex(), "visitor_id": os.urandom(64).hex()}


def given(what: str) -> Example:
    (found,) = (one for one in EXAMPLES if one.request.get("given") == what)
    return found


def answered(running: Collector, example: Example) -> None:
    answer = send(running, example)
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert (answer.status, kind) == (example.status, example.kind), answer
    check_headers(answer.headers, example)
    if example.media is None:
        assert answer.body == b""
        return
    assert answer.body
    if example.kind == "image/gif":
        assert (len(answer.body), answer.body[:6]) == (43, b"GIF89a")
        return
    body = answer.json if example.kind.endswith("json") else answer.body.decode()
    assert faults(example.media["schema"], body, COLLECTOR) == []
    if example.value is not None:
        assert body == example.value


def send(running: Collector, example: Example) -> Answer:
    request: Any = example.request
    headers = {name: value.replace("KEY", KEY) for name, value in request.get("headers", {}).items()}
    if size := request.get("x-head-bytes"):
        headers["X-Long"] = "x" * size
    body = "[" * request["x-body-bytes"] if "x-body-bytes" in request else request.get("body")
    if body and example.status == 202:
        body = body.replace(EARLIER, str(time.time_ns() // 1_000_000 - 60_000))
    method = request.get("method") or next(
        name for name, operation in COLLECTOR["paths"][example.path].items() if example.response in responses(operation)
    )
    return running.ask(method.upper(), request["target"], body, **headers)


def responses(operation: Any) -> list[Any]:
    return [at(one, COLLECTOR) for one in operation["responses"].values()]


def check_headers(headers: dict[str, str], example: Example) -> None:
    """Each that the file requires is there, each that is there is in the file, with a value that it allows."""
    described = {name.lower(): at(header, COLLECTOR) for name, header in example.response.get("headers", {}).items()}
    required = {name for name, header in described.items() if header.get("required")}
    assert required <= headers.keys()
    assert headers.keys() - OF_HTTP <= described.keys()
    for name, header in described.items():
        if name in headers:
            value: Any = headers[name]
            if header["schema"].get("type") == "integer":
                value = int(value)
            assert faults(header["schema"], value, COLLECTOR) == [], name
    if "access-control-allow-origin" in headers and headers["access-control-allow-origin"] != "*":
        assert headers["access-control-allow-origin"] == ORIGIN
