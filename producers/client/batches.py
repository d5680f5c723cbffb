"""Records on their way: a partition's record batches, and the promise that Kafka has acknowledged them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any

from aiokafka.partitioner import murmur2

from producers.errors import DeliveryError

KNOWN_KEYS = 200_000
"""How many keys remember their partition, since murmur2 is pure Python (4 µs for a key of 20 bytes)."""


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
    """A record batch. `append` is the builder's own; `fault` is None once acknowledged, or the sentence why not."""

    __slots__ = ("append", "builder", "fault")

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.append = builder.append
        self.fault: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def __len__(self) -> int:
        count: int = self.builder.record_count()
        return count


class Delivery:
    """Await it to know that Kafka has acknowledged what one call handed over; raises DeliveryError where it did not.

    It need not be awaited: `Producer.flush` and leaving the producer raise the same. It may be awaited several times,
    and giving up waiting loses nothing.
    """

    __slots__ = ("_faults",)

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._faults = [batch.fault for batch in batches]

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        for future in self._faults:
            # Shielded, since others may wait for the same batch.
            fault = future.result() if future.done() else await asyncio.shield(future)
            if fault is not None:
                raise DeliveryError(fault)


class Outbox:
    """One partition's batches, in their order: at most one under way, one full and waiting, and one that fills."""

    def __init__(self, partition: int, new_batch: Callable[[], Batch]) -> None:
        self.partition = partition
        self.under_way: Batch | None = None
        self.waiting: Batch | None = None
        self.filling = new_batch()
        self._new_batch = new_batch
        self._room = asyncio.Event()

    def batches(self) -> list[Batch]:
        """Those that hold records, the oldest first."""
        return [batch for batch in (self.under_way, self.waiting, self.filling) if batch]

    def take(self) -> Batch | None:
        """The next batch to be sent, from now on under way instead of the one before; None where nothing is left."""
        batch = self.waiting
        if batch is not None:
            self.waiting = None
            self._room.set()
        elif self.filling:
            batch, self.filling = self.filling, self._new_batch()
        self.under_way = batch
        return batch

    def turn(self) -> bool:
        """Put the full batch aside for an empty one; False where another one waits already."""
        if self.waiting is not None:
            return False
        self.waiting, self.filling = self.filling, self._new_batch()
        self._room.clear()
        return True

    async def room(self) -> None:
        """Return when no batch waits any more, or after `fail`."""
        await self._room.wait()

    def fail(self, fault: str) -> None:
        """Tell everyone who waits for these batches, or for room, that they are not delivered."""
        for batch in self.batches():
            batch.fault.set_result(fault)
        self._room.set()
