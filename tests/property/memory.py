"""The shard store's port over dictionaries. `advance` reads the same program as scripts/advance.lua: its reference."""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any

import msgspec

from ranker.core.generation import Generation
from ranker.core.partial_counts import Mark
from ranker.core.sequence_tracker import last_seen, unpacked
from ranker.core.step import Reply, SliceId, Step, Version
from ranker.store import shard
from ranker.store.keys import ShardKeys
from ranker.store.program import Program, assemble, floors_text
from ranker.store.shard import FORMAT, ShardState

Snapshot = dict[str, Any]


class MemoryServer:
    """What a Redis would hold: keys to dictionaries (hashes, sorted sets), lists and sets."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}

    async def snapshot(self) -> Snapshot:
        return {key: copy.copy(value) for key, value in self.data.items()}

    async def restore(self, snapshot: Snapshot) -> None:
        self.data = {key: copy.copy(value) for key, value in snapshot.items()}

    async def flush(self) -> None:
        self.data = {}

    async def dump(self, prefix: str) -> dict[str, Any]:
        """Every key with this prefix, the prefix cut off."""
        return {key[len(prefix) :]: value for key, value in self.data.items() if key.startswith(prefix)}

    def port(self, generation: Generation, partition: int) -> MemoryShard:
        return MemoryShard(self, generation, partition)

    async def close(self) -> None:
        """Nothing to close."""


class MemoryShard:
    """Same interface, same replies as ranker.store.shard.ShardStore."""

    def __init__(self, server: MemoryServer, generation: Generation, partition: int) -> None:
        self._server = server
        self._generation = generation
        self.keys = ShardKeys(generation.id, partition)

    async def load(self) -> ShardState | None:
        data = self._server.data
        meta = data.get(self.keys.meta)
        if not meta:
            return None
        pairs = [member.split(":") for member in data.get(self.keys.slices, ())]
        return ShardState(
            version=_version(meta),
            watermark_ms=int(meta["T"]),
            partitions=int(meta["P"]),
            mark=Mark(*map(int, meta["last"].split(":"))) if meta["last"] else None,
            slices=frozenset((int(tier), int(slice_)) for tier, slice_ in pairs),
            sites=frozenset(data.get(self.keys.sites, ())),
            strays=len(data.get(self.keys.strays, ())),
            foreign=meta["format"] != FORMAT or "dropped" in meta,
            refused=meta["refused"] == "1",
            producers=unpacked(data.get(self.keys.producers, {}), data.get(self.keys.sequences, {})),
            latest_ms=int(meta.get("latest_ms", 0)),
            first=int(meta.get("first", 0)),
            buckets=tuple(sorted(map(int, data.get(self.keys.buckets, ())))),
        )

    async def init(self, version: Version, watermark_ms: int, partitions: int, gap_ms: int | None) -> None:
        fields = {
            "format": FORMAT,
            "lineage": version.lineage,
            "n": version.n,
            "floors": floors_text(version),
            "T": watermark_ms,
            "n0": version.n,
            "t0": watermark_ms,
            "P": partitions,
            "last": "",
            "refused": 0,
        }
        if gap_ms is not None:
            fields["gap_ms"] = gap_ms
        self._server.data.setdefault(self.keys.meta, {name: str(value) for name, value in fields.items()})

    async def read_slices(self, slice_ids: Iterable[SliceId]) -> tuple[Version | None, dict[SliceId, list[bytes]]]:
        data = self._server.data
        meta = data.get(self.keys.meta)
        lists = {slice_id: list(data.get(self.keys.slice(*slice_id), ())) for slice_id in slice_ids}
        return _version(meta) if meta else None, lists

    async def slice_lengths(self, slice_ids: Iterable[SliceId]) -> dict[SliceId, int]:
        return {slice_id: len(self._server.data.get(self.keys.slice(*slice_id), ())) for slice_id in slice_ids}

    async def remembered(self, bucket: int) -> AsyncIterator[tuple[tuple[str, int] | None, list[bytes]]]:
        for first in itertools.count(0, shard._PIECES):
            meta = self._server.data.get(self.keys.meta)
            version = _version(meta) if meta else None
            at = None if version is None else (version.lineage, version.n)
            pieces = list(self._server.data.get(self.keys.remembered(bucket), ()))[first : first + shard._PIECES]
            yield at, pieces
            if len(pieces) < shard._PIECES:
                return

    async def strays(self) -> set[str]:
        return set(self._server.data.get(self.keys.strays, ()))

    async def last_seen_elsewhere(self, runs: Collection[str], partitions: int) -> dict[str, int]:
        last: dict[str, int] = {}
        for partition in range(partitions):
            packed = self._server.data.get(ShardKeys(self._generation.id, partition).producers, {})
            for run, append_ms in last_seen(packed, runs).items():
                last[run] = max(append_ms, last.get(run, 0))
        return last

    def assemble(self, step: Step) -> Program:
        return assemble(step, self._generation, self.keys)

    async def advance(self, program: Program, *, when_full: bool = False) -> tuple[Reply, int]:
        del when_full  # this memory is never full; the network in between says when it is
        return advance(self._server.data, program)


def advance(data: dict[str, Any], program: Program) -> tuple[Reply, int]:
    """scripts/advance.lua once more, on dictionaries: all or nothing, from exactly one version."""
    keys, said = program.keys, msgspec.msgpack.decode(program.arguments[0])
    meta = data.get(keys[0])
    if not meta:
        return Reply.MISSING, 0
    triple = [meta["lineage"], meta["n"], meta["floors"]]
    if meta["format"] != "1" or "dropped" in meta:
        return Reply.FOREIGN, 0
    if triple != said["from"]:
        return _refusal(triple, said["from"], said["to"]), 0
    for number in said["del"]:
        data.pop(keys[number - 1], None)
    for number, argument in _pairs(said["push"]):
        data.setdefault(keys[number - 1], []).append(program.arguments[argument - 1])
    for number, argument in _pairs(said["put"]):
        data[keys[number - 1]] = [program.arguments[argument - 1]]
    totals = [(number, *each) for numbers, *each in said["zincr"] for number in numbers]
    touched = {keys[number - 1] for number, _, _ in totals}
    for number, members, increments in (*totals, *said["hincr"]):
        counts = data.setdefault(keys[number - 1], {})
        for member, increment in zip(members, increments, strict=True):
            counts[member] = counts.get(member, 0) + int(increment)
            if not counts[member]:
                del counts[member]
    for number, fields, values in said["hset"]:
        data.setdefault(keys[number - 1], {}).update(
            zip(fields, (program.arguments[value - 1] for value in values), strict=True)
        )
    for number, fields in said["hdel"]:
        for name in fields:
            data.get(keys[number - 1], {}).pop(name, None)
    for number, members in said["sadd"]:
        data.setdefault(keys[number - 1], set()).update(members)
    for number, members in said["srem"]:
        data.setdefault(keys[number - 1], set()).difference_update(members)
    for name, by in _pairs(said["add"]):
        meta[name] = str(int(meta.get(name, "0")) + int(by))
    meta.update(_pairs(said["set"]))
    lineage, n, floors = said["to"]
    meta.update(lineage=lineage, n=n, floors=floors, T=str(max(int(said["clock"]), int(meta["T"]))))
    articles = max((len(data[key]) for key in touched), default=0)
    for key in [key for key in keys if key in data and not data[key]]:
        del data[key]  # an empty collection is no key
    return Reply.APPLIED, articles


def _refusal(stored: list[str], before: list[str], after: list[str]) -> Reply:
    if stored == after:
        return Reply.ALREADY
    if stored[0] != before[0]:
        return Reply.REWOUND
    if stored[1] == before[1]:
        return Reply.FLOORS
    return Reply.BEHIND if int(stored[1]) > int(before[1]) else Reply.REWOUND


def _version(meta: dict[str, str]) -> Version:
    return Version(meta["lineage"], int(meta["n"]), tuple(map(int, meta["floors"].split(","))))


def _pairs(flat: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
