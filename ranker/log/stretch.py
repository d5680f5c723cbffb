"""Reads a stretch of a topic again, without a group: for commands that count the log a second time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from ranker.connect.kafka import KafkaSettings
from ranker.connect.kafka_start import start
from ranker.core.append_time import FIRST_MS, is_append_time
from ranker.core.fold import needs_schema
from ranker.core.framed import Schemas, schemas_of, unknown_schema
from ranker.log import aiokafka_patch, frames, record_batches
from ranker.log.chunks import Chunk
from ranker.log.errors import LogRefusedError, LogUnavailableError, OffsetOutsideError, stop, translated
from ranker.log.unpacking import MOST_BYTES
from ranker.log.value_schemas import ValueSchemas

CHUNK_RECORDS = 1_666
_NONE: Mapping[int, int] = {}
_CHUNKS = 4
_SILENT_S = 30.0
"""How long Kafka may send nothing although there must be records."""
_ENDED_S = 5.0
"""The same behind the end that it names; that of the embedded broker lags by a batch."""


def home(key: str, partitions: int) -> int:
    """The partition of a key among so many, by the client's own partitioner."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


class Part(NamedTuple):
    """Offsets [start, end) of one partition. `cut`: older records that may count are deleted.

    `first_ms` is then the append time of the first that is left; None if it has none.
    """

    partition: int
    start: int
    end: int
    cut: bool = False
    first_ms: int | None = None


