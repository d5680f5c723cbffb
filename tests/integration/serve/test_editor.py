"""The editor's hand from the command to the list: real commands, a real broker, a real Redis, the real reader."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from producers import Producer
from ranker.connect.redis import connect
from ranker.consume.jobs import copy_topic as copying
from ranker.consume.jobs.copied_topics import THE_CATALOGUE
from ranker.consume.jobs.copy_topic import copy_topic
from ranker.log.copied_topic import CopiedTopic
from ranker.store.keys import CopyKeys
from tests.support.kafka_at import kafka_at
from tests.support.producers_command import read, run
from tests.support.reader import GENERATION, LIST, Reader, T, beside, running_reader, until
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish

PARTITIONS = 2
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(5)]
REFRESH_MS = 500
"""As often as a reader without configuration."""
SEEN_WITHIN_S = 2.0
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
}
"""Only the segment being written is never compacted; so many small ones are."""


@dataclass
class Desk:
    """A site with five articles that have counts, its catalogue being followed, and the commands' way to it."""

    bootstrap: str
    topic: str
    redis_url: str
    client: Any

    async def says(self, *args: str, stdin: str = "") -> str:
        """Run `producers articles ARGS` to its end; returns its output."""
        command, *rest = args
        code, out, err = await run(
            self.bootstrap, "articles", command, "--topic", self.topic, *rest, stdin=stdin.encode()
        )
        assert (code, err) == (0, "")
        return out

    async def feed(self, title: str, article_id: str = "/4") -> None:
        """Import one article."""
        entry = {"article_id": article_id, "title": title, "url": f"https://demo.example{article_id}"}
        await self.says("import", "-", "--site", "demo", stdin=orjson.dumps(entry | {"published_at": T}).decode())

    async def emptied(self) -> None:
        """FLUSHALL; the counts are put back, the catalogue is the follower's to read again, as far as it was."""
        reached = int(await self.client.hget(CopyKeys(0).meta, "n"))
        await self.client.flushall()
        await publish(self.client, GENERATION, PARTITIONS, VIEWS, T)

        async def read_again() -> bool:
            return int(await self.client.hget(CopyKeys(0).meta, "n") or 0) >= reached

        await until(read_again, "catalogue read again")

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        async with running_reader(self.redis_url, {"demo": "Demo"}, refresh_ms=REFRESH_MS) as running:

            async def answers() -> bool:  # a busy machine may need longer for the first list than a request waits
                return running.board.not_ready() == [] and (await running.get(LIST)).status == 200

            await until(answers, "first list")
            yield running


@asynccontextmanager
async def desk_at(bootstrap: str, redis_url: str, **config: str) -> AsyncIterator[Desk]:
    topic = f"articles.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=config)])
    finally:
        await admin.close()
    async with AsyncExitStack() as stack:
        client = connect(redis_at(redis_url))
        stack.push_async_callback(client.aclose)
        await publish(client, GENERATION, PARTITIONS, VIEWS, T)
        follow = copy_topic(THE_CATALOGUE, lambda: CopiedTopic(kafka_at(bootstrap), topic), client, lambda *_: None)
        await stack.enter_async_context(beside(follow))
        yield Desk(bootstrap, topic, redis_url, client)


