"""Stops a partition at records that cannot be counted, or must not be without an operator's decision."""

from __future__ import annotations

from collections.abc import Iterable

from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.core import append_time
from ranker.core.fold import TIMESTAMP
from ranker.core.partial_counts import Rejected
from ranker.log.aiokafka_patch import Chunk, UnreadableBatchError


def check_chunk(partition: int, chunk: Chunk, accepted: int, *, accept_create_time: bool) -> None:
    """Raises PartitionStoppedError if the chunk was not read or folded, or its times are none, or the producers' own.

    Records below the offset `accepted` need no time: an operator has looked at them (--accept-bad PARTITION:OFFSET).
    """
    if chunk.error is not None:
        where = f"partition {partition}: offsets {chunk.start} and on"
        if isinstance(chunk.error, UnreadableBatchError):
            raise PartitionStoppedError(f"{where} cannot be read: {chunk.error}", Stop.UNREADABLE) from chunk.error
        raise PartitionStoppedError(
            f"{where} cannot be folded ({type(chunk.error).__name__}: {chunk.error}); this is a fault of the "
            "software: please report it",
            Stop.FOLD,
        ) from chunk.error
    if chunk.partial is not None:
        _check_times(partition, chunk, chunk.partial.rejected, accepted)
    if chunk.create_time and not accept_create_time:
        raise PartitionStoppedError(
            f"partition {partition}: records carry their producer's time (CreateTime); set "
            "message.timestamp.type=LogAppendTime (ranker topics apply does), or accept_create_time = true in "
            "ranker.toml if late and future may be as wrong as the producers' clocks; the embedded broker ignores "
            "the former, so set RANKER_ENV=development with it, which accepts these times",
            Stop.CREATE_TIME,
        )


def _check_times(partition: int, chunk: Chunk, rejected: Iterable[Rejected], accepted: int) -> None:
    for record in rejected:
        if record.reason == TIMESTAMP and record.offset >= accepted:
            raise PartitionStoppedError(
                f"partition {partition}: the record at offset {record.offset} has "
                f"{append_time.named(record.append_ms)}, so nothing says whether it counts; "
                f"{append_time.fix_of(by_broker=not chunk.create_time)}: start with --accept-bad "
                f"{partition}:{chunk.end}, or a higher offset, to send those below it to the dead letters, from which "
                "`ranker dead resend` appends them anew",
                Stop.TIMESTAMP,
            )
