"""Articles from the topic into Redis, on real brokers and a real Redis."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ranker.consume.jobs import copy_topic as copying
from ranker.consume.jobs.copied_topics import THE_CATALOGUE
from ranker.consume.jobs.copy_topic import copy_topic
from ranker.log.copied_topic import CopiedTopic
from ranker.store.keys import CopyKeys
from ranker.store.topic_copy import TopicCopy
from tests.support.articles_topic import Topic, article, until
from tests.support.kafka_at import kafka_at


def word(article_id: str, **fields: Any) -> bytes:
    """What the editor says."""
    return orjson.dumps({"site_id": "demo", "article_id": article_id, **fields})


@pytest.fixture(params=["embedded", "apache"])
async def topic(request: pytest.FixtureRequest, client: Any) -> AsyncIterator[Topic]:
    """The embedded broker and Apache Kafka."""
    if request.param == "embedded":
        bootstrap = request.getfixturevalue("kafka_embedded")
    else:
        bootstrap = request.getfixturevalue("kafka_apache").bootstrap
    name = f"articles.{os.urandom(4).hex()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
        await producer.start()
        stack.push_async_callback(producer.stop)
        yield Topic(bootstrap, name, client, producer)


async def ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_followers_do_the_work_once(topic: Topic) -> None:
    """What is published, changed, removed, edited and taken back is in Redis, whichever process took it in."""
    tasks = [topic.follow(), topic.follow()]
    await topic.send("demo//a", article("/a"))
    await topic.send("demo//b", article("/b"))
    await topic.send("demo//a", article("/a", title="Better"))
    await topic.send("demo//b#editor", word("/b", hidden=True))
    await topic.send("demo//b#alias", word("/b", alias_of="/a"))
    await topic.send("demo//c", article("/c"))
    await topic.send("demo//c", None)

    async def level() -> bool:
        return bool(await topic.client.hget(CopyKeys(0).meta, "n") == b"7")

    await until(level, "offset 7")
    stored = await topic.stored()
    assert stored == {
        b"demo//a": article("/a", title="Better"),
        b"demo//b": article("/b"),
        b"demo//b#editor": word("/b", hidden=True),
        b"demo//b#alias": word("/b", alias_of="/a"),
    }
    assert set(topic.troubles) == {None}
    await ended(*tasks)


async def test_what_is_no_article_is_left_out(topic: Topic) -> None:
    """Broken values, a thousand levels of nesting, faults against the contract, keys that name nothing: stop nobody."""
    task = topic.follow()
    await topic.send("demo//a", b"{")
    await topic.send("demo//a", article("/a", title=""))
    await topic.send("demo//a", article("/other"))
    await topic.send("demo//a", article("/a", url="javascript:alert(1)"))
    await topic.send("demo//a", article("/a")[:-1] + b',"more":' + b"[" * 1000 + b"]" * 1000 + b"}")
    for key in (b"demo//\xff", b"demo", b"demo/", b"De mo//a", b"demo/#editor", b"demo/#alias", b""):
        await topic.send(key, None)
    await topic.send("demo//a#editor", article("/a", status="removed"))
    await topic.send("demo//a#alias", word("/a", alias_of="/a"))
    for key in (b"demo//a#editor", b"demo//a#alias"):
        await topic.send(key, None)
    await topic.send("demo//good", article("/good"))

    async def level() -> bool:
        return bool(await topic.client.hget(CopyKeys(0).meta, "n") == b"17")

    await until(level, "offset 17")
    assert list(await topic.stored()) == [b"demo//good"]
    assert await topic.client.zrange(CopyKeys(0).changes, 0, -1) == [
        b"demo//a#editor",
        b"demo//a#alias",
        b"demo//good",
    ]
    await topic.send("demo//next", article("/next"))

    async def goes_on() -> bool:
        return b"demo//next" in await topic.stored()

    await until(goes_on, "next article")
    await ended(task)


async def test_an_emptied_redis_is_filled_again(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """FLUSHALL while nothing new comes: the log is read again from its start."""
    monkeypatch.setattr(copying, "CHECK_S", 0.1)
    task = topic.follow()
    await topic.send("demo//a", article("/a"))
    await until(topic.stored, "first article")
    await topic.client.flushall()
    await until(topic.stored, "article again")
    await ended(task)


async def test_another_topic_under_the_same_name(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter, or with another record at our offset: what the old one contained is gone."""
    monkeypatch.setattr(copying, "CHECK_S", 0.2)
    monkeypatch.setattr(copying, "SHORTER_S", 1.0)
    task = topic.follow()
    await topic.send("demo//old", article("/old"))
    await topic.send("demo//older", article("/older"))
    await until(topic.stored, "old article")
    await topic.recreate()
    await topic.send("demo//new", article("/new"))

    async def renewed() -> bool:
        return list(await topic.stored()) == [b"demo//new"]

    await until(renewed, "new article alone")
    await ended(task)
    await topic.recreate()
    await topic.send("demo//newer", article("/newer"))
    task = topic.follow()

    async def newer() -> bool:
        return list(await topic.stored()) == [b"demo//newer"]

    await until(newer, "newer article alone")
    await ended(task)


async def test_an_end_that_lags_is_no_other_topic(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded broker's lies a batch behind what can be read. The last record tells; a shorter log has none there."""
    monkeypatch.setattr(copying, "SHORTER_S", 0.5)
    articles = CopiedTopic(kafka_at(topic.bootstrap), topic.name)
    shard = TopicCopy(topic.client, 0)
    await articles.start()
    try:
        many = [topic.producer.send(topic.name, article(f"/{n}"), b"demo//%d" % n, partition=0) for n in range(20)]
        await asyncio.gather(*[await sending for sending in many])
        task = topic.follow()

        async def level() -> bool:
            return bool(await topic.client.hget(CopyKeys(0).meta, "n") == b"20")

        await until(level, "offset 20")
        await ended(task)
        state = await shard.load()
        assert state is not None
        follower = copying._Follower(THE_CATALOGUE, articles, topic.client, 0, 1, lambda *_: None)
        assert not await follower._is_another(state)
        for other in (replace(state, last=f"19:{state.last.partition(':')[2]}1"), replace(state, n=99, last="98:1:1")):
            assert await follower._is_another(other)
    finally:
        await articles.stop()


async def test_a_missing_topic_is_reported(client: Any, kafka_apache: Any) -> None:
    """The trouble names the command that mends it."""
    troubles: list[str | None] = []
    task = asyncio.create_task(
        copy_topic(
            THE_CATALOGUE,
            lambda: CopiedTopic(kafka_at(kafka_apache.bootstrap), f"articles.{os.urandom(4).hex()}"),
            client,
            lambda _, trouble: troubles.append(trouble),
        )
    )

    async def said() -> bool:
        return bool(troubles)

    await until(said, "trouble")
    assert "ranker topics apply" in str(troubles[0])
    await ended(task)
