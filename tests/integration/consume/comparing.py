"""A shard in Redis beside the recount: equal in every count, tolerance 0."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.integration.consume import shards
from tests.support.recount import Recount, home


def compare(shard: shards.Shard, again: Recount, partition: int, partitions: int, lost: Iterable[int] = ()) -> None:
    """Asserts that `shard` is S(n, F) at its own n and F: totals, sums, slices, counters, strays, clock.

    `lost` are offsets that a gap took before they were counted.
    """
    gone = set(lost)
    again.records[partition] = [record for record in again.records[partition] if record.offset not in gone]
    expected = again.count(partition, shard.n0, shard.n, shard.floors)
    where = f"partition {partition} at {shard.version}"
    assert shard.totals == expected.totals, f"totals of {where}: {_difference(shard.totals, expected.totals)}"
    assert shard.sums == expected.sums, f"sums of {where}"
    live = _live(shard, again.rules.lanes)
    assert live == expected.slices, f"slices of {where}: {_difference(live, expected.slices)}"
    assert shard.slices.keys() == shard.index, f"index of {where}"
    counters = Counter({name.removeprefix("count:"): int(v) for name, v in shard.meta.items() if ":" in name})
    assert counters["lost"] == len(gone), where
    del counters["lost"]
    state = expected.remembered
    assert counters == Counter(
        late=expected.late,
        future=expected.future,
        dead=expected.dead,
        settled=state.settled,
        given_up=state.given_up,
    ), where
    remembered = {bucket: len(keys) for bucket, keys in shard.remembered.items()}
    assert remembered == state.keys, f"what {where} remembers"
    assert shard.buckets == remembered.keys(), f"index of what {where} remembers"
    assert all(len(keys) == len(set(keys)) for keys in shard.remembered.values()), f"a key twice in {where}"
    if again.rules.once.per_ms and shard.n > shard.n0:
        left = int(shard.meta.get("latest_ms", 0)), int(shard.meta.get("first", 0))
        assert left == (state.latest_ms, state.first), f"where the log left the rules of {where}"
    assert int(shard.meta["P"]) == partitions, where
    held = {(site, article) for counts in live.values() for site, _, article in counts}
    away = {f"{site}/{article}" for site, article in held if home(site, article, partitions) != partition}
    assert away <= shard.strays, f"not marked in {where}: {away - shard.strays}"
    assert {site for site, _ in held} <= shard.sites
    not_counted = [record.timestamp for record in again.records[partition] if record.offset >= shard.n]
    assert shard.watermark_ms <= min(not_counted, default=shard.watermark_ms), f"T of {where} says too much"


def _live(shard: shards.Shard, lanes: int) -> dict[tuple[int, int], Counter[tuple[str, str, str]]]:
    """The entries of the slices at or above the floors, without zeros: what is below is dead, and readers skip it."""
    live = {}
    for (tier, number), content in shard.slices.items():
        kept = Counter(
            {
                name: count
                for name, count in content.items()
                if count and number * lanes + zlib.crc32(name[2].encode()) % lanes >= shard.floors[tier]
            }
        )
        if kept:
            live[tier, number] = kept
    return live


def _difference(found: Mapping[Any, Mapping[Any, int]], expected: Mapping[Any, Mapping[Any, int]]) -> str:
    """The first few places where the two are not the same."""
    rows = []
    for name in sorted({*found, *expected}, key=str):
        one, other = Counter(found.get(name)), Counter(expected.get(name))
        rows += [
            f"{name} {key}: {one[key]} in Redis, {other[key]} recounted"
            for key in sorted({*one, *other}, key=str)
            if one[key] != other[key]
        ]
    return f"{len(rows)} differ: " + "; ".join(rows[:5])
