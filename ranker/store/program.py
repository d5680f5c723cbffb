"""A step in the form that `advance` takes: keys, program and arguments (scripts/advance.lua)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from ranker.core.generation import Generation
from ranker.core.key_set import KEY_BYTES
from ranker.core.memory import MemoryChange
from ranker.core.step import Step, Version
from ranker.store.keys import ShardKeys

PIECE_KEYS = 1020
"""Keys of one element of a bucket's list: what is read in elements has a bound. 1,024 do not fit a node of 8 KiB, which
then takes 10 bytes a key instead of 8.1."""
_pack = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Program:
    """`keys` are all keys that the script may touch, meta first; `arguments` the program and the slice deltas.

    `increments` is how many totals it changes.
    """

    keys: list[str]
    arguments: list[bytes]
    increments: int

    @property
    def bytes(self) -> int:
        return sum(map(len, self.arguments))


def floors_text(version: Version) -> str:
    return ",".join(map(str, version.floors))


def _triple(version: Version) -> tuple[str, str, str]:
    return version.lineage, str(version.n), floors_text(version)


def assemble(step: Step, generation: Generation, keys: ShardKeys) -> Program:
    """The program of a step. Every key is declared; values that the script passes on unchanged are strings."""
    declared: list[str] = [keys.meta]
    arguments: list[bytes] = [b""]

    def key(name: str) -> int:
        declared.append(name)
        return len(declared)  # Lua counts from 1

    def argument(blob: bytes) -> int:
        arguments.append(blob)
        return len(arguments)

    changes = step.changes
    push: list[int] = []
    for slice_id in changes.slices:
        push += (key(keys.slice(*slice_id)), argument(changes.delta(slice_id, sealed=slice_id in step.sealed)))
    put: list[int] = []
    for slice_id, sealed in step.seals.items():
        put += (key(keys.slice(*slice_id)), argument(sealed))
    increases = changes.increases()
    zincr = [
        (
            [key(keys.total(generation.windows[window].name, one.site, one.board)) for window in one.windows],
            one.articles,
            one.increments,
        )
        for one in increases
    ]
    hincr = []
    if changes.sums:
        fields = [f"{site}:{generation.windows[window].name}:{outcome}" for site, window, outcome in changes.sums]
        hincr.append((key(keys.sums), fields, list(map(str, changes.sums.values()))))
    deleted = [key(keys.slice(*slice_id)) for slice_id in step.deletes]
    memory = step.memory or MemoryChange()
    for bucket, remembered in memory.keys.items():
        at = key(keys.remembered(bucket))
        for first in range(0, len(remembered), PIECE_KEYS * KEY_BYTES):
            push += (at, argument(bytes(remembered[first : first + PIECE_KEYS * KEY_BYTES])))
    deleted += [key(keys.remembered(bucket)) for bucket in memory.gone]
    hset, hdel = [], []
    if (update := step.producers) is not None:
        hset = [
            (key(name), list(fields), list(map(argument, fields.values())))
            for name, fields in ((keys.producers, update.set_runs()), (keys.sequences, update.set_blocks()))
            if fields
        ]
        hdel = _members(key, (keys.producers, update.gone), (keys.sequences, update.deleted_blocks()))
    arguments[0] = _pack(
        {
            "from": _triple(step.before),
            "to": _triple(step.after),
            "clock": str(step.watermark_ms),
            "set": _meta_fields(step),
            "add": [text for name, by in step.counters.items() if by for text in (f"count:{name}", str(by))],
            "del": deleted,
            "push": push,
            "put": put,
            "zincr": zincr,
            "hincr": hincr,
            "hset": hset,
            "hdel": hdel,
            "sadd": _members(
                key,
                (keys.slices, map(_slice_member, changes.slices)),
                (keys.sites, step.new_sites),
                (keys.strays, step.strays),
                (keys.buckets, map(str, memory.keys)),
            ),
            "srem": _members(
                key,
                (keys.slices, map(_slice_member, step.deletes)),
                (keys.strays, step.strays_gone),
                (keys.buckets, map(str, memory.gone)),
            ),
        }
    )
    return Program(declared, arguments, sum(len(one.windows) * one.size for one in increases))


def _slice_member(slice_id: tuple[int, int]) -> str:
    return f"{slice_id[0]}:{slice_id[1]}"


def _members(key: Callable[[str], int], *sets: tuple[str, Iterable[str]]) -> list[tuple[int, list[str]]]:
    return [(key(name), listed) for name, members in sets if (listed := list(members))]


def _meta_fields(step: Step) -> list[str]:
    fields: list[str] = []
    if step.mark is not None:
        fields += ("last", f"{step.mark.offset}:{step.mark.append_ms}:{step.mark.crc}")
    if step.partitions is not None:
        fields += ("P", str(step.partitions))
    if step.gap_ms is not None:
        fields += ("gap_ms", str(step.gap_ms))
    if step.refused is not None:
        fields += ("refused", "1" if step.refused else "0")
    if step.memory is not None:
        fields += ("latest_ms", str(step.memory.latest_ms), "first", str(step.memory.first))
    return fields
