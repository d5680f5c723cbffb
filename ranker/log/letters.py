"""The dead letters as operators see them: the latest letter of every record, whether it was resent, and sending it.

A resent letter is marked by a record of its own in the same partition of the dead topic, under the letter's key and
`#resent`: a mark on the letter itself would go when a rebuild writes the letter again, and one in another partition
could be deleted before the letter is, because retention takes each partition from its oldest end.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from ranker.core.fold import REASONS
from ranker.log import batches
from ranker.log.closing import stop
from ranker.log.errors import LogRefusedError, LogUnavailableError, translated

MARK = "#resent"
"""What a mark's key has behind the letter's; no topic's name, and so no letter's key, can hold a `#`."""
_POLL_RECORDS = 20
"""Few, since each may be as large as a batch is unpacked."""
_AT_ONCE_MS = 250
_POLLS = 20
"""A topic that is written to all the time has to have an end too."""
_SILENT_S = 30.0
"""How long Kafka may send nothing where it said that there is something."""
_POSITION = re.compile(r"([0-9]{1,9})/([0-9]{1,18})")
_SIZE, _SHA256 = re.compile(rb"[0-9]{1,19}"), re.compile(rb"[0-9a-f]{64}")
_APPEND_MS = re.compile(rb"-?[0-9]{1,19}")
"""Whatever Kafka may say: -1 is a record without a time, and in a foreign topic producers write what they like."""

_Place = tuple[int, int]
"""(partition, offset) of a record in the source topic."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the source that was rejected at `append_ms`. An absent key and an empty one are both None.

    `position` is topic/partition/offset in the source; `home` is the partition of the dead topic that has the letter.
    `cut` is None where value and key are whole, else what the whole was, in words: the value or the key here is the
    beginning of it.
    """

    position: str
    partition: int
    offset: int
    append_ms: int
    reason: str
    key: bytes | None
    value: bytes
    resent: bool
    home: int
    cut: str | None = None


class LetterLog:
    """Reads what is committed of the dead letters of `source`, without a group.

    One partition at a time, since all letters of a record are in the same one: memory is 170 bytes for each letter of
    the largest partition, and 230 for each mark. `strange` counts what was read and is neither letter nor mark.
    """

    def __init__(self, bootstrap: str, source: str) -> None:
        self._source = source
        self.topic = f"{source}.dead"
        self.strange = 0
        batches.install()
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            client_id="ranker-letters",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 << 20,
        )

    async def start(self) -> None:
        """LogRefusedError where there is no such topic. Never names it to a broker that might create it."""
        with translated():
            await self._consumer.start()
            if not await self._partitions(self.topic):
                raise LogRefusedError(f"topic {self.topic} does not exist; create it with `ranker topics apply`")

    async def stop(self) -> None:
        await stop(self._consumer)

    async def held(self, topic: str) -> dict[int, range]:
        """Partition to the offsets that the log of `topic` holds now; open transactions are left out."""
        with translated():
            tps = await self._partitions(topic)
            begins, ends = await self._consumer.beginning_offsets(tps), await self._consumer.end_offsets(tps)
        return {tp.partition: range(begins[tp], ends[tp]) for tp in tps}

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        cluster = await self._consumer._client.fetch_all_metadata()  # noqa: SLF001  # no other way to ask for it alone
        return [TopicPartition(topic, partition) for partition in sorted(cluster.partitions_for_topic(topic) or ())]

    async def letters(self, advance: Callable[[int, int], None]) -> AsyncGenerator[Letter, None]:
        """The latest letter of every record, partition by partition, in the order of the log.

        `advance` is told how many offsets have been read, and of how many: everything is read twice.
        """
        held = await self._all_held()
        total = 2 * sum(map(len, held.values()))
        before = 0
        for partition, offsets in held.items():
            latest: dict[_Place, int] = {}
            marked: dict[_Place, int] = {}

            def first(read: int, before: int = before) -> None:
                advance(before + read, total)

            def second(read: int, before: int = before + len(offsets)) -> None:
                advance(before + read, total)

            async for record in self._records(partition, offsets, first):
                self._note(record, latest, marked)
            async for record in self._records(partition, offsets, second):
                place = self._place(record.key, "")
                if place is not None and latest.get(place) == record.offset:
                    yield self._letter(record, place, marked)
            before += 2 * len(offsets)

    async def _all_held(self) -> dict[int, range]:
        """As `held`, and what comes at once behind it: the embedded broker's end offsets lag by a batch for good."""
        held = await self.held(self.topic)
        self._consumer.assign([TopicPartition(self.topic, partition) for partition in held])
        for partition, offsets in held.items():
            self._consumer.seek(TopicPartition(self.topic, partition), offsets.stop)
        for _ in range(_POLLS):
            with translated():
                fetched = await self._consumer.getmany(timeout_ms=_AT_ONCE_MS)
            if not fetched:
                break
            for tp, records in fetched.items():
                held[tp.partition] = range(held[tp.partition].start, records[-1].offset + 1)
        return held

    async def _records(
        self, partition: int, offsets: range, advance: Callable[[int], None]
    ) -> AsyncGenerator[ConsumerRecord, None]:
        tp = TopicPartition(self.topic, partition)
        if not offsets:
            return
        self._consumer.assign([tp])
        self._consumer.seek(tp, offsets.start)
        moved, position = time.monotonic(), offsets.start
        while position < offsets.stop:
            with translated():
                fetched = await self._consumer.getmany(tp, timeout_ms=1000, max_records=_POLL_RECORDS)
                now_at = await self._consumer.position(tp)  # moves over holes and control batches too
            for record in fetched.get(tp, ()):
                if record.offset in offsets:
                    yield record
            if now_at != position:
                moved, position = time.monotonic(), now_at
                advance(min(position, offsets.stop) - offsets.start)
            elif time.monotonic() - moved > _SILENT_S:
                raise LogUnavailableError(
                    f"Kafka sends nothing of {self.topic}, which has records up to {offsets.stop}"
                )

    def _note(self, record: ConsumerRecord, latest: dict[_Place, int], marked: dict[_Place, int]) -> None:
        headers = {name: value or b"" for name, value in record.headers}  # a header may be null
        append = headers.get("append_ms", b"")
        is_time = _APPEND_MS.fullmatch(append) is not None
        if record.value is None:
            pass  # somebody's tombstone
        elif (place := self._place(record.key, MARK)) is not None and is_time:
            marked[place] = int(append)
        elif (
            (place := self._place(record.key, "")) is not None
            and is_time
            and headers.get("reason", b"").decode("ascii", "replace") in REASONS
        ):
            latest[place] = record.offset
        else:
            self.strange += 1

    def _place(self, key: bytes | None, ending: str) -> _Place | None:
        text = (key or b"").decode("utf-8", "replace")
        if not (text.startswith(f"{self._source}/") and text.endswith(ending)):
            return None
        found = _POSITION.fullmatch(text, len(self._source) + 1, len(text) - len(ending))
        return None if found is None else (int(found[1]), int(found[2]))

    def _letter(self, record: ConsumerRecord, place: _Place, marked: dict[_Place, int]) -> Letter:
        headers = dict(record.headers)
        append_ms = int(headers["append_ms"])
        return Letter(
            position=record.key.decode(),
            partition=place[0],
            offset=place[1],
            append_ms=append_ms,
            reason=headers["reason"].decode(),
            key=headers.get("key") or None,
            value=record.value,
            # Compared, because a topic that was created anew has the same positions again.
            resent=marked.get(place) == append_ms,
            home=record.partition,
            cut=_cut(headers),
        )


def _cut(headers: dict[str, bytes | None]) -> str | None:
    """What is written beside a letter that is not whole (log/dead_letter_writer.py)."""
    words = []
    if "size" in headers:
        words.append(f"the value had {_number(headers['size'])} bytes")
        sha256 = headers.get("sha256") or b""
        if _SHA256.fullmatch(sha256):
            words.append(f"SHA-256 {sha256.decode()}")
    if "key_size" in headers:
        words.append(f"the key had {_number(headers['key_size'])} bytes")
    return ", ".join(words) or None


def _number(digits: bytes | None) -> str:
    return f"{int(digits):,}" if digits and _SIZE.fullmatch(digits) else "an unknown number of"
