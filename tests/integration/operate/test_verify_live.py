"""`ranker verify` while records come and are counted: equal at every run, whatever the log holds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ranker.connect.redis import connect
from ranker.log import stretch
from ranker.operate.verify import Selection, Verification
from ranker.recount import definition as definitions
from ranker.store import atomic_reads, pieces
from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.operate.verifying import RULED, equal
from tests.support.kafka_at import kafka_at
from tests.support.record_batches import append, batch, record
from tests.support.redis_at import redis_at

RUNS = 5


async def _equal_while_it_counts(engine: Engine, environment: str = "production") -> None:
    """Several runs beside traffic; each has more to compare with than the one before."""
    engine.consume(environment=environment)
    await engine.until_counted()
    async with engine.traffic.flowing(per_s=600):
        ends = [0]
        for _ in range(RUNS):

            async def more(before: int = ends[-1]) -> bool:
                return sum(await engine.applied()) > before

            await engine.until("More to compare with", more)
            report = await equal(engine)
            assert [partition["unchecked"] for partition in report["partitions"]] == [[]] * engine.partitions
            assert min(partition["compared"] for partition in report["partitions"]) > 500
            ends.append(sum(partition["end"] for partition in report["partitions"]))
        assert ends == sorted(set(ends))
        applied = await engine.applied()

        async def goes_on() -> bool:
            return sum(await engine.applied()) > sum(applied)

        await engine.until("counting", goes_on)
    dropped, strays = set(), set()
    for partition in range(engine.partitions):
        shard = await engine.shard(partition)
        assert shard is not None
        strays |= shard.strays
        dropped |= {outcome for (_, _, outcome), count in shard.sums.items() if count}
    assert strays
    assert {"!duplicate", "!bot", "!internal", "!repeat", "view"} < dropped


@pytest.mark.long
async def test_on_the_embedded_broker(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """Press rules, two sites, strays, take-backs, bots, late and malformed events, floors that move every second."""
    engine = Engine(kafka_embedded, redis_url, tmp_path, session_timeout_ms=10_000, idempotent=False, **RULED)
    try:
        await engine.create_topic(2)
        await engine.traffic.send(3000)
        await _equal_while_it_counts(engine, environment="development")  # its records carry the producers' times
    finally:
        await engine.close()


async def test_on_apache_kafka(new_engine: Callable[..., Engine]) -> None:
    """The same with transactions, committed and aborted, and with batches that unpack to too much."""
    engine = new_engine(
        **RULED | {"config": f"{RULES_TOML}\n".replace("flush_ms = 50", "flush_ms = 50\nunpack_mb = 2")}
    )
    await engine.create_topic(2)
    await engine.traffic.send(2000)
    async with engine.traffic.producer(transactional_id=f"{engine.topic}-a") as producer:
        for round_ in range(4):
            await producer.begin_transaction()
            await engine.traffic.send_by(producer, 200)
            await (producer.commit_transaction() if round_ % 2 else producer.abort_transaction())
    now_ms = time.time_ns() // 1_000_000
    views = [engine.traffic.view() for _ in range(6)]
    large = [record(n, key, value) for n, (key, value) in enumerate(views)]
    large[3] = record(3, b"demo/a", b" " * (5 << 20))
    async with engine.traffic.producer() as producer:
        for partition, codec in enumerate((4, 1)):
            await append(producer, engine.topic, partition, batch(large, codec=codec, now_ms=now_ms, sent=True))
    await engine.traffic.send(500)
    await _equal_while_it_counts(engine)
    lost = [shard.meta["count:lost"] for shard in [await engine.shard(0), await engine.shard(1)] if shard is not None]
    assert lost == ["2", "2"]


@pytest.mark.parametrize("kind", ["redis_cluster_url", "valkey_url"])
@pytest.mark.long
async def test_on_other_stores(new_engine: Callable[..., Engine], kind: str, request: pytest.FixtureRequest) -> None:
    """A cluster is read by scripts."""
    engine = new_engine(redis_url=request.getfixturevalue(kind), **RULED)
    await engine.create_topic(2)
    await engine.traffic.send(1000)
    await _equal_while_it_counts(engine)


@pytest.mark.long
async def test_partitions_are_added(new_engine: Callable[..., Engine]) -> None:
    """A new shard is compared as soon as it belongs to the lists; articles whose home has moved are marked."""
    engine = new_engine(**RULED)
    await engine.create_topic(2)
    engine.consume()
    await engine.traffic.send(2000)
    await engine.until_counted()
    await engine.add_partitions(3)
    async with engine.traffic.flowing(per_s=600):

        async def begun() -> bool:
            return min(await engine.applied()) > 0

        await engine.until("the new shard", begun)
        for _ in range(RUNS):
            report = await equal(engine)
        assert [partition["partition"] for partition in report["partitions"]] == [0, 1, 2]


@pytest.mark.long
async def test_floors_move_between_the_pieces(
    new_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece has other floors and another n than the one before it, and equals the log at its own.

    A list whose pages never have one version is read at one moment.
    """
    engine = new_engine(**RULED)
    await engine.create_topic(1)
    await engine.traffic.send(1000)
    engine.consume()
    await engine.until_counted()
    meta = f"ranker:{{{engine.generation.id}.0}}:meta"
    seen: list[bytes] = []
    held_up = Counter(LRANGE=6, ZRANGE=7)  # of a list: its first rows, a page of each of five tries, all of it

    async def read_later(client: Any, groups: Any) -> Any:
        async def moved() -> bool:
            floors = await engine.client.hget(meta, "floors")
            if floors in seen[-1:]:
                return False
            seen.append(floors)
            return True

        command = groups[0][1][0]
        if held_up[command] > 0:
            held_up[command] -= 1
            await engine.until("other floors", moved)
        return await atomic_reads.read_each_atomically(client, groups)

    monkeypatch.setattr(pieces, "read_each_atomically", read_later)
    for name, size in (("_AT_ONCE", 1), ("_FIRST", 50), ("_PAGE", 60)):
        monkeypatch.setattr(pieces, name, size)
    client = connect(redis_at(engine.redis_url))
    definition = definitions.read(await pieces.canonical(client, engine.generation.id), engine.generation.id)
    async with engine.traffic.flowing(per_s=400), stretch.reading(kafka_at(engine.bootstrap), engine.topic) as reader:
        verification = Verification(client, reader, definition, 1, Selection())
        assert await verification.offsets() > 0
        (checked,) = [each async for each in verification.run(lambda _behind: None)]
    await client.aclose()
    assert checked.named == []
    assert len(seen) == 13
    assert checked.end > 1000
