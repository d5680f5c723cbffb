"""A sample of a partition: cheap however long its log is, and near its end the whole of it."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from ranker.log.errors import LogUnavailableError

_RECORDS, _BYTES = 500, 256 << 10
"""Read at each place, the last fetch whole."""
_WAIT_MS = 2_000


async def sample(consumer: Any, tp: TopicPartition, begin: int, end: int) -> list[ConsumerRecord]:
    """Of the offsets [begin, end) the oldest records, the newest, and some at every doubling of the way between.

    All of up to 1,500 small records, at 22 places of a thousand million. `consumer` is assigned `tp` alone. Raises
    LogUnavailableError if records do not come.
    """
    places, back = [begin], _RECORDS
    while end - back > begin:
        places.append(end - back)
        back *= 2
    found: list[ConsumerRecord] = []
    for place in places:
        consumer.seek(tp, place)
        at, left_bytes = place, _BYTES
        while at < min(place + _RECORDS, end) and left_bytes > 0:  # a fetch ends with a segment of the log
            records = (await consumer.getmany(tp, timeout_ms=_WAIT_MS, max_records=_RECORDS)).get(tp, [])
            before, at = at, await consumer.position(tp)
            if at == before:  # control batches alone would have moved it
                raise LogUnavailableError(f"the records at offset {at} and on do not come")
            found += records
            left_bytes -= sum(len(record.value or b"") for record in records)
    return found
