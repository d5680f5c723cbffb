"""One shard as the consumer uses it: load, init, read slices, advance. No decision is made here."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ranker.core.floors import Floors
from ranker.core.generation import Generation
from ranker.core.partial_counts import Mark
from ranker.core.sequence_tracker import SequenceTracker, last_seen, unpacked
from ranker.core.step import Reply, SliceId, Step, Version
from ranker.store.atomic_reads import read_atomically
from ranker.store.errors import translated
from ranker.store.keys import ShardKeys
from ranker.store.program import Program, assemble, floors_text
from ranker.store.scripting import Script

_PIECES = 128
"""Elements of a bucket's list that are read at once: a megabyte, if all are full."""
FORMAT = "1"
"""Version of the state's layout; a shard of another version replies `foreign`."""


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard's meta and indices, read at one moment."""

    version: Version
    watermark_ms: int
    partitions: int
    mark: Mark | None
    slices: frozenset[SliceId]
    sites: frozenset[str]
    strays: int
    foreign: bool
    refused: bool
    producers: SequenceTracker
    latest_ms: int
    """As `first` and `buckets` what rules remember (core/memory.py): 0 and none if they remember nothing."""
    first: int
    buckets: tuple[int, ...]


def script(name: str, *, allow_oom: bool = False) -> str:
    """The text of scripts/NAME.lua; with `allow_oom`, steps that free memory run although Redis is full."""
    text = resources.files("ranker.store").joinpath("scripts", f"{name}.lua").read_text()
    return ("#!lua flags=allow-oom\n" if allow_oom else "#!lua\n") + text


def mark(last: str) -> Mark | None:
    """The last counted record, as meta has it; None before the first."""
    return Mark(*map(int, last.split(":"))) if last else None


