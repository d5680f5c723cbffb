"""A sample of a partition: cheap however long its log is, and near its end the whole of it."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from ranker.log.errors import LogUnavailableError

_RECORDS = 500
"""Read at each place, or 1 MiB."""
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
        records = (await consumer.getmany(tp, timeout_ms=_WAIT_MS, max_records=_RECORDS)).get(tp, [])
        if not records and await consumer.position(tp) == place:  # control batches alone would have moved it
            raise LogUnavailableError(f"the records at offset {place} and on do not come")
        found += records
    return found
