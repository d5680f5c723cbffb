"""Producers watched on a real Redis: shards as the consumer leaves them, clocks set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ranker import settings
from ranker.commands import main
from ranker.connect.redis import connect
from ranker.consume.jobs.watch_producers import SETTLE_MS, ProducerWatch
from ranker.core.generation import Generation
from ranker.core.sequence_tracker import BLOCK, HEAD, KEPT, SequenceTracker
from ranker.core.sequences import SequenceList
from ranker.core.step import Step, Version
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.operate import generations as operate
from ranker.store import generations, inventory
from ranker.store.producers import last_seen, read_report
from ranker.store.shard import ShardStore
from tests.support.reader import GENERATION
from tests.support.redis_at import redis_at, redis_environ
from tests.support.shard_writer import activate
from tests.support.stores import STORES, store_url

PARTITIONS = 3
NOW = 1_800_000_000_000
MINUTE_MS = 60_000


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request)


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    opened = connect(redis_at(url))
    yield opened
    await opened.aclose()


class Topic:
    """Three shards whose records are seen as the test says, and the watch of their producers."""

    def __init__(self, client: Any) -> None:
        self.stores = [ShardStore(client, GENERATION, partition) for partition in range(PARTITIONS)]
        self.now_ms = NOW
        self.registry = new_registry()
        self.metrics = ConsumerMetrics(self.registry, ["view"])
        self.watch = ProducerWatch(
            client, GENERATION, lambda: PARTITIONS, lambda: True, lambda: self.now_ms, self.metrics
        )

    async def begin(self) -> None:
        for store in self.stores:
            await store.init(Version("00aa", 0, (0, 0)), self.now_ms, PARTITIONS, None)

    async def record(self, sequences: Mapping[str, Sequence[int]], shard: int | None = None) -> None:
        """These runs' sequences, appended now: in this shard, or spread over all."""
        for number, store in enumerate(self.stores):
            mine = {
                run: [s for s in some if shard == number or (shard is None and s % PARTITIONS == number)]
                for run, some in sequences.items()
            }
            await self.step(store, {run: some for run, some in mine.items() if some or shard == number})

    async def step(self, store: ShardStore, sequences: Mapping[str, Sequence[int]]) -> None:
        state = await store.load()
        assert state is not None
        after = Version(state.version.lineage, state.version.n + 1, state.version.floors)
        mine = {run: SequenceList(some) for run, some in sequences.items()}
        plan_update = state.producers.plan_update(mine, dict.fromkeys(mine, self.now_ms))
        step = Step(
            state.version, after, self.now_ms, producers=plan_update, counters={"untracked": plan_update.untracked}
        )
        await store.advance(store.assemble(step))

    async def tick(self, by_ms: int = SETTLE_MS, *, but: int | None = None) -> None:
        """Time goes on, and with it every shard's clock but one's; a look follows."""
        self.now_ms += by_ms
        for number, store in enumerate(self.stores):
            if number != but:
                await self.step(store, {})
        self.metrics.show_producers(await self.watch.report())

    def told(self, what: str, producer: str = "a") -> float | None:
        value: float | None = self.registry.get_sample_value(f"ranker_producer_{what}", {"producer": producer})
        return value


@pytest.fixture
async def topic(client: Any) -> Topic:
    made = Topic(client)
    await made.begin()
    return made


async def test_missing_is_what_no_shard_has_seen_once_it_has_settled(topic: Topic) -> None:
    """Nothing is missing before 10 s have passed in every shard, and what comes late is missing no more."""
    await topic.record({"a/1": [s for s in range(3_000) if s not in (7, 8, 1_500)]})
    await topic.record({"a/1": [7, 2_900]}, shard=2)
    await topic.tick(0)
    assert (topic.told("missing"), topic.told("repeats")) == (None, 1)
    await topic.tick(but=1)
    assert topic.told("missing") is None, "shard 1 may still hold what is not there"
    await topic.tick(0)
    assert (topic.told("missing"), topic.told("repeats")) == (2, 1), "7 is found away from home"
    await topic.record({"a/1": [1_500, 1_502]})
    await topic.tick()
    assert (topic.told("missing"), topic.told("repeats")) == (1, 2)


async def test_sequences_on_their_way_are_not_missing(topic: Topic) -> None:
    """Only up to the highest sequence of ten seconds ago; what was seen above it does not count."""
    await topic.record({"a/1": range(1_000)})
    await topic.tick(0)
    await topic.record({"a/1": [*range(1_000, 2_000, 2), 90_000]})
    await topic.tick()
    assert topic.told("missing") == 0
    await topic.tick()
    assert topic.told("missing") == 90_001 - 1_501


