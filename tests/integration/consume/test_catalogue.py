"""Articles from the topic into Redis and into a reader's memory, on a real broker and a real Redis."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ranker.consume.jobs import copy_catalogue
from ranker.consume.jobs.copy_catalogue import run_catalogue
from ranker.lists import catalogue as catalogue_of_readers
from ranker.lists.articles import Articles
from ranker.lists.catalogue import SETTLED_MS, Catalogue
from ranker.log.articles import ArticleLog
from ranker.store import catalogue as stored_catalogue
from ranker.store.atomic_reads import read_atomically
from ranker.store.catalogue import CHANGES, CatalogueShard, Change, Position, read_changes
from ranker.store.connection import connect
from ranker.store.errors import StoreUnavailableError
from ranker.store.keys import CatalogueKeys


def word(article_id: str, **fields: Any) -> bytes:
    """What the editor says."""
    return orjson.dumps({"site_id": "demo", "article_id": article_id, **fields})


def article(article_id: str, **fields: Any) -> bytes:
    usual = {
        "site_id": "demo",
        "article_id": article_id,
        "status": "published",
        "title": f"Title of {article_id}",
        "url": f"https://demo.example{article_id}",
        "published_at": 1_795_392_000_000,
    }
    return orjson.dumps(usual | fields)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    opened = connect(redis_url)
    yield opened
    await opened.aclose()


@dataclass
class Topic:
    """An articles topic of the test's own, and who follows it."""

    bootstrap: str
    name: str
    client: Any
    producer: AIOKafkaProducer
    troubles: list[str | None] = field(default_factory=list)

    async def send(self, key: str | bytes, value: bytes | None) -> None:
        raw = key.encode() if isinstance(key, str) else key
        await self.producer.send_and_wait(self.name, value, raw, partition=0)

    async def recreate(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([self.name])
            await until(lambda: self._created(admin), "topic created again")
        finally:
            await admin.close()

    async def _created(self, admin: AIOKafkaAdminClient) -> bool:
        reply = await admin.create_topics([NewTopic(self.name, 1, 1)])
        return all(error[1] == 0 for error in reply.topic_errors)

    def follow(self) -> asyncio.Task[None]:
        return asyncio.create_task(
            run_catalogue(
                lambda: ArticleLog(self.bootstrap, self.name),
                self.client,
                lambda _, trouble: self.troubles.append(trouble),
            )
        )

    async def stored(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = await self.client.hgetall(CatalogueKeys(0).articles)
        return found


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Waits for a named condition: its first true answer, which must come within 40 s."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        if result := await condition():
            return result
        await asyncio.sleep(0.05)
    pytest.fail(f"within 40 s there was no {what}")


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
    """What is published, changed, removed, edited and taken back stands in Redis, whoever took it in."""
    tasks = [topic.follow(), topic.follow()]
    await topic.send("demo//a", article("/a"))
    await topic.send("demo//b", article("/b"))
    await topic.send("demo//a", article("/a", title="Better"))
    await topic.send("demo//b#editor", word("/b", hidden=True))
    await topic.send("demo//b#alias", word("/b", alias_of="/a"))
    await topic.send("demo//c", article("/c"))
    await topic.send("demo//c", None)

    async def level() -> bool:
        return bool(await topic.client.hget(CatalogueKeys(0).meta, "n") == b"7")

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
        return bool(await topic.client.hget(CatalogueKeys(0).meta, "n") == b"17")

    await until(level, "offset 17")
    assert list(await topic.stored()) == [b"demo//good"]
    assert await topic.client.zrange(CatalogueKeys(0).changes, 0, -1) == [
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
    monkeypatch.setattr(copy_catalogue, "CHECK_S", 0.1)
    task = topic.follow()
    await topic.send("demo//a", article("/a"))
    await until(topic.stored, "first article")
    await topic.client.flushall()
    await until(topic.stored, "article again")
    await ended(task)


async def test_another_topic_under_the_same_name(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter, or with another record where ours was: what the old one said is gone."""
    monkeypatch.setattr(copy_catalogue, "CHECK_S", 0.2)
    monkeypatch.setattr(copy_catalogue, "SHORTER_S", 1.0)
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
    monkeypatch.setattr(copy_catalogue, "SHORTER_S", 0.5)
    articles = ArticleLog(topic.bootstrap, topic.name)
    shard = CatalogueShard(topic.client, 0)
    await articles.start()
    try:
        many = [topic.producer.send(topic.name, article(f"/{n}"), b"demo//%d" % n, partition=0) for n in range(20)]
        await asyncio.gather(*[await sending for sending in many])
        task = topic.follow()

        async def level() -> bool:
            return bool(await topic.client.hget(CatalogueKeys(0).meta, "n") == b"20")

        await until(level, "offset 20")
        await ended(task)
        state = await shard.load()
        assert state is not None
        follower = copy_catalogue._Follower(articles, shard, 0, 1, lambda *_: None)
        assert not await follower._is_another(state)
        for other in (replace(state, last=f"19:{state.last.partition(':')[2]}1"), replace(state, n=99, last="98:1:1")):
            assert await follower._is_another(other)
    finally:
        await articles.stop()


async def test_a_missing_topic_is_said(client: Any, kafka_apache: Any) -> None:
    """The trouble names the command that mends it."""
    troubles: list[str | None] = []
    task = asyncio.create_task(
        run_catalogue(
            lambda: ArticleLog(kafka_apache.bootstrap, f"articles.{os.urandom(4).hex()}"),
            client,
            lambda _, trouble: troubles.append(trouble),
        )
    )

    async def said() -> bool:
        return bool(troubles)

    await until(said, "trouble")
    assert "ranker topics apply" in str(troubles[0])
    await ended(task)


async def test_readers_fetch_only_what_changed(client: Any) -> None:
    """Pages at the start, then single changes; nothing twice, and a new lineage from its start."""
    shard = CatalogueShard(client, 0)
    await shard.begin("aa" * 8, 1)
    state = await shard.load()
    assert state is not None
    many = [Change(b"demo//%d" % i, article(f"/{i}"), i) for i in range(CHANGES + 5)]
    assert await shard.advance(state, len(many), "x", many)
    assert not await shard.advance(state, 1, "x", many), "the same step from the same state is refused"
    articles, seen = Articles(), Position()
    for expected, more in ((CHANGES, True), (5, False), (0, False)):
        changes = await read_changes(client, 0, seen)
        assert (len(changes.records), changes.more, changes.partitions) == (expected, more, 1)
        articles.apply(changes.records)
        seen = changes.position
    assert len(articles) == CHANGES + 5
    state = await shard.load()
    assert state is not None
    changed = [Change(b"demo//3", article("/3", title="New"), 2000), Change(b"demo//4", None, 2001)]
    assert await shard.advance(state, 2002, "x", changed)
    changes = await read_changes(client, 0, seen)
    assert [key for key, _ in changes.records] == [b"demo//3", b"demo//4"]
    articles.apply(changes.records)
    assert (articles.of("demo")["/3"].title, "/4" in articles.of("demo")) == ("New", False)
    await shard.begin("bb" * 8, 1, instead_of="aa" * 8)
    changes = await read_changes(client, 0, changes.position)
    assert (changes.records, changes.more, changes.position) == ([], True, Position("bb" * 8, 0))


async def step(client: Any, n: int, *changes: Change, begin: str = "") -> None:
    """What the consumer does: begins under a new lineage, then takes in `changes` up to offset `n`."""
    shard = CatalogueShard(client, 0)
    state = await shard.load()
    if begin:
        await shard.begin(begin, 1, state.lineage if state else "")
        state = await shard.load()
    assert state is not None
    assert await shard.advance(state, n, "x", changes)


def change(key: str, offset: int, **fields: Any) -> Change:
    return Change(key.encode(), article(key.removeprefix("demo/"), **fields), offset)


async def test_what_changed_before_a_look_failed_is_told_by_the_next(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is made of a site's articles would stay as it was until its next change."""
    await step(client, CHANGES + 1, *(change(f"demo//{number}", number) for number in range(CHANGES)), begin="aa" * 8)
    shown = Catalogue(client, lambda: 0)
    read = read_changes

    async def away(client: Any, partition: int, seen: Position) -> Any:
        if seen.n:
            raise StoreUnavailableError("away")
        return await read(client, partition, seen)

    monkeypatch.setattr(catalogue_of_readers, "read_changes", away)
    with pytest.raises(StoreUnavailableError):
        await shown.follow()
    monkeypatch.setattr(catalogue_of_readers, "read_changes", read)
    assert await shown.follow() == {"demo"}


#   old lineage    | new lineage: filled in steps              | as far as before
#   /a /b(removed) | /a                                        | /a /c
#   shown: /a, -b  | /a, -b: the removal does not come undone  | /a /c


async def test_a_catalogue_filled_anew_replaces_the_old_one_whole(client: Any) -> None:
    """What the new log does not hold is gone, but not before the new catalogue reaches as far as the old one did."""
    now_ms = 0
    shown = Catalogue(client, lambda: now_ms)
    await step(client, 3, change("demo//a", 0), change("demo//b", 2, status="removed"), begin="aa" * 8)
    assert await shown.follow() == {"demo"}
    await client.flushall()
    assert await shown.follow() == set()
    await step(client, 1, change("demo//a", 0, title="Read again"), begin="bb" * 8)
    await shown.follow()
    assert shown.articles.of("demo")["/a"].title == "Read again"
    assert shown.articles.of("demo")["/b"].hidden
    await step(client, 3, change("demo//c", 2))
    assert await shown.follow() == {"demo"}
    assert set(shown.articles.of("demo")) == {"/a", "/c"}


async def test_a_shorter_catalogue_replaces_the_old_one_when_it_has_settled(client: Any) -> None:
    """A topic created again may never reach the old offset: a minute without growth is enough, but it must have begun."""
    now_ms = 0
    shown = Catalogue(client, lambda: now_ms)
    await step(client, 900, change("demo//old", 0), begin="aa" * 8)
    await shown.follow()
    await step(client, 0, begin="bb" * 8)
    await shown.follow()
    now_ms += 2 * SETTLED_MS
    await shown.follow()
    assert set(shown.articles.of("demo")) == {"/old"}
    await step(client, 1, change("demo//new", 0))
    await shown.follow()
    now_ms += SETTLED_MS
    await shown.follow()
    assert set(shown.articles.of("demo")) == {"/old", "/new"}
    now_ms += 1
    assert await shown.follow() == {"demo"}
    assert set(shown.articles.of("demo")) == {"/new"}


async def test_what_cannot_be_read_hides_nothing_behind_it(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Keys and values that no reader understands are passed over and said; the removal on the same page is seen."""
    shown = Catalogue(client, lambda: 0)
    unread = [Change(b"demo//\xff", None, 0), Change(b"\xff", b"{}", 1), Change(b"demo//x", b"[" * 1000, 2)]
    await step(client, 4, *unread, change("demo//a", 3, status="removed"), begin="aa" * 8)
    assert await shown.follow() == {"demo"}
    assert shown.articles.of("demo")["/a"].hidden
    assert [record.records for record in caplog.records] == [3]  # type: ignore[attr-defined]


async def test_changes_that_were_not_taken_in_are_read_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong between Redis and memory, the next refresh begins where the last one that succeeded ended."""
    shown = Catalogue(client, lambda: 0)
    await step(client, 1, change("demo//a", 0, status="removed"), begin="aa" * 8)
    with monkeypatch.context() as broken:
        broken.setattr(Articles, "apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await shown.follow()
    await shown.follow()
    assert shown.articles.of("demo")["/a"].hidden


async def test_a_redis_emptied_between_two_looks_forgets_nothing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed keys read before, their records after: what is missing then is not taken for deleted."""
    await step(client, 1, change("demo//a", 0, status="removed"), begin="aa" * 8)
    looks = 0

    async def emptied(*arguments: Any) -> list[Any]:
        nonlocal looks
        looks += 1
        if looks == 2:
            await step(client, 0, begin="bb" * 8)
        return await read_atomically(*arguments)

    monkeypatch.setattr(stored_catalogue, "read_atomically", emptied)
    changes = await read_changes(client, 0, Position("aa" * 8, 0))
    assert (changes.records, changes.position, changes.more) == ([], Position("aa" * 8, 0), True)