@pytest.fixture
async def desk(kafka_embedded: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(copying, "CHECK_S", 0.1)
    async with desk_at(kafka_embedded, redis_url) as opened:
        yield opened


async def ids(reader: Reader) -> list[str]:
    return [item["article_id"] for item in (await reader.ranking())["items"]]


async def lists(reader: Reader, expected: list[str]) -> None:
    """Waits until the list holds these."""

    async def so() -> bool:
        return await ids(reader) == expected

    await until(so, f"list of {expected}")


async def knows(reader: Reader, title: str) -> None:
    """Waits until the reader has taken in the feed's last message."""

    async def known() -> bool:
        article = reader.board.articles.of("demo").get("/4")
        return article is not None and article.title == title

    await until(known, f"article called {title}")


ALL = ["/4", "/3", "/2", "/1", "/0"]


async def test_hide_and_show_act_within_two_seconds(desk: Desk) -> None:
    """At the reader, from the command's end on; and the command has ended only when Kafka had the record."""
    async with desk.reader() as reader:
        assert await ids(reader) == ALL
        for command, expected, said in (
            ("hide", ALL[1:], "/4 of demo is hidden from every list\n"),
            ("show", ALL, "/4 of demo is no longer hidden by the editor\n"),
        ):
            assert await desk.says(command, "demo", "/4") == said
            began = time.monotonic()
            await lists(reader, expected)
            assert time.monotonic() - began < SEEN_WITHIN_S


async def test_hidden_outlives_imports_and_an_emptied_redis(desk: Desk) -> None:
    """For the reader that was there, which never shows the article meanwhile, and for one that starts afterwards."""
    await desk.feed("First")
    await desk.says("hide", "demo", "/4")
    async with desk.reader() as reader:
        await lists(reader, ALL[1:])
        seen: set[str] = set()

        async def watch() -> None:
            while True:
                seen.update(await ids(reader))
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await desk.feed("Second")
            await knows(reader, "Second")
            await desk.emptied()
            await desk.feed("Third")
            await knows(reader, "Third")
            watching.cancel()
        assert seen == set(ALL[1:])
    async with desk.reader() as fresh:
        await knows(fresh, "Third")
        assert await ids(fresh) == ALL[1:]
        await desk.says("show", "demo", "/4")
        await lists(fresh, ALL)
        assert (await fresh.ranking())["items"][0]["title"] == "Third"


async def test_aliases_reach_the_reader(desk: Desk) -> None:
    """Set, changed, and taken back; an id may begin with - and end like a key."""
    async with desk.reader() as reader:

        async def are(**expected: str) -> None:
            async def so() -> bool:
                return dict(reader.board.articles.aliases("demo")) == expected

            await until(so, f"aliases {expected}")

        said = await desk.says("alias", "demo", "/0", "/1")
        assert said == "/0 of demo is counted together with /1, and stands under that id\n"
        await desk.says("alias", "demo", "--", "-7", "a#alias")
        await are(**{"/0": "/1", "-7": "a#alias"})
        await desk.emptied()
        await desk.says("alias", "demo", "/0", "/2")
        await are(**{"/0": "/2", "-7": "a#alias"})
        assert await desk.says("alias", "demo", "/0") == "/0 of demo stands for itself\n"
        await are(**{"-7": "a#alias"})


@pytest.mark.long
async def test_compaction_keeps_the_editors_word(
    kafka_apache: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each key the last record stays: an older feed is gone from Kafka's log, the editor's word is not."""
    monkeypatch.setattr(copying, "CHECK_S", 0.1)
    async with desk_at(kafka_apache.bootstrap, redis_url, **COMPACTED) as desk:
        await desk.feed("First")
        await desk.says("hide", "demo", "/4")
        await desk.says("alias", "demo", "/0", "/1")
        await desk.feed("Second")
        numbers = iter(range(40))

        async def compacted() -> list[Any]:
            # Each import may begin a segment, and so end the one that holds the records in question.
            await desk.feed(f"Other {next(numbers)}", "/3")
            records = await read(desk.bootstrap, desk.topic, 3, partitions=1)
            return records if records[0].offset > 0 else []

        records = await until(compacted, "compacted log")
        assert [(record.offset, record.key) for record in records[:3]] == [
            (1, b"demo//4 #editor"),
            (2, b"demo//0 #alias"),
            (3, b"demo//4"),
        ]
        await desk.emptied()
        async with desk.reader() as reader:
            await knows(reader, "Second")
            assert await ids(reader) == ALL[1:4], "/0 stands under /1"
            assert reader.board.articles.aliases("demo") == {"/0": "/1"}


@pytest.mark.long
async def test_words_of_version_0_1_stay_in_force_until_there_is_another(
    kafka_apache: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after compaction, which keeps both keys; and no article with an odd id undoes a word of today."""
    monkeypatch.setattr(copying, "CHECK_S", 0.1)
    async with desk_at(kafka_apache.bootstrap, redis_url, **COMPACTED) as desk:
        await desk.feed("First", "/1")
        async with Producer(desk.bootstrap, desk.topic) as producer:
            for article_id in ("/4", "/3"):
                value = orjson.dumps({"site_id": "demo", "article_id": article_id, "hidden": True})
                await producer.send_records([(f"demo/{article_id}#editor".encode(), value)])
        await desk.says("hide", "demo", "/2")
        # By a program: the command would take this id for an address, and import /2.
        odd = {"article_id": "/2#editor", "title": "Odd", "url": "https://demo.example/2", "published_at": T}
        async with Producer(desk.bootstrap, desk.topic) as producer:
            value = orjson.dumps({"site_id": "demo", "status": "published", **odd})
            await producer.send_records([(b"demo//2#editor", value)])
        async with desk.reader() as reader:
            await lists(reader, ["/1", "/0"])
            await desk.says("show", "demo", "/4")
            await lists(reader, ["/4", "/1", "/0"])
        numbers = iter(range(40))

        async def compacted() -> list[Any]:
            await desk.feed(f"Other {next(numbers)}", "/1")
            records = await read(desk.bootstrap, desk.topic, 6, partitions=1)
            return records if records[0].offset > 0 else []

        records = await until(compacted, "compacted log")
        assert [(record.offset, record.key) for record in records[:5]] == [
            (1, b"demo//4#editor"),
            (2, b"demo//3#editor"),
            (3, b"demo//2 #editor"),
            (4, b"demo//2#editor"),
            (5, b"demo//4 #editor"),
        ]
        await desk.emptied()
        async with desk.reader() as reader:
            await lists(reader, ["/4", "/1", "/0"])
