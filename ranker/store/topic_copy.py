"""A copied topic in Redis (the catalogue, the best-of documents): consumers write it, readers fetch what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ranker.store.atomic_reads import read_atomically
from ranker.store.errors import translated
from ranker.store.keys import CATALOGUE, Copy, CopyKeys
from ranker.store.scripting import Script

CHANGES = 1_000
"""Records that one read of the changes returns at most."""


@dataclass(frozen=True, slots=True)
class CopyState:
    """How far a partition of the topic was copied: `n` is the next offset, `last` the record before it
    as `offset:append_ms:crc32` of key and value ("" if there is none yet).
    """

    lineage: str
    n: int
    last: str


@dataclass(frozen=True, slots=True)
class Change:
    """One record to store: its topic key, and its value as it is stored (None: a tombstone)."""

    key: bytes
    value: bytes | None
    offset: int


class TopicCopy:
    """One partition of a copy as the consumer writes it."""

    def __init__(self, client: Any, partition: int, copy: Copy = CATALOGUE) -> None:
        self._client = client
        self.keys = CopyKeys(partition, copy)
        self._script = Script(client, _script())

    async def load(self) -> CopyState | None:
        """How far it is; None if it does not exist."""
        with translated():
            lineage, n, last = await self._client.hmget(self.keys.meta, "lineage", "n", "last")
        if lineage is None or n is None:
            return None
        return CopyState(lineage.decode(), int(n), (last or b"").decode())

    async def begin(self, lineage: str, partitions: int, instead_of: str = "") -> None:
        """Starts at offset 0 if nothing is stored, or the lineage `instead_of`; the topic has `partitions`."""
        await self._run("begin", instead_of, lineage, partitions)

    async def advance(self, state: CopyState, n: int, last: str, changes: Sequence[Change]) -> bool:
        """From `state` to offset `n`. False: the stored state is another one and nothing was written; load again."""
        flat: list[bytes | int] = []
        for change in changes:
            flat += (change.key, change.offset, b"" if change.value is None else change.value)
        return await self._run("advance", state.lineage, state.n, n, last, *flat) == b"applied"

    async def note_level(self, state: CopyState) -> None:
        """The copy has reached the end of the topic: from now on it lacks nothing but what comes."""
        await self._run("level", state.lineage)

    async def _run(self, *arguments: Any) -> bytes:
        with translated():
            reply: bytes = await self._script(
                keys=[self.keys.meta, self.keys.values, self.keys.changes], args=arguments
            )
        return reply


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has read one partition."""

    lineage: str = ""
    n: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """Changed records as key, value (None: deleted) and offset. `more`: read again at once.

    `partitions` 0: there is no copy yet. `level`: it has reached the end of the topic once.
    """

    records: list[tuple[bytes, bytes | None, int]]
    position: Position
    more: bool
    partitions: int
    level: bool = False


async def read_changes(client: Any, partition: int, position: Position) -> Changes:
    """The catalogue's changes of one partition since `position`, at most CHANGES; all of them under a new lineage."""
    keys = CopyKeys(partition)
    with translated():
        (lineage, n, partitions, level), flat = await read_atomically(
            client,
            [
                ("HMGET", keys.meta, "lineage", "n", "partitions", "level"),
                ("ZRANGE", keys.changes, position.n, "+inf", "BYSCORE", "LIMIT", 0, CHANGES, "WITHSCORES"),
            ],
        )
        if lineage is None:
            return Changes([], position, more=False, partitions=0)
        if lineage.decode() != position.lineage and position.n:
            return Changes([], Position(lineage.decode()), more=True, partitions=int(partitions))
        changed, offsets = flat[::2], map(int, flat[1::2])
        values: list[bytes | None] = []
        if changed:
            (still,), values = await read_atomically(
                client, [("HMGET", keys.meta, "lineage"), ("HMGET", keys.values, *changed)]
            )
            if still != lineage:  # emptied in between: the records were not deleted, so report no change
                return Changes([], position, more=True, partitions=int(partitions))
    more = len(changed) == CHANGES
    # Offsets are unique, so a full page ends exactly before the next one.
    reached = int(flat[-1]) + 1 if more else int(n)
    records = list(zip(changed, values, offsets, strict=True))
    return Changes(records, Position(lineage.decode(), reached), more, int(partitions), level is not None)


async def read_position(client: Any, copy: Copy, partition: int = 0) -> tuple[Position, bool] | None:
    """How far one partition of a copy is, and whether it has reached the topic's end once; None if there is none."""
    with translated():
        lineage, n, level = await client.hmget(CopyKeys(partition, copy).meta, "lineage", "n", "level")
    return None if lineage is None or n is None else (Position(lineage.decode(), int(n)), level is not None)


async def read_keys(client: Any, copy: Copy, partition: int = 0) -> list[bytes]:
    """The keys of all records of one partition of a copy."""
    with translated():
        keys: list[bytes] = await client.hkeys(CopyKeys(partition, copy).values)
    return keys


async def read_value(client: Any, copy: Copy, key: bytes, partition: int = 0) -> bytes | None:
    """What is stored of one record; None if there is none."""
    with translated():
        value: bytes | None = await client.hget(CopyKeys(partition, copy).values, key)
    return value


def _script() -> str:
    return resources.files(__package__).joinpath("scripts", "topic_copy.lua").read_text("utf-8")
