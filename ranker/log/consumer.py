"""The log of page views as the consumer reads it: chunks of records, offsets, and single records to compare."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from ranker.connect.kafka import KafkaRefusedError, KafkaSettings
from ranker.connect.kafka_start import find_fault, start
from ranker.core.append_time import is_append_time
from ranker.core.fold import crc
from ranker.core.partial_counts import Mark
from ranker.log import aiokafka_patch, frames, record_batches
from ranker.log.aiokafka_patch import ChunkingDeserializer
from ranker.log.chunks import RAW_RECORDS, Chunk
from ranker.log.errors import LogUnavailableError, stop, translated
from ranker.log.sample import sample
from ranker.log.unpacking import MOST_BYTES

CHUNKS_PER_POLL = 4
"""Chunks that are folded after one poll at most: the event loop must get its turn for heartbeats (some 30 ms)."""
_DAY_MS = 86_400_000
_PROBE_S = 5.0
_COMMIT_S = 5.0


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client is untyped
    """Turns rebalances into plain calls. Does little itself, since the client swallows exceptions raised here."""

    def __init__(
        self,
        revoked: Callable[[], None],
        assigned: Callable[[frozenset[int]], None],
        update_metadata: Callable[[], Awaitable[None]],
    ) -> None:
        self._revoked, self._assigned, self._update_metadata = revoked, assigned, update_metadata

    def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002  # the client's signature
        self._revoked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._update_metadata()
        self._assigned(frozenset(tp.partition for tp in assigned))


class PageViewLog:
    """One group member on one topic. Partitions are numbers; times are milliseconds since the epoch."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        group: str,
        chunk_records: int,
        *,
        client_id: str = "ranker-consume",
        unpack_bytes: int = MOST_BYTES,
        raw: bool = False,
        session_ms: int = 15_000,
        metadata_max_age_ms: int = 30_000,
    ) -> None:
        """`raw`: chunks are for the kernel, as far as it can walk them."""
        self.topic = topic
        self._kafka = kafka
        record_batches.install(unpack_bytes)
        frames.install()
        self.patch_active = aiokafka_patch.install()
        self.raw = raw and self.patch_active
        self._limit = chunk_records
        self._new_consumer = partial(
            AIOKafkaConsumer,
            group_id=group,
            client_id=client_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            value_deserializer=ChunkingDeserializer(chunk_records, RAW_RECORDS if raw else 0),
            max_partition_fetch_bytes=4 << 20,
            fetch_max_bytes=32 << 20,
            metadata_max_age_ms=metadata_max_age_ms,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            # Partitions may wait for Redis as long as necessary. A process that hangs loses its session anyway, since
            # heartbeats share the event loop.
            max_poll_interval_ms=_DAY_MS,
        )
        self._new_probe = partial(
            AIOKafkaConsumer,
            group_id=None,
            client_id=f"{client_id}-probe",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1 << 20,
            metadata_max_age_ms=metadata_max_age_ms,
        )
        self._make_clients()
        self._probing = asyncio.Lock()
        self._one_by_one = False
        """Ends are requested one partition at a time: the last request for all of them failed in part."""
        self._to_commit: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None
        self._expected: dict[int, int] = {}
        """Next offset of each partition: the start of chunks if the patch is not active."""

    async def start(self, revoked: Callable[[], None], assigned: Callable[[frozenset[int]], None]) -> None:
        """Joins the group. `revoked` is called before every rebalance, `assigned` after it with our partitions.

        May be called again after LogUnavailableError.
        """
        try:
            with translated():
                await start(self._probe, self._kafka)
                await start(self._consumer, self._kafka)
                self._consumer.subscribe([self.topic], listener=_Listener(revoked, assigned, self._update_metadata))
        except LogUnavailableError:
            await self.stop()
            self._make_clients()  # one that was not started cannot be started again
            raise

    def _make_clients(self) -> None:
        arguments = self._kafka.arguments()
        self._consumer, self._probe = self._new_consumer(**arguments), self._new_probe(**arguments)

    async def _update_metadata(self) -> None:
        """Fetches the metadata: only the group's leader knows of partitions that were just added."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_S):
                await self._consumer._client.force_metadata_update()  # noqa: SLF001  # no other way

    async def stop(self) -> None:
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.wait([self._committing])
        for consumer in (self._consumer, self._probe):
            with contextlib.suppress(LogUnavailableError), translated():
                await stop(consumer)

    @property
    def no_topic(self) -> str:
        """That there is no such topic, with the fix."""
        return self._kafka.no_topic(self.topic)

    def partitions(self) -> int:
        """How many partitions the topic has, as far as the client knows."""
        return len(self._consumer.partitions_for_topic(self.topic) or ())

    def check_group(self) -> None:
        """Raises LogRefusedError if Kafka does not let us into the group: a poll does so too, but without partitions
        there is none.
        """
        with translated():
            self._consumer._coordinator.check_errors()  # noqa: SLF001  # no other way

    async def poll(self, partitions: Collection[int], timeout_ms: int) -> dict[int, list[Chunk]]:
        """Fetched chunks of these partitions, at least one; never of others, which other members may own."""
        wanted = [self._tp(partition) for partition in partitions]
        with translated():
            limit = CHUNKS_PER_POLL if self.patch_active else CHUNKS_PER_POLL * self._limit
            fetched = await self._consumer.getmany(*wanted, timeout_ms=timeout_ms, max_records=limit)
            if self.patch_active:
                return {tp.partition: chunks for tp, chunks in fetched.items()}
            # empty polls move positions too, past holes and control batches
            return {tp.partition: await self._plain_chunks(tp, fetched.get(tp, [])) for tp in wanted}

    async def _plain_chunks(self, tp: TopicPartition, records: list[ConsumerRecord]) -> list[Chunk]:
        chunks = []
        start = self._expected.get(tp.partition, -1)
        for first in range(0, len(records), self._limit):
            part = records[first : first + self._limit]
            end = part[-1].offset + 1
            created = any(record.timestamp_type != 1 for record in part)
            chunks.append(Chunk(start, end, part, create_time=created))
            start = end
        position = await self._consumer.position(tp)
        if position > start >= 0:
            chunks.append(Chunk(start, position))
            start = position
        self._expected[tp.partition] = start
        return chunks

    def seek(self, partition: int, offset: int) -> None:
        """The next poll of this partition starts at `offset`; no effect if it is no longer assigned to us."""
        self._expected[partition] = offset
        with contextlib.suppress(Exception):  # IllegalStateError: lost to a rebalance, which closes the gate
            self._consumer.seek(self._tp(partition), offset)

    async def ends(self, partitions: Collection[int]) -> dict[int, int]:
        """Partition to its end offset (the next to be written), open transactions included: T must not pass them.

        The client waits for all of them, so after a failure each is requested alone: one without a leader must not hold
        up the others, and is left out. LogUnavailableError if all fail.
        """
        requests = [[partition] for partition in partitions] if self._one_by_one else [partitions]
        results = await asyncio.gather(*map(self._ends, requests), return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if len(partitions) > 1:
            self._one_by_one = bool(failed)
        if len(failed) == len(results):
            raise await self._with_reason(failed[0])
        return {partition: end for ends in results if isinstance(ends, dict) for partition, end in ends.items()}

    async def _with_reason(self, error: BaseException) -> BaseException:
        """`error`, or one that says why Kafka does not let us in any more: it may again, so it is to be retried."""
        if not isinstance(error, LogUnavailableError):
            return error
        try:
            fault = await find_fault(self._kafka)
        except KafkaRefusedError as refused:
            return LogUnavailableError(str(refused))
        return error if fault is None else LogUnavailableError(f"Kafka is not available: {fault.sentence}")

    async def _ends(self, partitions: Collection[int]) -> dict[int, int]:
        with translated():
            try:
                async with asyncio.timeout(_PROBE_S):  # the client itself would wait for 40 s
                    ends = await self._probe.end_offsets([self._tp(p) for p in partitions])
            except TimeoutError:
                raise TimeoutError(f"no answer within {_PROBE_S:.0f} s") from None
            return {tp.partition: offset for tp, offset in ends.items()}

    async def beginning(self, partition: int) -> int:
        """The first offset that the log still has."""
        with translated():
            return int((await self._consumer.beginning_offsets([self._tp(partition)]))[self._tp(partition)])

    async def first_at(self, partition: int, append_ms: int) -> int | None:
        """The first offset whose append time is `append_ms` or later, committed or not; None if there is none."""
        tp = self._tp(partition)
        with translated():
            found = (await self._probe.offsets_for_times({tp: max(append_ms, 0)})).get(tp)
            return None if found is None or found.offset < 0 else int(found.offset)

    async def has_append_times(self, partition: int, begin: int, end: int) -> bool:
        """Whether a sample of the records [begin, end) has append times alone."""
        tp = self._tp(partition)
        async with self._probing:
            with translated():
                self._probe.assign([tp])
                return all(is_append_time(record.timestamp) for record in await sample(self._probe, tp, begin, end))

    async def mark_at(self, partition: int, offset: int) -> Mark | None:
        """The mark of the first record at or after `offset`; None if none comes within 5 s."""
        tp = self._tp(partition)
        async with self._probing:
            with translated():
                self._probe.assign([tp])
                self._probe.seek(tp, offset)
                records = (await self._probe.getmany(tp, timeout_ms=_PROBE_S * 1000, max_records=1)).get(tp)
        if not records:
            return None
        return Mark(records[0].offset, records[0].timestamp, crc(records[0]))

    def commit(self, offsets: dict[int, int]) -> None:
        """Commits offsets for tools that show lag. They are never read back, so nothing waits and failures are ignored.

        One commit is under way at a time; the next one includes the offsets that came meanwhile.
        """
        self._to_commit |= {self._tp(partition): offset for partition, offset in offsets.items()}
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit(), name="commit")

    async def _commit(self) -> None:
        while self._to_commit:
            offsets, self._to_commit = self._to_commit, {}
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_COMMIT_S):  # the client would retry for ever to find the coordinator
                    await self._consumer.commit(offsets)

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)