class LogReader:
    """Reads what is committed of one topic. Times are milliseconds since the epoch.

    `schemas` has those of framed values, before their records are handed out. A record whose schema the registry lacks
    is refused, unless it lies below the offset that `accepted` has for its partition.
    """

    def __init__(
        self,
        consumer: Any,
        topic: str,
        partitions: int,
        schemas: ValueSchemas | None = None,
        accepted: Mapping[int, int] = _NONE,
        *,
        patch_active: bool,
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._patch_active = patch_active
        self._schemas = schemas
        self._accepted = accepted
        self.partitions = partitions
        self.schemas: Schemas | None = None if schemas is None else schemas.known

    async def held(self, partition: int) -> range:
        """The offsets that the log holds now, open transactions left out. The embedded broker's end lags by a batch."""
        tp = TopicPartition(self._topic, partition)
        with translated():
            begins, ends = await self._consumer.beginning_offsets([tp]), await self._consumer.end_offsets([tp])
        return range(begins[tp], ends[tp])

    def fetched_end(self, partition: int) -> int:
        """The end as the last fetch of the partition that is being read had it, which does not lag."""
        return int(self._consumer.last_stable_offset(TopicPartition(self._topic, partition)) or 0)

    def held_back(self, partition: int) -> bool:
        """Whether the last fetch of the partition that is being read ended before an open transaction."""
        tp = TopicPartition(self._topic, partition)
        if tp not in self._consumer.assignment():
            return False  # there was nothing to read
        end, stable = self._consumer.highwater(tp), self._consumer.last_stable_offset(tp)
        return end is not None and stable is not None and stable < end

    async def first_at(self, partition: int, append_ms: int) -> int | None:
        """The first offset whose append time is `append_ms` or later; None if there is none."""
        found = await self._search(partition, append_ms)
        return None if found is None else found[0]

    async def oldest(self, partition: int) -> tuple[int, int] | None:
        """Offset and append time of the first record that has one; None if no record has.

        If a stretch begins no later, what was older is deleted. The log's first offset is no sign: it may be a hole.
        """
        return await self._search(partition, FIRST_MS)

    async def _search(self, partition: int, append_ms: int) -> tuple[int, int] | None:
        tp = TopicPartition(self._topic, partition)
        with translated():
            found = (await self._consumer.offsets_for_times({tp: max(append_ms, 0)})).get(tp)
        return None if found is None or found.offset < 0 else (int(found.offset), int(found.timestamp))

    async def chunks(self, partition: int, start: int, end: int) -> AsyncGenerator[Chunk, None]:
        """The records [start, end), each chunk beginning where the last one ended.

        Raises OffsetOutsideError if the log no longer has `start`, LogUnavailableError if records do not come,
        LogRefusedError for a damaged batch.
        """
        if start >= end:
            return  # the client never ends if it is stopped right after it was assigned something
        tp = TopicPartition(self._topic, partition)
        held = await self.held(partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, start)
        position = start
        try:
            while position < end:
                silent_s = _SILENT_S if position < held.stop else min(_SILENT_S, _ENDED_S)
                for chunk in await self._poll(tp, position, silent_s):
                    if chunk.error is not None:
                        raise LogRefusedError(f"partition {partition}, offset {chunk.start}: {chunk.error}")
                    position = chunk.end
                    wanted = chunk if position <= end else _cut(chunk, end)
                    await self._know_schemas(partition, wanted)
                    yield wanted
                    if position >= end:
                        return
        finally:
            if tp in self._consumer.assignment():  # another stretch may have begun before this one was closed
                self._consumer.pause(tp)  # else it goes on fetching, and searches by time wait 50 ms each behind that

    async def _know_schemas(self, partition: int, chunk: Chunk) -> None:
        if self._schemas is None:
            return
        accepted = self._accepted.get(partition, 0)
        read = [record for record in chunk.records if needs_schema(record)]
        await self._schemas.ensure(self._schemas.undecided(read, accepted))
        for record in read:
            if record.offset >= accepted and not all(map(self._schemas.known.get, schemas_of([record.value]))):
                raise LogRefusedError(
                    f"partition {partition}: {unknown_schema(record.offset, record.value)}: --accept-bad "
                    f"{partition}:{chunk.end}, or a higher offset, takes those below it for dead letters"
                )

    async def part(self, partition: int, since_ms: int) -> Part:
        """What to read of a partition: from the first record that was appended at `since_ms` or later."""
        held = await self.held(partition)  # before the timestamps: a record appended in between must not be skipped
        found = await self.first_at(partition, since_ms)
        start = held.stop if found is None else min(max(found, held.start), held.stop)
        oldest = await self.oldest(partition)
        if not held.start or (oldest is not None and oldest[0] < start):
            return Part(partition, start, held.stop)
        first_ms = oldest[1] if oldest is not None and is_append_time(oldest[1]) else None
        return Part(partition, start, held.stop, cut=True, first_ms=first_ms)

    async def part_chunks(self, part: Part) -> AsyncGenerator[Chunk, None]:
        """The part's records, and what lies behind them: the embedded broker's end lags, but not with a fetch."""
        try:
            async with contextlib.aclosing(self.chunks(part.partition, part.start, part.end)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if part.start < part.end:
                end = self.fetched_end(part.partition)
                async with contextlib.aclosing(self.chunks(part.partition, part.end, end)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except OffsetOutsideError as error:
            raise LogUnavailableError(
                f"records of partition {part.partition} were deleted before they were read; run it again"
            ) from error

    async def _poll(self, tp: TopicPartition, position: int, silent_s: float) -> list[Chunk]:
        """At least one chunk from `position` on."""
        limit = _CHUNKS if self._patch_active else _CHUNKS * CHUNK_RECORDS
        try:
            with translated():
                async with asyncio.timeout(silent_s):
                    while True:
                        fetched = await self._consumer.getmany(tp, timeout_ms=1000, max_records=limit)
                        found = fetched.get(tp, [])
                        if self._patch_active:
                            if found:
                                return list(found)
                            continue
                        reached = await self._consumer.position(tp)  # moves over control batches too
                        if reached > position:
                            return [Chunk(position, reached, found)]
        except LogUnavailableError as error:
            raise LogUnavailableError(f"the records at offset {position} and on do not come: {error}") from error


def _cut(chunk: Chunk, end: int) -> Chunk:
    records = [record for record in chunk.records if record.offset < end]
    return Chunk(chunk.start, end, records, chunk.partial, chunk.create_time, epoch=chunk.epoch)


@contextlib.asynccontextmanager
async def reading(
    kafka: KafkaSettings,
    topic: str,
    *,
    unpack_bytes: int = MOST_BYTES,
    schemas: ValueSchemas | None = None,
    accepted: Mapping[int, int] = _NONE,
) -> AsyncIterator[LogReader]:
    """A reader for the length of the block. LogRefusedError if there is no such topic, which is never created."""
    record_batches.install(unpack_bytes)
    frames.install()
    patch_active = aiokafka_patch.install()
    consumer = AIOKafkaConsumer(
        **kafka.arguments(),
        group_id=None,
        client_id="ranker-read",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        value_deserializer=aiokafka_patch.ChunkingDeserializer(CHUNK_RECORDS),
        max_partition_fetch_bytes=4 << 20,
        fetch_max_bytes=32 << 20,
        fetch_max_wait_ms=50,  # other requests wait behind a fetch that finds nothing
    )
    try:
        with translated():
            await start(consumer, kafka)
            cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001  # nothing else leaves it uncreated
        partitions = len(cluster.partitions_for_topic(topic) or ())
        if not partitions:
            raise LogRefusedError(kafka.no_topic(topic))
        yield LogReader(consumer, topic, partitions, schemas, accepted, patch_active=patch_active)
    finally:
        await stop(consumer)