async def test_a_run_that_races_on_keeps_its_last_report(topic: Topic) -> None:
    """If the blocks of ten seconds ago are not kept any more, nothing new can be reported until it slows down."""
    await topic.record({"a/1": range(1, 10)})
    await topic.tick(0)
    await topic.tick()
    assert topic.told("missing") == 1
    await topic.record({"a/1": [KEPT * BLOCK * 3]})
    await topic.tick()
    assert topic.told("missing") == 1
    await topic.tick()
    assert topic.told("missing") == KEPT * BLOCK * 3 + 1 - 10


async def test_a_run_that_was_under_way_is_judged_from_its_ninth_block_on(topic: Topic) -> None:
    """Its first events lie below one shard's n0 and above another's."""
    start = 500 * BLOCK
    await topic.record({"a/1": range(start + 13, start + HEAD * BLOCK)}, shard=0)
    await topic.record({"a/1": range(start + HEAD * BLOCK + 5, start + 2 * HEAD * BLOCK)})
    await topic.tick(0)
    await topic.tick()
    assert topic.told("missing") == 5
    await topic.record({"a/1": [start + 400 * BLOCK]})
    await topic.tick()
    await topic.tick()
    assert topic.told("missing") == 5 + 400 * BLOCK + 1 - 2 * HEAD * BLOCK - 1


async def test_runs_of_a_name_are_added_up_and_silence_is_the_youngest(topic: Topic) -> None:
    await topic.record({"a/1": [1, 2, 2], "b": [0]}, shard=0)
    await topic.tick(0)
    topic.now_ms += 5 * MINUTE_MS
    await topic.record({"a/2": [2]}, shard=1)
    await topic.tick(MINUTE_MS)
    await topic.tick(0)
    await topic.tick(MINUTE_MS)
    assert (topic.told("missing"), topic.told("repeats"), topic.told("silent_seconds")) == (3, 1, 120)
    assert (topic.told("missing", "b"), topic.told("silent_seconds", "b")) == (0, 7 * 60)


async def test_a_consumer_that_is_behind_is_no_silent_producer(topic: Topic) -> None:
    await topic.record({"a/1": [0]}, shard=0)
    await topic.tick(10 * MINUTE_MS, but=2)
    assert topic.told("silent_seconds") == 0


async def test_a_hundred_names_and_the_others(topic: Topic) -> None:
    """Labels are bounded; a producer that was inactive for a day is not reported; runs beyond 256 in a shard are counted."""
    await topic.record({f"n{number:03}/1": [1] for number in range(300)}, shard=0)
    await topic.tick(0)
    await topic.tick()
    assert topic.told("missing", "n099") == 1
    assert topic.told("missing", "n100") is None
    assert topic.told("missing", "other") == 156
    assert topic.registry.get_sample_value("ranker_producers_untracked") == 44
    await topic.tick(25 * 60 * MINUTE_MS)
    assert topic.told("missing", "n099") is topic.told("repeats", "other") is None


async def test_a_run_that_some_shards_have_forgotten_misses_no_more_for_it(topic: Topic, client: Any) -> None:
    """They forget one after the other; meanwhile the last report stays."""
    await topic.record({"a/1": [s for s in range(900) if s != 5]})
    await topic.tick(0)
    await topic.tick()
    assert topic.told("missing") == 1
    await client.delete(topic.stores[2].keys.producers, topic.stores[2].keys.sequences)
    await topic.tick()
    assert topic.told("missing") == 1
    await topic.tick(24 * 60 * MINUTE_MS - 3 * SETTLE_MS)
    assert topic.told("missing") == 1
    await topic.tick(SETTLE_MS + 1)
    assert topic.told("missing") is None


async def test_shards_that_began_anew_are_judged_by_what_they_have(topic: Topic, client: Any) -> None:
    """After a flush the log may give back less than was seen before: what is missing from there on is seen all the same."""
    await topic.record({"a/1": range(100_000)})
    await topic.tick(0)
    await topic.tick()
    assert topic.told("missing") == 0
    for store in topic.stores:
        await client.delete(store.keys.meta, store.keys.producers, store.keys.sequences)
    for store in topic.stores:
        await store.init(Version("00bb", 7, (0, 0)), topic.now_ms, PARTITIONS, None)
    await topic.record({"a/1": [s for s in range(90_000, 110_000) if s != 109_005]})
    await topic.tick()
    await topic.tick()
    assert topic.told("missing") == 1


