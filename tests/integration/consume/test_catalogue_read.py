"""The catalogue that readers keep in memory, from a real Redis: what changed, filled anew, or cannot be read."""

from typing import Any

import pytest

from ranker.lists import catalogue as catalogue_of_readers
from ranker.lists.articles import Articles
from ranker.lists.catalogue import SETTLED_MS, Catalogue
from ranker.store import topic_copy as stored_catalogue
from ranker.store.atomic_reads import read_atomically
from ranker.store.errors import StoreUnavailableError
from ranker.store.topic_copy import CHANGES, Change, Position, TopicCopy, read_changes
from tests.support.articles_topic import article


async def test_readers_fetch_only_what_changed(client: Any) -> None:
    """Pages at the start, then single changes; nothing twice, and a new lineage from its start."""
    shard = TopicCopy(client, 0)
    await shard.begin("aa" * 8, 1)
    state = await shard.load()
    assert state is not None
    many = [Change(b"demo//%d" % i, article(f"/{i}"), i) for i in range(CHANGES + 5)]
    assert await shard.advance(state, len(many), "x", many)
    assert not await shard.advance(state, 1, "x", many), "the same step from the same state is refused"
    articles, seen = Articles({}), Position()
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
    assert [(key, offset) for key, _, offset in changes.records] == [(b"demo//3", 2000), (b"demo//4", 2001)]
    articles.apply(changes.records)
    assert (articles.of("demo")["/3"].title, "/4" in articles.of("demo")) == ("New", False)
    await shard.begin("bb" * 8, 1, instead_of="aa" * 8)
    changes = await read_changes(client, 0, changes.position)
    assert (changes.records, changes.more, changes.position) == ([], True, Position("bb" * 8, 0))


async def step(client: Any, n: int, *changes: Change, begin: str = "") -> None:
    """What the consumer does: begins under a new lineage, then takes in `changes` up to offset `n`."""
    shard = TopicCopy(client, 0)
    state = await shard.load()
    if begin:
        await shard.begin(begin, 1, state.lineage if state else "")
        state = await shard.load()
    assert state is not None
    assert await shard.advance(state, n, "x", changes)


def change(key: str, offset: int, **fields: Any) -> Change:
    return Change(key.encode(), article(key.removeprefix("demo/"), **fields), offset)


async def test_what_changed_before_a_look_failed_is_reported_by_the_next(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is made of a site's articles would stay as it was until its next change."""
    await step(client, CHANGES + 1, *(change(f"demo//{number}", number) for number in range(CHANGES)), begin="aa" * 8)
    shown = Catalogue(client, lambda: 0, {})
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
    shown = Catalogue(client, lambda: now_ms, {})
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
    shown = Catalogue(client, lambda: now_ms, {})
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
    """Keys and values that no reader understands are passed over and logged; the removal on the same page is seen."""
    shown = Catalogue(client, lambda: 0, {})
    unread = [Change(b"demo//\xff", None, 0), Change(b"\xff", b"{}", 1), Change(b"demo//x", b"[" * 1000, 2)]
    await step(client, 4, *unread, change("demo//a", 3, status="removed"), begin="aa" * 8)
    assert await shown.follow() == {"demo"}
    assert shown.articles.of("demo")["/a"].hidden
    assert [record.records for record in caplog.records] == [3]  # type: ignore[attr-defined]


async def test_changes_that_were_not_taken_in_are_read_again(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong between Redis and memory, the next refresh begins where the last one that succeeded ended."""
    shown = Catalogue(client, lambda: 0, {})
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
