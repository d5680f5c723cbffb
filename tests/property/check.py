"""Compares what a shard holds with what the oracle says it has to hold. Tolerance: 0."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import msgspec

from ranker.core import home as homes
from tests.property.sequences import SILENT_FULL_MS, SILENT_MS, Bounds, stamp
from tests.property.sequences import recount as recount_of_producers
from tests.support.once import State
from tests.support.recount import Count, Expected, Raw, Rules, recount


class DivergedError(AssertionError):
    """The engine and the oracle differ."""


@dataclass(frozen=True)
class Lineage:
    """How a lineage began: with which n and floors, and which offsets its counts are known to lack."""

    n0: int
    floors0: tuple[int, ...]
    lost: tuple[tuple[int, int], ...] = ()
    gaps: int = 0
    """Records lost since n0: what `count:lost` says."""
    drops: tuple[tuple[int, frozenset[str]], ...] = ()
    """(n, producers' runs forgotten there)."""

    def keeps(self, offset: int) -> bool:
        return not any(start <= offset < end for start, end in self.lost)


@dataclass
class Shard:
    """A dump, read: what readers would see of it."""

    n: int
    floors: tuple[int, ...]
    watermark_ms: int
    lineage: str
    meta: dict[str, str]
    slices: dict[tuple[int, int], dict[Count, int]]
    """Counts at or above the floors; the others are dead."""
    lists: set[tuple[int, int]]
    index: set[tuple[int, int]]
    totals: dict[tuple[str, str, str], dict[str, int]]
    sums: dict[tuple[str, str, str], int]
    strays: set[str]
    sites: set[str]
    runs: dict[str, bytes]
    sequences: dict[str, bytes]
    remembered: dict[int, list[bytes]]
    """Bucket to the elements of its list."""
    buckets: set[int]


def read(dump: Mapping[str, Any], rules: Rules) -> Shard | None:
    """The dump of one shard's keys, prefix cut off; None if it has not begun (then nothing may be there)."""
    if "meta" not in dump:
        if dump:
            raise DivergedError(f"keys without meta: {sorted(dump)}")
        return None
    meta = dict(dump["meta"])
    shard = Shard(
        n=int(meta["n"]),
        floors=tuple(map(int, meta["floors"].split(","))),
        watermark_ms=int(meta["T"]),
        lineage=meta["lineage"],
        meta=meta,
        slices={},
        lists=set(),
        index={_slice_id(member) for member in dump.get("slices", ())},
        totals={},
        sums={_triple(field): int(count) for field, count in dump.get("sums", {}).items()},
        strays=set(dump.get("strays", ())),
        sites=set(dump.get("sites", ())),
        runs=dict(dump.get("producers", {})),
        sequences=dict(dump.get("sequences", {})),
        remembered={},
        buckets=set(map(int, dump.get("buckets", ()))),
    )
    for name, value in dump.items():
        kind, _, rest = name.partition(":")
        if kind == "total":
            shard.totals[_triple(rest)] = dict(value)
        elif kind == "remembered":
            shard.remembered[int(rest)] = list(value)
        elif kind == "slice":
            slice_id = _slice_id(rest)
            shard.lists.add(slice_id)
            counts = _live(value, slice_id, shard.floors, rules)
            if counts:
                shard.slices[slice_id] = counts
    return shard


def _live(deltas: list[bytes], slice_id: tuple[int, int], floors: tuple[int, ...], rules: Rules) -> dict[Count, int]:
    counts: Counter[Count] = Counter()
    tier, slice_ = slice_id
    for delta in deltas:
        for count, lane, number in _unpacked(delta, rules.lanes):
            if slice_ * rules.lanes + lane >= floors[tier]:
                counts[count] += number
    return {count: number for count, number in counts.items() if number}


@lru_cache(maxsize=20_000)
def _unpacked(delta: bytes, lanes: int) -> list[tuple[Count, int, int]]:
    """(count, lane, number) of everything in a delta."""
    found = []
    if delta[0] == 2:
        for site, (articles, outcomes) in msgspec.msgpack.decode(zlib.decompress(delta[1:])).items():
            for outcome, counts in outcomes.items():
                found += [((site, outcome, article), count) for article, count in zip(articles, counts, strict=True)]
    else:
        packed = zlib.decompress(delta[1:]) if delta[0] == 1 else delta[1:]
        for site, outcomes in msgspec.msgpack.decode(packed).items():
            for outcome, articles in outcomes.items():
                found += [((site, outcome, article), count) for article, count in articles.items()]
    return [(count, zlib.crc32(count[2].encode()) % lanes, number) for count, number in found]


@cache
def home(key: bytes, partitions: int) -> int:
    """The partition a key belongs to."""
    return homes.home(key, partitions)


def _slice_id(text: str) -> tuple[int, int]:
    tier, slice_ = text.split(":")
    return int(tier), int(slice_)


def _triple(text: str) -> tuple[str, str, str]:
    first, second, third = text.split(":", 2)
    return first, second, third


def expected(shard: Shard, log: list[Raw | None], begun: Lineage, rules: Rules) -> Expected:
    """The oracle's word on a shard's version; the same version has to hold the same, whenever it is met again."""
    below = [raw for raw in log[: shard.n] if raw is not None and begun.keeps(raw.offset)]
    want = recount(below, begun.n0, shard.floors, rules)
    stamps = (stamp(raw.offset, raw.timestamp, raw.value) for raw in below if raw.offset >= begun.n0)
    want.heard = recount_of_producers(filter(None, stamps), begun.drops, rules.bounds)
    return want


def heard(shard: Shard, bounds: Bounds) -> dict[str, dict[str, Any]]:
    """What a shard holds of each producer's run, as the oracle tells it."""
    held: dict[str, set[int]] = {name: set() for name in shard.runs}
    for name, bits in shard.sequences.items():
        block, _, run = name.partition(":")
        if run not in held:
            raise DivergedError(f"a bitmap of a run that is not there: {name}")
        marked = {int(block) * bounds.block + at for at in range(bounds.block) if bits[at // 8] >> at % 8 & 1}
        if not marked:
            raise DivergedError(f"an empty bitmap: {name}")
        held[run] |= marked
    told = {}
    for run, packed in shard.runs.items():
        last_ms, first, high, distinct, repeats, *heads = msgspec.msgpack.decode(packed)
        told[run] = {
            "last_ms": last_ms,
            "first": first,
            "high": high,
            "distinct": distinct,
            "repeats": repeats,
            "heads": heads,
            "held": frozenset(held[run]),
        }
    return told


def forgotten(before: Shard, after: Shard, bounds: Bounds) -> frozenset[str]:
    """The runs that a step has forgotten; raises DivergedError if one of them was still active."""
    gone = frozenset(before.runs.keys() - after.runs.keys())
    limit = after.watermark_ms - (SILENT_FULL_MS if len(before.runs) >= bounds.runs else SILENT_MS)
    for run in gone:
        if msgspec.msgpack.decode(before.runs[run])[0] >= limit:
            raise DivergedError(f"run {run} is forgotten, and was heard after {limit}")
    return gone


def compare(
    shard: Shard,
    want: Expected,
    log: list[Raw | None],
    begun: Lineage,
    rules: Rules,
    dead_letters: set[int],
    partition: int,
    active_partitions: int,
) -> None:
    """Raises DivergedError with the first difference between a shard and what it has to hold."""
    floors = shard.floors
    _same("slices", shard.slices, want.slices)
    _same("totals", shard.totals, want.totals)
    _same("sums", shard.sums, want.sums)
    counted = {
        "late": want.late,
        "future": want.future,
        "dead": want.dead,
        "lost": begun.gaps,
        "untracked": want.heard.untracked,
        "settled": want.remembered.settled,
        "given_up": want.remembered.given_up,
    }
    _same("counters", {name: int(shard.meta.get(f"count:{name}", "0")) for name in counted}, counted)
    _same("producers", heard(shard, rules.bounds), want.heard.told(rules.bounds))
    _compare_remembered(shard, want.remembered)
    if shard.index != shard.lists:
        raise DivergedError(f"index of slices {sorted(shard.index)}, slices {sorted(shard.lists)}")
    left = [(t, s) for t, s in shard.lists if (s + 1) * rules.lanes <= floors[t]]
    if left:
        raise DivergedError(f"slices left behind below the floors {floors}: {left}")
    _compare_clock(shard, log, begun, rules)
    if not want.dead_offsets <= dead_letters:
        raise DivergedError(f"passed without a dead letter: {sorted(want.dead_offsets - dead_letters)}")
    sites = {site for counts in want.slices.values() for site, _, _ in counts}
    if not sites <= shard.sites:
        raise DivergedError(f"sites {shard.sites}, counts of {sites}")
    mark = f"{want.last.offset}:{want.last.timestamp}:{_crc(want.last)}" if want.last else ""
    _same("mark", shard.meta["last"], mark)
    made_for = int(shard.meta["P"])
    if made_for == active_partitions:
        names = {f"{site}/{article}" for counts in want.slices.values() for site, _, article in counts}
        needed = {name for name in names if home(name.encode(), made_for) != partition}
        if not needed <= shard.strays:
            raise DivergedError(f"not marked as strays for P={made_for}: {sorted(needed - shard.strays)}")


def _compare_remembered(shard: Shard, want: State) -> None:
    stands = {name: int(shard.meta.get(name, "0")) for name in ("latest_ms", "first")}
    _same("what rules go by", stands, {"latest_ms": want.latest_ms, "first": want.first})
    keys = {}
    for bucket, elements in shard.remembered.items():
        packed = b"".join(elements)
        keys[bucket] = len({packed[at : at + 8] for at in range(0, len(packed), 8)})
        if len(packed) != 8 * keys[bucket]:
            raise DivergedError(f"{len(packed)} bytes of {keys[bucket]} different keys in bucket {bucket}")
    _same("remembered keys", keys, want.keys)
    _same("index of buckets", shard.buckets, keys.keys())


def _compare_clock(shard: Shard, log: list[Raw | None], begun: Lineage, rules: Rules) -> None:
    waiting = [raw.timestamp for raw in log[shard.n :] if raw is not None]
    if waiting and min(waiting) < shard.watermark_ms:
        raise DivergedError(f"T={shard.watermark_ms} overclaims: a record not below n={shard.n} came at {min(waiting)}")
    if shard.meta["refused"] == "1":
        return  # for want of memory the floors follow the wall clock, and lists say so
    for floor, first, (name, length, grain) in zip(shard.floors, begun.floors0, rules.windows, strict=True):
        most = max(first, (shard.watermark_ms - length) // grain * rules.lanes)
        if floor > most:
            raise DivergedError(f"floor {floor} of {name} is beyond what T={shard.watermark_ms} allows: {most}")


def _crc(raw: Raw) -> int:
    return zlib.crc32((raw.key or b"") + (raw.value or b""))


def _same(what: str, got: Any, want: Any) -> None:
    if got != want:
        if isinstance(got, dict) and isinstance(want, dict):
            keys = [key for key in got.keys() | want.keys() if got.get(key) != want.get(key)]
            got, want = {key: got.get(key) for key in keys}, {key: want.get(key) for key in keys}
        raise DivergedError(f"{what} differ: got {got}, want {want}")
