from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import CliRunner

from ranker.commands import main
from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.operate import generations as operate
from ranker.store import generations, inventory, keys
from ranker.store.generations import Active, ActiveChangedError, GenerationError
from ranker.store.shard import ShardStore
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS
from tests.support.redis_at import redis_at
from tests.support.shard_writer import count_in, meta_of
from tests.support.stores import STORES, store_url

NOW = 1_700_000_000_000
HOUR = NOW // 3_600_000
BLUE = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
GREEN = Generation("page-views", DEFAULT_WINDOWS, {"engaged": {"view": 1, "share": 5}})


@pytest.fixture(params=STORES)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    opened = connect(redis_at(store_url(request)))
    yield opened
    await opened.aclose()


async def begin(client: Any, generation: Generation, partitions: int, watermark_ms: int = NOW, sites: int = 1) -> None:
    """Shards as a consumer would leave them: one article per site and partition, one slice of each tier, one hour's keys."""
    await generations.register(client, generation)
    for partition in range(partitions):
        shard = keys.ShardKeys(generation.id, partition)
        pipe = client.pipeline(transaction=False)
        pipe.hset(shard.meta, mapping=meta_of(generation, watermark_ms, partitions))
        for site in range(sites):
            count_in(pipe, generation, partition, f"site{site}", "article", "view", 1)
        for tier in range(len(generation.windows)):
            pipe.rpush(shard.slice(tier, 1000), b"delta" * 100)
            pipe.sadd(shard.slices, f"{tier}:1000")
        pipe.sadd(shard.strays, "site0/article")
        pipe.sadd(shard.buckets, HOUR)
        pipe.rpush(shard.remembered(HOUR), b"8 bytes!" * 1000)
        await pipe.execute()


async def all_keys(client: Any) -> set[str]:
    return {key.decode() async for key in client.scan_iter(match="*", count=1000)}


async def test_the_first_consumer_makes_its_generation_the_first(client: Any) -> None:
    """On an empty Redis nobody has to activate anything."""
    assert await generations.read_active(client) is None
    active = await generations.ensure_first(client, BLUE, 4, None)
    assert active == await generations.read_active(client) == Active(1, BLUE.id, 4)
    assert await generations.registered(client) == [BLUE.id]
    assert await generations.configuration(client, BLUE.id) == BLUE


async def test_a_second_configuration_does_not_push_itself_forward(client: Any) -> None:
    """Green beside an active blue follows what is active."""
    first = await generations.ensure_first(client, BLUE, 4, None)
    assert await generations.ensure_first(client, GREEN, 4, None) == first


async def test_who_never_read_an_active_one_sets_none_beside_another_generation(client: Any) -> None:
    """`active` lost and nobody remembers it: with two generations there, an operator has to choose."""
    await generations.register(client, BLUE)
    assert await generations.ensure_first(client, GREEN, 4, None) is None
    assert await generations.read_active(client) is None


async def test_of_two_first_consumers_one_wins_and_both_follow_it(client: Any) -> None:
    """Two configurations started at once on an empty Redis: exactly one becomes active."""
    for _ in range(20):
        for name in (keys.ACTIVE, keys.GENERATIONS):
            await client.delete(name)
        both = await asyncio.gather(
            generations.ensure_first(client, BLUE, 4, None), generations.ensure_first(client, GREEN, 4, None)
        )
        active = await generations.read_active(client)
        assert active is not None
        assert {both[0], both[1]} == {active}


async def test_a_lost_active_is_put_back_by_who_remembers_it(client: Any) -> None:
    """FLUSHALL, or a failover that lost the key: seq, generation and partitions come back as they were."""
    remembered = Active(7, GREEN.id, 6)
    assert await generations.ensure_first(client, BLUE, 4, remembered) == remembered
    assert await generations.read_active(client) == remembered


async def test_a_lower_seq_is_put_right_and_a_higher_one_is_followed(client: Any) -> None:
    """A failover may lose the last change; who has seen it restores it, and never goes back itself."""
    await generations.restore_active(client, Active(3, BLUE.id, 4))
    assert await generations.restore_active(client, Active(5, GREEN.id, 4)) == Active(5, GREEN.id, 4)
    assert await generations.restore_active(client, Active(4, BLUE.id, 4)) == Active(5, GREEN.id, 4)
    assert await generations.read_active(client) == Active(5, GREEN.id, 4)


async def test_many_restore_at_once_and_the_highest_stays(client: Any) -> None:
    """Whatever the order, the largest seq that anybody has seen is what stands in the end."""
    remembered = [Active(seq, BLUE.id, seq) for seq in (2, 9, 4, 7, 1, 8)]
    await asyncio.gather(*(generations.restore_active(client, one) for one in remembered))
    assert await generations.read_active(client) == Active(9, BLUE.id, 9)


