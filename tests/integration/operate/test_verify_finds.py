"""`ranker verify` finds every change that is made to a shard behind its back, and names it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ranker.core import delta
from ranker.store import keys
from tests.integration.consume.engine import Engine
from tests.integration.operate.verifying import RULED, counted, equal, found, refused, verify


@dataclass
class Stood:
    """An engine whose consumer has ended, and the keys of its shard 0."""

    engine: Engine
    client: Any
    keys: keys.ShardKeys

    @contextlib.asynccontextmanager
    async def changed(self, key: str) -> AsyncIterator[None]:
        """Puts the key back as it was, once it has been looked at."""
        kept = await self.client.dump(key)
        yield
        await self.client.delete(key)
        await self.client.restore(key, 0, kept)

    async def differences(self, *options: str) -> list[dict[str, str]]:
        """What a run finds, which is something, and ends with exit code 1 for."""
        code, report = await verify(self.engine, *options)
        assert (code, report["equal"]) == (1, False)
        assert report["differences"] == len(found(report)) + sum(part["more"] for part in report["partitions"])
        return found(report)

    async def meta(self, name: str) -> str:
        value = await self.client.hget(self.keys.meta, name)
        return "" if value is None else str(value.decode())

    async def first(self, key: str) -> tuple[str, int]:
        """The article that a list counts most, and its count."""
        ((article, count),) = await self.client.zrevrange(key, 0, 0, withscores=True)
        return article.decode(), int(count)

    async def slices(self) -> list[tuple[int, int]]:
        """Live ones of the longest window, oldest first."""
        named = [tuple(map(int, name.split(b":"))) for name in await self.client.smembers(self.keys.slices)]
        return sorted((tier, number) for tier, number in named if tier == 1)


@pytest.fixture
async def stood(new_engine: Callable[..., Engine]) -> Stood:
    engine = new_engine(**RULED)
    await engine.create_topic(2)
    await counted(engine, 4000)
    await equal(engine)
    return Stood(engine, engine.client, keys.ShardKeys(engine.generation.id, 0))


async def test_counts_changed_by_hand(stood: Stood) -> None:
    """In a list, in a sum, in a slice: named with the count in Redis and the count by the log."""
    name = stood.keys.total("long", "demo", "engaged")
    article, count = await stood.first(name)
    async with stood.changed(name):
        await stood.client.zincrby(name, 1, article)
        (only,) = await stood.differences()
        assert only == {
            "what": "list engaged/long", "site": "demo", "article": article, "redis": f"{count + 1}", "log": f"{count}"
        }  # fmt: skip
        assert await stood.differences("--board", "engaged", "--article", article) == [only]
        await equal(stood.engine, "--board", "read")
        await equal(stood.engine, "--site", "le-courrier")
        await equal(stood.engine, "--article", "/politique/another")
        shown = stood.engine.ranker("verify").stdout
        assert f"list engaged/long of demo {article}: Redis {count + 1}, the log {count}\n" in shown
        assert "\n1 difference: " in shown
    async with stood.changed(name):
        await stood.client.zadd(name, {article: count + 0.5, "/invented": 1})
        assert [(one["article"], one["redis"]) for one in await stood.differences()] == sorted(
            [(article, f"{count + 0.5}"), ("/invented", "1")]
        )
    async with stood.changed(stood.keys.sums):
        field = "le-courrier:long:!repeat"
        count = int(await stood.client.hincrby(stood.keys.sums, field, -1))
        (only,) = await stood.differences()
        assert (only["what"], only["site"]) == ("sum of !repeat in long", "le-courrier")
        assert (only["redis"], only["log"]) == (f"{count}", f"{count + 1}")
    tier, number = (await stood.slices())[0]
    async with stood.changed(stood.keys.slice(tier, number)):
        await stood.client.rpush(stood.keys.slice(tier, number), delta.pack({"demo": {"comment": {"/late": 2}}}))
        (only,) = await stood.differences()
        assert (only["what"], only["article"]) == (f"slice long:{number}, comment", "/late")
        assert (only["redis"], only["log"]) == ("2", "0")
    await equal(stood.engine)


async def test_slices_that_are_damaged_or_gone(stood: Stood) -> None:
    """A sealed slice is truncated, another one deleted, a third is no longer in the index."""
    (tier, number), other, third = (await stood.slices())[:3]
    name = stood.keys.slice(tier, number)
    async with stood.changed(name):
        (sealed,) = await stood.client.lrange(name, 0, -1)
        await stood.client.lset(name, 0, sealed[: len(sealed) // 2])
        (only,) = await stood.differences()
        assert only["what"] == f"slice long:{number}"
        assert only["redis"].startswith("cannot be read: ")
        # It holds counts of every site and article of the partition.
        article, _ = await stood.first(stood.keys.total("long", "demo", "read"))
        assert [only] == await stood.differences("--site", "demo", "--article", article)
    async with stood.changed(stood.keys.slice(*other)):
        await stood.client.delete(stood.keys.slice(*other))
        assert {(one["what"].split(",")[0], one["redis"]) for one in await stood.differences()} == {
            (f"slice long:{other[1]}", "0")
        }
    async with stood.changed(stood.keys.slices):
        await stood.client.srem(stood.keys.slices, f"{third[0]}:{third[1]}")
        (only,) = await stood.differences()
        assert (only["what"], only["redis"]) == (f"index of slices, {third[0]}:{third[1]}", "not named")
    await equal(stood.engine)


@pytest.mark.long
async def test_marks_and_indices(stood: Stood) -> None:
    """A stray is unmarked; a site is not named."""
    engine = stood.engine
    engine.consume()
    await engine.add_partitions(3)
    await engine.traffic.send(500)
    await engine.until_counted()

    async def marked_anew() -> bool:
        return await stood.meta("P") == "3"

    await engine.until("marks for three partitions", marked_anew)
    engine.consumers[-1].stop()
    assert [part["unchecked"] for part in (await equal(engine))["partitions"]] == [[], [], []]
    async with stood.changed(stood.keys.strays):
        marked = await stood.client.smembers(stood.keys.strays)
        counted_here = await stood.client.zrange(stood.keys.total("long", "demo", "read"), 0, -1)
        article = next(article for article in counted_here if b"demo/" + article in marked)
        await stood.client.srem(stood.keys.strays, b"demo/" + article)
        (only,) = await stood.differences()
        assert (only["what"], only["site"], only["article"]) == ("strays", "demo", article.decode())
        assert (only["redis"], only["log"]) == ("not marked", "counted here")
    async with stood.changed(stood.keys.sites):
        await stood.client.srem(stood.keys.sites, "demo")
        assert ("index of sites", "demo") in {(one["what"], one["site"]) for one in await stood.differences()}
    await equal(engine)


@pytest.mark.long
async def test_what_rules_remember(stood: Stood) -> None:
    """One key is lost, one is there twice, a bucket is not named, or where the rules stand was changed."""
    bucket = max(map(int, await stood.client.smembers(stood.keys.buckets)))
    name = stood.keys.remembered(bucket)
    (first, *_) = await stood.client.lrange(name, 0, 0)
    held = sum(map(len, await stood.client.lrange(name, 0, -1))) // 8
    async with stood.changed(name):
        await stood.client.lset(name, 0, first[8:])
        (only,) = await stood.differences()
        assert only["what"] == f"what rules remember, bucket {bucket}"
        assert only["redis"] == f"{held - 1} keys, 0 unknown to the log"
        assert only["log"] == f"{held} keys, 1 lost"
    async with stood.changed(name):
        await stood.client.rpush(name, first[:8])
        (only,) = await stood.differences()
        assert (only["redis"], only["log"]) == ("1 keys twice", "each once")
    async with stood.changed(stood.keys.buckets):
        await stood.client.srem(stood.keys.buckets, bucket)
        (only,) = await stood.differences()
        assert (only["what"], only["redis"]) == (f"index of what rules remember, bucket {bucket}", "not named")
    async with stood.changed(stood.keys.meta):
        latest_ms = int(await stood.meta("latest_ms"))
        await stood.client.hset(stood.keys.meta, "latest_ms", latest_ms + 1)
        (only,) = await stood.differences()
        assert only["what"] == "what rules go by: latest event time"
        assert (only["redis"], only["log"]) == (f"{latest_ms + 1}", f"{latest_ms}")
    await equal(stood.engine)


async def test_a_floor_or_an_offset_is_moved(stood: Stood) -> None:
    """The counts no longer are those of the version."""
    async with stood.changed(stood.keys.meta):
        short, long = map(int, (await stood.meta("floors")).split(","))
        lanes = 8
        await stood.client.hset(stood.keys.meta, "floors", f"{short},{(long // lanes + 20) * lanes}")
        named = await stood.differences()
        assert {one["what"] for one in named} >= {"list read/long", "sum of view in long"}
    async with stood.changed(stood.keys.meta):
        n, last = int(await stood.meta("n")), await stood.meta("last")
        await stood.client.hset(stood.keys.meta, "n", n - 1)
        (one,) = [one for one in await stood.differences() if one["what"] == "last counted record"]
        assert one["redis"] == last
        assert one["log"].startswith(f"{n - 2}:")
    await equal(stood.engine)


@pytest.mark.long
async def test_another_rule_than_was_counted_by(stood: Stood) -> None:
    """A definition that was changed is not that of its generation; one that fits finds counts of other rules."""
    engine, counted_by = stood.engine, stood.engine.generation
    name = keys.configuration(counted_by.id)
    async with stood.changed(name):
        table = json.loads(await stood.client.get(name))
        del table["rules"]["repeat"]
        await stood.client.set(name, json.dumps(table))
        code, message = await refused(engine)
        assert code == 1
        assert f"what is kept as the definition of generation {counted_by.id} is that of" in message
        await stood.client.set(name, b"\xff{")
        code, message = await refused(engine)
        assert code == 1
        assert "it was changed" in message
    engine.reconfigure(engine.config.read_text() + 'repeat = "count"\n')
    assert engine.generation.id != counted_by.id
    await stood.client.set(keys.configuration(engine.generation.id), engine.generation.canonical())
    for partition in range(2):
        old = keys.ShardKeys(counted_by.id, partition).meta.removesuffix("meta")
        async for key in stood.client.scan_iter(match=f"{old}*"):
            copy = key.decode().replace(counted_by.id, engine.generation.id)
            await stood.client.restore(copy, 0, await stood.client.dump(key))
    named = await stood.differences("--generation", engine.generation.id)
    assert {"list read/long", "sum of !repeat in long", "sum of view in long"} <= {one["what"] for one in named}
    await equal(engine, "--generation", counted_by.id)


@pytest.mark.long
async def test_a_shard_is_missing(stood: Stood) -> None:
    """All of it, while the log has records: also if something of it is chosen."""
    async with stood.changed(stood.keys.meta):
        await stood.client.delete(stood.keys.meta)
        for options in ((), ("--partition", "0"), ("--site", "demo", "--board", "read")):
            (only,) = await stood.differences(*options)
            assert (only["what"], only["redis"]) == ("shard", "does not exist")
        await equal(stood.engine, "--partition", "1")


async def test_many_differences_are_counted(stood: Stood) -> None:
    """The first of them are named, the others counted."""
    name = stood.keys.total("long", "demo", "read")
    async with stood.changed(name):
        await stood.client.zadd(name, {f"/invented/{number}": 1 for number in range(3000)})
        code, report = await verify(stood.engine)
        assert (code, report["differences"]) == (1, 3000)
        assert len(found(report)) == 1000
        shown = stood.engine.ranker("verify").stdout
        assert "and 2,960 more; --json names the first 1,000" in shown
        assert len(shown.splitlines()) < 60
