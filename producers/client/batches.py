"""A partition's record batches, and the deliveries that wait for Kafka's acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any

from aiokafka.partitioner import murmur2

from producers.errors import DeliveryError

KNOWN_KEYS = 200_000
"""Number of keys whose partition is cached, since murmur2 is pure Python (4 µs for a key of 20 bytes)."""


class Homes(dict[bytes, int]):
    """The partition of each key, as every Kafka client computes it: murmur2, sign bit off, modulo."""

    def __init__(self, partitions: int) -> None:
        super().__init__()
        self._partitions = partitions

    def __missing__(self, key: bytes) -> int:
        if len(self) >= KNOWN_KEYS:
            self.clear()
        partition: int = (murmur2(key) & 0x7FFFFFFF) % self._partitions
        self[key] = partition
        return partition


class Batch:
    """A record batch. `append` is the builder's own; `acknowledged` resolves to None, or to why it failed."""

    __slots__ = ("acknowledged", "append", "builder")

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.append = builder.append
        self.acknowledged: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def __len__(self) -> int:
        count: int = self.builder.record_count()
        return count


class Delivery:
    """Await it until Kafka has acknowledged the records of one call; raises DeliveryError if it did not.

    It need not be awaited: `Producer.flush` and leaving the producer raise the same. It may be awaited several times,
    and cancelling the wait loses nothing.
    """

    __slots__ = ("_acknowledged",)

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._acknowledged = [batch.acknowledged for batch in batches]

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        for future in self._acknowledged:
            # Shielded, since others may wait for the same batch.
            fault = future.result() if future.done() else await asyncio.shield(future)
            if fault is not None:
                raise DeliveryError(fault)


class Outbox:
    """One partition's batches, in order: at most one under way, one full and waiting, and one being filled."""

    def __init__(self, partition: int, new_batch: Callable[[], Batch]) -> None:
        self.partition = partition
        self.under_way: Batch | None = None
        self.waiting: Batch | None = None
        self.filling = new_batch()
        self._new_batch = new_batch
        self._has_room = asyncio.Event()

    def batches(self) -> list[Batch]:
        """Those that hold records, the oldest first."""
        return [batch for batch in (self.under_way, self.waiting, self.filling) if batch]

    def take(self) -> Batch | None:
        """The next batch to send, from now on under way instead of the one before; None if nothing is left."""
        batch = self.waiting
        if batch is not None:
            self.waiting = None
            self._has_room.set()
        elif self.filling:
            batch, self.filling = self.filling, self._new_batch()
        self.under_way = batch
        return batch

    def start_new_batch(self) -> bool:
        """Replaces the full batch by an empty one; False if another full one already waits."""
        if self.waiting is not None:
            return False
        self.waiting, self.filling = self.filling, self._new_batch()
        self._has_room.clear()
        return True

    async def wait_for_room(self) -> None:
        """Returns when no full batch waits any more, or after `fail`."""
        await self._has_room.wait()

    def fail(self, fault: str) -> None:
        """Ends all waits for these batches, and for room: they are not delivered."""
        for batch in self.batches():
            batch.acknowledged.set_result(fault)
        self._has_room.set()