async def test_activation_is_compare_and_set(client: Any) -> None:
    """Of two operators who saw the same state one wins; the other gets an error, and nothing is lost in between."""
    await generations.ensure_first(client, BLUE, 4, None)
    await generations.register(client, GREEN)
    assert await generations.activate(client, GREEN.id, 4, 1) == Active(2, GREEN.id, 4)
    with pytest.raises(ActiveChangedError, match=GREEN.id):
        await generations.activate(client, BLUE.id, 4, 1)
    assert await generations.read_active(client) == Active(2, GREEN.id, 4)


async def test_an_unknown_generation_cannot_be_activated(client: Any) -> None:
    """A misspelt id must not empty the lists."""
    with pytest.raises(GenerationError, match="not registered"):
        await generations.activate(client, "0123456789ab", 4, 0)
    assert await generations.read_active(client) is None


async def test_partitions_rise_for_the_active_generation_only(client: Any) -> None:
    """Green's consumers, who see the same topic, must not widen blue's lists; and the number never falls."""
    await generations.ensure_first(client, BLUE, 4, None)
    assert await generations.raise_partitions(client, GREEN.id, 8) == Active(1, BLUE.id, 4)
    assert await generations.raise_partitions(client, BLUE.id, 8) == Active(2, BLUE.id, 8)
    assert await generations.raise_partitions(client, BLUE.id, 6) == Active(2, BLUE.id, 8)
    await asyncio.gather(*(generations.raise_partitions(client, BLUE.id, n) for n in (9, 12, 10, 11)))
    active = await generations.read_active(client)
    assert active is not None
    assert active.partitions == 12


async def test_nothing_active_is_not_raised(client: Any) -> None:
    """Raising partitions never makes a generation active."""
    assert await generations.raise_partitions(client, BLUE.id, 8) is None


async def test_drop_leaves_nothing_but_tombstones_that_expire(client: Any) -> None:
    """Every key of the dropped generation goes, none of another's; each shard's meta refuses until it expires."""
    await begin(client, BLUE, 3, sites=inventory.STEP_KEYS)
    await begin(client, GREEN, 3)
    await generations.activate(client, GREEN.id, 3, 0)
    kept = {key for key in await all_keys(client) if GREEN.id in key} | {keys.ACTIVE, keys.GENERATIONS}
    assert await operate.drop(client, BLUE.id) == 3
    tombstones = {keys.ShardKeys(BLUE.id, partition).meta for partition in range(3)}
    assert await all_keys(client) == kept | tombstones
    assert await generations.registered(client) == [GREEN.id]
    for meta in tombstones:
        assert 0 < await client.ttl(meta) <= inventory.TOMBSTONE_S


async def test_a_consumer_of_a_dropped_generation_is_refused(client: Any) -> None:
    """Its shards say foreign, begun or not, and it cannot put itself on the register again."""
    await begin(client, BLUE, 2)
    await begin(client, GREEN, 2)
    await generations.activate(client, GREEN.id, 2, 0)
    await client.delete(keys.ShardKeys(BLUE.id, 1).meta)
    await operate.drop(client, BLUE.id)
    for partition in range(2):
        state = await ShardStore(client, BLUE, partition).load()
        assert state is not None
        assert state.foreign
    await generations.register(client, BLUE)
    assert await generations.registered(client) == [GREEN.id]


async def test_the_active_generation_is_not_dropped(client: Any) -> None:
    """It is refused before anything is touched."""
    await begin(client, BLUE, 1)
    await generations.activate(client, BLUE.id, 1, 0)
    before = await all_keys(client)
    with pytest.raises(GenerationError, match="is active"):
        await operate.drop(client, BLUE.id)
    assert await all_keys(client) == before
    assert await generations.registered(client) == [BLUE.id]


async def test_no_activation_that_looked_before_survives_a_drop(client: Any) -> None:
    """An operator who saw blue registered cannot activate it once another has begun to drop it."""
    await begin(client, BLUE, 1)
    await begin(client, GREEN, 1)
    seen = await generations.activate(client, GREEN.id, 1, 0)
    await operate.drop(client, BLUE.id)
    await client.sadd(keys.GENERATIONS, BLUE.id)  # as the other operator still believes
    with pytest.raises(ActiveChangedError):
        await generations.activate(client, BLUE.id, 1, seen.seq)


async def test_an_interrupted_drop_can_be_finished(client: Any) -> None:
    """Off the register and half deleted, it is dropped by the same command again."""
    await begin(client, BLUE, 2, sites=3)
    await begin(client, GREEN, 1)
    await generations.activate(client, GREEN.id, 1, 0)
    await generations.withdraw(client, BLUE.id)
    await client.delete(keys.ShardKeys(BLUE.id, 0).total("24h", "site1", "read"))
    await operate.drop(client, BLUE.id)
    left = {key for key in await all_keys(client) if BLUE.id in key}
    assert left == {keys.ShardKeys(BLUE.id, partition).meta for partition in range(2)}