async def test_until_every_shard_has_begun_nothing_is_reported(client: Any) -> None:
    topic = Topic(client)
    assert await topic.watch.report() is None
    await topic.stores[0].init(Version("00aa", 0, (0, 0)), NOW, PARTITIONS, None)
    assert await topic.watch.report() is None


async def test_top_shows_who_is_silent_and_what_is_missing(topic: Topic, client: Any, url: str) -> None:
    """`ranker top --once`, with a name that would move the cursor."""
    await activate(client, GENERATION, PARTITIONS)
    await client.sadd(topic.stores[0].keys.sites, "demo")
    await topic.record({"cms\x1b[2J/1": range(10), "collector/1": [0, 1, 4, 4]}, shard=0)
    await topic.tick(0)
    await topic.record({"collector/1": [5, 1_234]}, shard=1)
    await topic.tick(3 * MINUTE_MS)
    await topic.record({"collector/1": [1_235]}, shard=0)
    await topic.tick()

    def top() -> Result:
        return CliRunner().invoke(
            main, ["top", "--once", "--site", "demo"], env={**redis_environ(url), "COLUMNS": "100"}
        )

    said = await asyncio.to_thread(top)
    assert said.exit_code == 0, said.output
    rows = {words[0]: words[1:] for words in map(str.split, said.output.splitlines()) if words}
    assert rows[r"cms\x1b[2J"] == ["silent", "for", "3", "min", "0", "0"]
    assert rows["collector"] == ["now", "1,230", "1"]


async def test_top_says_if_it_shows_another_generation(topic: Topic, client: Any, url: str) -> None:
    """Than these settings make: once, above the lists."""
    ours = settings.load(None, {}).generation
    other = Generation("page-views-of-others", ours.windows, ours.boards)
    env = {**redis_environ(url), "COLUMNS": "300", "RANKER_CONFIG": ""}

    async def top(generation: Generation) -> str:
        await activate(client, generation, PARTITIONS)
        for partition in range(PARTITIONS):
            store = ShardStore(client, generation, partition)
            if await store.load() is None:
                await store.init(Version("00aa", 0, (0, 0)), NOW, PARTITIONS, None)
            await client.sadd(store.keys.sites, "demo")
        said = await asyncio.to_thread(CliRunner().invoke, main, ["top", "--once", "--site", "demo"], env=env)
        assert said.exit_code == 0, said.output
        return said.output

    assert "not active" not in await top(ours)
    said = await top(other)
    assert said.startswith(
        f"These settings make generation {ours.id}, which is not active (ranker generations activate {ours.id}). "
        f"Shown is {other.id}, which is."
    )


async def test_a_report_is_gone_with_its_writer(topic: Topic, client: Any) -> None:
    """It expires within a minute: nobody reads of producers that nobody watches."""
    await topic.tick(0)
    assert await read_report(client, GENERATION.id) is not None
    ttl = await client.ttl(f"ranker:generation:{GENERATION.id}:producers")
    assert 0 < ttl <= 60


async def test_drop_takes_the_sightings_along(topic: Topic, client: Any) -> None:
    await topic.record({"a/1": range(BLOCK)})
    assert (await inventory.memory_bytes(client, GENERATION, 0) or 0) > BLOCK // 8
    await generations.register(client, GENERATION)
    await operate.drop(client, GENERATION.id)
    left = {key.decode().rpartition(":")[2] async for key in client.scan_iter(match="*", count=1000)}
    assert left <= {"meta", "generations"}


async def test_a_run_is_last_seen_when_any_shard_saw_it_last(topic: Topic, client: Any) -> None:
    """The last time that any shard has seen a run; runs that none has seen are left out."""
    await topic.record({"a/1": [0], "b/1": [1]}, shard=0)
    topic.now_ms += 77
    await topic.record({"a/1": [2]}, shard=2)
    assert await topic.stores[1].last_seen_elsewhere(["a/1", "b/1", "c/1"], PARTITIONS) == {"a/1": NOW + 77, "b/1": NOW}
    found = await last_seen(client, GENERATION.id, PARTITIONS, bitmaps=True)
    assert found is not None
    assert [sorted(shard.producers.runs) for shard in found] == [["a/1", "b/1"], [], ["a/1"]]
    assert isinstance(found[0].producers, SequenceTracker)
