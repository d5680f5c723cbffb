"""A log in memory and the client that a consumer reads it with: the interface of ranker.log.consumer.PageViewLog."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence

from ranker.core.append_time import is_append_time
from ranker.core.partial_counts import Mark, Rejected
from ranker.log.chunks import Chunk
from ranker.log.errors import LogUnavailableError, OffsetOutsideError
from tests.support.recount import Raw

TERM = 50
"""Offsets after which another broker leads a partition."""


class Partition:
    """One partition: its offsets from 0 on, None if compaction or a transaction left a hole; `start` is the first kept."""

    def __init__(self) -> None:
        self.entries: list[Raw | None] = []
        self.start = 0
        self.dead_letters: set[int] = set()

    @property
    def end(self) -> int:
        return len(self.entries)

    def append(self, append_ms: int, key: bytes | None, value: bytes | None) -> None:
        self.entries.append(Raw(len(self.entries), append_ms, key, value))

    def first(self, offset: int) -> Raw | None:
        """The first record at or after an offset that is still kept."""
        return next((raw for raw in self.entries[max(offset, self.start) :] if raw is not None), None)


class Broker:
    """The partitions, and whether they answer (`faulty`: the share of requests that fail)."""

    def __init__(self, partitions: int, rng: random.Random) -> None:
        self.partitions = [Partition() for _ in range(partitions)]
        self.committed: dict[int, int] = {}
        self.faulty = 0.0
        self.rng = rng

    async def pause(self) -> None:
        """The way there or back; it may fail."""
        fails = self.rng.random() < self.faulty
        await asyncio.sleep(self.rng.uniform(0.0005, 0.01 if self.rng.random() < 0.8 else 0.4))
        if fails:
            raise LogUnavailableError("broken on purpose")


class LogClient:
    """What one consumer holds of the log."""

    patch_active = True

    def __init__(self, broker: Broker, chunk_records: int) -> None:
        self._broker = broker
        self._limit = chunk_records
        self.slow = 0.0
        """Share of polls that take seconds; 1: none ever brings anything, the brokers are cut off."""
        self._positions: dict[int, int] = {}
        self._callbacks: tuple[Callable[[], None], Callable[[frozenset[int]], None]] | None = None
        self.known_partitions = len(broker.partitions)

    # what the coordinator does with it

    def revoke(self) -> None:
        assert self._callbacks is not None
        self._callbacks[0]()

    def assign(self, partitions: Iterable[int]) -> None:
        """As aiokafka does: every position, of kept partitions too, is the committed one again."""
        assert self._callbacks is not None
        mine = frozenset(partitions)
        self._positions = {p: self._broker.committed.get(p, self._broker.partitions[p].start) for p in mine}
        self._callbacks[1](mine)

    @property
    def joined(self) -> bool:
        return self._callbacks is not None

    # what the consumer calls

    async def start(self, revoked: Callable[[], None], assigned: Callable[[frozenset[int]], None]) -> None:
        await asyncio.sleep(0.01)
        self._callbacks = (revoked, assigned)

    async def stop(self) -> None:
        self._callbacks = None

    def partitions(self) -> int:
        return self.known_partitions

    def check_group(self) -> None:
        """Everybody may be in the group."""

    async def poll(self, partitions: Collection[int], timeout_ms: int) -> dict[int, list[Chunk]]:
        rng = self._broker.rng
        mine = [partition for partition in partitions if partition in self._positions and self.slow < 1]
        early = self._drain(mine) if rng.random() < 0.2 else None  # on its way while others seek elsewhere
        await asyncio.sleep(rng.uniform(0.0005, 0.02 if rng.random() >= self.slow else 2.0))
        fetched = self._drain(mine) if early is None else early
        if rng.random() < self._broker.faulty:
            raise LogUnavailableError("broken on purpose, with drained records on the way")
        if not fetched:
            await asyncio.sleep(timeout_ms / 1000)
        return fetched

    def _drain(self, partitions: Collection[int]) -> dict[int, list[Chunk]]:
        fetched = {}
        for number in partitions:
            if number not in self._positions:
                continue
            partition = self._broker.partitions[number]
            if not partition.start <= self._positions[number] <= partition.end:
                raise OffsetOutsideError(f"partition {number} has no offset {self._positions[number]}")
            chunks = list(self._chunks(number, partition))
            if chunks:
                fetched[number] = chunks
        return fetched

    def _chunks(self, number: int, partition: Partition) -> Iterable[Chunk]:
        rng = self._broker.rng
        for _ in range(rng.randint(1, 4)):
            start = self._positions[number]
            end = min(partition.end, start + rng.randint(1, rng.choice((2, 7, self._limit))))
            if start == end:
                return
            epoch = start // TERM
            end = min(end, (epoch + 1) * TERM)
            records = [raw for raw in partition.entries[start:end] if raw is not None]
            self._positions[number] = end
            yield Chunk(start, end, records, epoch=epoch)

    def seek(self, partition: int, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset

    async def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        await self._broker.pause()
        ends = {partition: self._broker.partitions[partition].end for partition in partitions}
        await self._broker.pause()
        return ends

    async def beginning(self, partition: int) -> int:
        await self._broker.pause()
        return self._broker.partitions[partition].start

    async def first_at(self, partition: int, append_ms: int) -> int | None:
        await self._broker.pause()
        kept = self._broker.partitions[partition]
        found = (raw for raw in kept.entries[kept.start :] if raw is not None and raw.timestamp >= append_ms)
        return next((raw.offset for raw in found), None)

    async def has_append_times(self, partition: int, begin: int, end: int) -> bool:
        await self._broker.pause()
        kept = self._broker.partitions[partition].entries[begin:end]
        return all(is_append_time(raw.timestamp) for raw in kept if raw is not None)

    async def mark_at(self, partition: int, offset: int) -> Mark | None:
        await self._broker.pause()
        raw = self._broker.partitions[partition].first(offset)
        return (
            None if raw is None else Mark(raw.offset, raw.timestamp, zlib.crc32((raw.key or b"") + (raw.value or b"")))
        )

    def commit(self, offsets: dict[int, int]) -> None:
        if self._broker.rng.random() < 0.5:
            self._broker.committed.update(offsets)


class DeadLetterBox:
    """The interface of ranker.log.dead_letter_writer.DeadLetters."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def write(self, partition: int, rejected: Sequence[Rejected]) -> None:
        await self._broker.pause()
        kept = self._broker.partitions[partition]
        for letter in rejected:
            raw = kept.entries[letter.offset]
            assert raw is not None
            assert (raw.key, raw.value, raw.timestamp) == (letter.key, letter.value, letter.append_ms)
            kept.dead_letters.add(letter.offset)