class ShardStore:
    """`client` is an asyncio client of redis-py, single or cluster, that returns bytes."""

    def __init__(self, client: Any, generation: Generation, partition: int) -> None:
        self._client = client
        self._generation = generation
        self.keys = ShardKeys(generation.id, partition)
        self._init = Script(client, script("init"))
        self._advance = Script(client, script("advance"))
        self._advance_full = Script(client, script("advance", allow_oom=True))

    async def load(self) -> ShardState | None:
        """The shard's state; None if the shard does not exist."""
        with translated():
            flat, slices, sites, strays, runs, blocks, buckets = await read_atomically(
                self._client,
                [
                    ("HGETALL", self.keys.meta),
                    ("SMEMBERS", self.keys.slices),
                    ("SMEMBERS", self.keys.sites),
                    ("SCARD", self.keys.strays),
                    ("HGETALL", self.keys.producers),
                    ("HGETALL", self.keys.sequences),
                    ("SMEMBERS", self.keys.buckets),
                ],
            )
        meta = fields_of(flat)
        if not meta:
            return None
        producers = unpacked(fields_of(runs), fields_of(blocks))
        text = {name: value.decode() for name, value in meta.items()}
        return _state(text, slices, sites, strays, producers, tuple(sorted(map(int, buckets))))

    async def init(self, version: Version, watermark_ms: int, partitions: int, gap_ms: int | None) -> None:
        """Creates the shard; no effect if it exists."""
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
        arguments = [part for pair in fields.items() for part in pair]
        with translated():
            await self._init(keys=[self.keys.meta], args=arguments)

    async def read_slices(self, slice_ids: Iterable[SliceId]) -> tuple[Version | None, dict[SliceId, list[bytes]]]:
        """The deltas of these slices and the version they belong to, read at one moment."""
        wanted = list(slice_ids)
        with translated():
            triple, *lists = await read_atomically(
                self._client,
                [
                    ("HMGET", self.keys.meta, "lineage", "n", "floors"),
                    *(("LRANGE", self.keys.slice(*slice_id), 0, -1) for slice_id in wanted),
                ],
            )
        return _version(triple), dict(zip(wanted, lists, strict=True))

    async def slice_lengths(self, slice_ids: Iterable[SliceId]) -> dict[SliceId, int]:
        """Number of deltas in each of these slices."""
        wanted = list(slice_ids)
        if not wanted:
            return {}
        with translated():
            pipe = self._client.pipeline(transaction=False)
            for slice_id in wanted:
                pipe.llen(self.keys.slice(*slice_id))
            return dict(zip(wanted, await pipe.execute(), strict=True))

    async def remembered(self, bucket: int) -> AsyncIterator[tuple[tuple[str, int] | None, list[bytes]]]:
        """What rules remember of a bucket, a megabyte at a time at most, with the (lineage, n) that each belongs to."""
        for first in itertools.count(0, _PIECES):
            with translated():
                (lineage, n), pieces = await read_atomically(
                    self._client,
                    [
                        ("HMGET", self.keys.meta, "lineage", "n"),
                        ("LRANGE", self.keys.remembered(bucket), first, first + _PIECES - 1),
                    ],
                )
            yield (None if lineage is None or n is None else (lineage.decode(), int(n))), pieces
            if len(pieces) < _PIECES:
                return

    async def strays(self) -> set[str]:
        """Every `site/article` marked as a stray."""
        with translated():
            return {member.decode() for member in await self._client.smembers(self.keys.strays)}

    async def last_seen_elsewhere(self, runs: Collection[str], partitions: int) -> dict[str, int]:
        """Append time of the last record of each of these producers' runs, over all shards."""
        last: dict[str, int] = {}
        for partition in range(partitions):
            with translated():
                packed = await self._client.hmget(ShardKeys(self._generation.id, partition).producers, list(runs))
            here = last_seen({run: value for run, value in zip(runs, packed, strict=True) if value is not None}, runs)
            last |= {run: ms for run, ms in here.items() if ms > last.get(run, -1)}
        return last

    def assemble(self, step: Step) -> Program:
        return assemble(step, self._generation, self.keys)

    async def advance(self, program: Program, *, when_full: bool = False) -> tuple[Reply, int]:
        """Runs a step; returns the reply, and the number of articles in the longest total that the step touched.

        With `when_full` it runs even if Redis has no memory left: for steps that retire, seal or move T.
        """
        run = self._advance_full if when_full else self._advance
        with translated():
            what, _, _, _, articles = await run(keys=program.keys, args=program.arguments)
        return Reply(what.decode()), int(articles)


def fields_of(reply: Any) -> dict[str, bytes]:
    """The fields of a hash: a transaction returns it as a dictionary, a script as a flat list."""
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return {name.decode(): value for name, value in pairs.items()}


def _version(triple: list[bytes | None]) -> Version | None:
    lineage, n, floors = triple
    if lineage is None or n is None or floors is None:
        return None
    return Version(lineage.decode(), int(n), _floors(floors.decode()))


def _floors(text: str) -> Floors:
    return tuple(map(int, text.split(",")))


def parsed_slice(member: bytes) -> SliceId:
    tier, slice_ = member.split(b":")
    return int(tier), int(slice_)


def _state(
    meta: Mapping[str, str],
    slices: Iterable[bytes],
    sites: Iterable[bytes],
    strays: int,
    producers: SequenceTracker,
    buckets: tuple[int, ...],
) -> ShardState:
    return ShardState(
        version=Version(meta["lineage"], int(meta["n"]), _floors(meta["floors"])),
        watermark_ms=int(meta["T"]),
        partitions=int(meta["P"]),
        mark=mark(meta.get("last", "")),
        slices=frozenset(map(parsed_slice, slices)),
        sites=frozenset(site.decode() for site in sites),
        strays=strays,
        foreign=meta.get("format") != FORMAT or "dropped" in meta,
        refused=meta.get("refused") == "1",
        producers=producers,
        latest_ms=int(meta.get("latest_ms", 0)),
        first=int(meta.get("first", 0)),
        buckets=buckets,
    )
