"""Reads the dead letters of a topic: of each key its last record, as compaction keeps it, and whether it was resent.

A resent letter is marked by a record of its own in the same partition of the dead topic, under the letter's key and
`#resent`: a mark on the letter itself would go when a rebuild writes the letter again, and one in another partition
could be deleted before the letter is, because retention takes each partition from its oldest end.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from ranker.connect.kafka import KafkaSettings
from ranker.connect.kafka_start import start
from ranker.core.fold import REASONS
from ranker.log import record_batches
from ranker.log.dead_letter_writer import RECORD
from ranker.log.errors import NoTopicError, stop, translated

MARK = b"#resent"
"""What a mark's key has behind the letter's; no topic's name, and so no letter's key, can hold a `#`."""
PORTION = 100
"""Letters that are read, sent and marked together, at most: each has up to 1 MiB."""
_FETCH_BYTES = 1 << 20
"""As packed; a larger batch comes alone."""
_SILENT_S = 30.0
"""How long Kafka may send nothing although it has records."""
_TIME = re.compile(rb"-?[0-9]{1,19}")
_CUT = "size", "sha256", "key_size"
"""Headers beside a value or a key that is not whole (log/dead_letter_writer.py)."""


@dataclass(frozen=True, slots=True, order=True)
class DeadLetter:
    """A record of the source that was rejected, appended at `append_ms`. An absent and an empty key are both None.

    `position` is topic/partition/offset in the source; `home` is the partition of the dead topic that has the letter.
    `cut` is None if value and key are whole; else they are the beginning of what `cut` gives size and hash of.
    `headers` are those of the record that [source] reads.
    """

    append_ms: int
    position: str
    home: int
    reason: str
    key: bytes | None
    value: bytes
    resent: bool
    cut: str | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def timestamp(self) -> int:
        """As of the record that it was."""
        return self.append_ms


class DeadLetterReader:
    """Reads what is committed of the dead letters of `source`, without a group.

    One partition at a time, since all letters of a record are in the same one: memory is 140 bytes for each letter of
    the largest partition, and 150 for each mark. Records that are neither are skipped. `advance` is called with how
    many offsets have been read, and of how many.
    """

    def __init__(self, consumer: Any, kafka: KafkaSettings, source: str, advance: Callable[[int, int], None]) -> None:
        self.topic = f"{source}.dead"
        self._consumer = consumer
        self._kafka = kafka
        self._position = re.compile(f"{re.escape(source)}/[0-9]{{1,9}}/[0-9]{{1,18}}".encode())
        self._advance = advance
        self._read = self._total = 0

    async def held(self, topic: str) -> dict[int, range]:
        """Partition to the offsets that the log of `topic` holds now; open transactions are left out.

        NoTopicError if there is no such topic. Never names it to a broker that might create it.
        """
        with translated():
            cluster = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001  # nothing else leaves it out
            tps = [TopicPartition(topic, number) for number in sorted(cluster.partitions_for_topic(topic) or ())]
            if not tps:
                raise NoTopicError(self._kafka.no_topic(topic))
            begins, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        return {tp.partition: range(begins[tp], ends[tp]) for tp in tps}

    async def portions(self) -> AsyncGenerator[list[DeadLetter], None]:
        """The last letter of every record, partition by partition, in the order of the log.

        Everything is read twice: the values of a partition may be more than memory holds, and marks may come later.
        """
        held = await self.held(self.topic)
        self._total = 2 * sum(map(len, held.values()))
        for partition, offsets in held.items():
            last: dict[bytes, int] = {}
            marks: dict[bytes, bytes | None] = {}
            async for records in self._polls(partition, offsets):
                for record in records:
                    key = record.key or b""
                    position = key.removesuffix(MARK)
                    if not self._position.fullmatch(position):
                        continue
                    if position == key:
                        if record.value is None or _letter(record, None) is not None:
                            last[key] = record.offset
                    elif append_ms := dict(record.headers).get("append_ms"):
                        marks[position] = append_ms  # nothing else undoes a mark: the letter would be sent again
            async for records in self._polls(partition, offsets):
                kept = [each for each in records if last.get(each.key) == each.offset]
                letters = [letter for each in kept if (letter := _letter(each, marks.get(each.key))) is not None]
                if letters:
                    yield letters

    async def _polls(self, partition: int, offsets: range) -> AsyncGenerator[list[ConsumerRecord], None]:
        """The records at `offsets`, and what lies behind them already."""
        if not offsets:
            return  # the client never ends if it is stopped right after it was assigned something
        tp = TopicPartition(self.topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, offsets.start)
        position, end = offsets.start, offsets.stop
        while position < end:
            before, records = position, []
            with translated():
                async with asyncio.timeout(_SILENT_S):
                    while position == before:
                        fetched = await self._consumer.getmany(tp, timeout_ms=1000, max_records=PORTION)
                        records = fetched.get(tp, [])
                        position = await self._consumer.position(tp)  # moves over control batches too
            if before == offsets.start:
                # The embedded broker's end offsets lag by a batch for good, but not what it says with a fetch.
                end = max(end, self._consumer.last_stable_offset(tp))
            self._read += position - before
            self._advance(self._read, self._total)
            yield records


def _letter(record: ConsumerRecord, mark: bytes | None) -> DeadLetter | None:
    """None if it is a tombstone, or no letter of this version. `mark` is the append time in its position's mark."""
    headers = {name: value or b"" for name, value in record.headers}  # a header may be null
    reason, append_ms = headers.get("reason", b"").decode("ascii", "replace"), headers.get("append_ms", b"")
    if record.value is None or reason not in REASONS or not _TIME.fullmatch(append_ms):
        return None
    cut = [f"{name} {headers[name].decode(errors='replace') or 'unknown'}" for name in _CUT if name in headers]
    return DeadLetter(
        append_ms=int(append_ms),
        position=record.key.decode(),
        home=record.partition,
        reason=reason,
        key=headers.get("key") or None,
        value=record.value,
        # Compared, because a topic that was created anew has the same positions again.
        resent=mark == b"%d" % int(append_ms),
        cut=", ".join(cut) or None,
        headers=tuple((name.removeprefix(RECORD), value) for name, value in record.headers if name.startswith(RECORD)),
    )


@contextlib.asynccontextmanager
async def reading(
    kafka: KafkaSettings, source: str, advance: Callable[[int, int], None]
) -> AsyncIterator[DeadLetterReader]:
    """A reader for the length of the block."""
    record_batches.install()
    consumer = AIOKafkaConsumer(
        **kafka.arguments(),
        group_id=None,
        client_id="ranker-letters",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        with translated():
            await start(consumer, kafka)
        yield DeadLetterReader(consumer, kafka, source, advance)
    finally:
        await stop(consumer)