async def test_an_unknown_generation_is_not_dropped(client: Any) -> None:
    """A misspelt id is reported."""
    with pytest.raises(GenerationError, match="not known here"):
        await operate.drop(client, "0123456789ab")


async def test_activation_waits_until_the_counts_are_level(client: Any) -> None:
    """Blue/green: while green catches up it is refused with the reason, then taken; --force takes it before."""
    await begin(client, BLUE, 2)
    await begin(client, GREEN, 2, watermark_ms=NOW - 600_000)
    await generations.activate(client, BLUE.id, 2, 0)
    with pytest.raises(GenerationError, match="partition 0 is 600 s behind"):
        await operate.activate(client, GREEN.id, NOW, force=False)
    assert (await operate.activate(client, GREEN.id, NOW, force=True)).generation == GREEN.id
    assert (await operate.activate(client, BLUE.id, NOW, force=False)) == Active(3, BLUE.id, 2)


async def test_activating_the_active_one_changes_nothing(client: Any) -> None:
    """The command may be repeated."""
    await begin(client, BLUE, 2)
    first = await operate.activate(client, BLUE.id, NOW, force=False)
    assert await operate.activate(client, BLUE.id, NOW, force=False) == first


async def test_what_holds_no_counts_is_not_activated_even_by_force(client: Any) -> None:
    """Registered is not enough: lists would be empty, or a dropped generation's."""
    await generations.register(client, BLUE)
    with pytest.raises(GenerationError, match="has no counts here"):
        await operate.activate(client, BLUE.id, NOW, force=True)


async def test_the_overview_shows_age_and_memory(client: Any) -> None:
    """The active one first; its age is that of its oldest shard; memory is about what Redis says its keys take."""
    await begin(client, BLUE, 3, sites=50)
    await begin(client, GREEN, 2, watermark_ms=NOW - 60_000)
    await client.hset(keys.ShardKeys(BLUE.id, 1).meta, "T", NOW - 5_000)
    await generations.activate(client, BLUE.id, 3, 0)
    blue, green = await operate.overview(client)
    assert (blue.id, blue.active, blue.shards, blue.as_of_ms) == (BLUE.id, True, 3, NOW - 5_000)
    assert (green.id, green.active, green.shards, green.as_of_ms) == (GREEN.id, False, 2, NOW - 60_000)
    everything = 0
    for key in await all_keys(client):
        everything += await client.memory_usage(key, samples=0) if f"{{{BLUE.id}." in key else 0
    assert blue.memory_bytes == pytest.approx(everything, rel=0.1)
    shard = await inventory.memory(client, BLUE, 0)
    assert shard is not None
    assert shard.totals.keys() == {"24h", "7d"}
    assert all(size > 50 * 50 for size in shard.totals.values())  # of 50 sites
    assert shard.slices.keys() == {0, 1}
    assert all(size > 500 for size in shard.slices.values())
    assert shard.remembered > 8_000
    assert shard.whole == await inventory.memory_bytes(client, BLUE, 0)


def test_the_commands(redis_url: str) -> None:
    """List, activate, drop, as an operator types them."""

    async def prepare() -> None:
        opened = connect(redis_at(redis_url))
        await begin(opened, BLUE, 2)
        await begin(opened, GREEN, 2)
        await begin(opened, PRESS, 1)
        await generations.activate(opened, BLUE.id, 2, 0)
        await opened.aclose()

    asyncio.run(prepare())

    def ranker(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["generations", *arguments], env={"RANKER_REDIS_URL": redis_url})
        return result.exit_code, result.output

    code, listed = ranker()
    assert code == 0
    assert listed.startswith(f"{BLUE.id}  active\n")
    assert "engaged (5 share + 1 view)" in listed
    assert "rules    bots@1; counts every site" in listed
    remembering = (
        "rules    duplicate@1, bots@1, internal@1, unique_item@counter-5.1 of view, grace 3600 s, "
        "at most 20,000,000 keys a shard; counts every site"
    )
    assert remembering in listed
    assert "as of    2023-11-14T22:13:20Z" in listed
    code, said = ranker("drop", BLUE.id)
    assert (code, "is active" in said) == (1, True)
    assert ranker("activate", GREEN.id) == (0, f"{GREEN.id} is active, 2 partitions\n")
    assert ranker("drop", BLUE.id) == (0, f"{BLUE.id} is dropped, 2 shards\n")
    code, said = ranker("activate", BLUE.id)
    assert (code, "has no counts here" in said) == (1, True)
