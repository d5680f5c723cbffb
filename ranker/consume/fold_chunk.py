"""Folds a chunk when it is taken in order, or stops its partition: at what cannot be counted without a decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.core import append_time
from ranker.core.fold import TIMESTAMP, Fold
from ranker.core.framed import UNKNOWN_SCHEMA, unknown_schema
from ranker.core.memory import Memory
from ranker.core.partial_counts import PartialCounts, Rejected
from ranker.log.aiokafka_patch import Chunk

if TYPE_CHECKING:
    from ranker.kernel.fold import KernelFold


def fold_chunk(
    partition: int, chunk: Chunk, fold: Fold, memory: Memory | None, accepted: int, *, accept_create_time: bool
) -> PartialCounts | None:
    """The chunk's counts; None if it has no record. `memory` is as of the chunk's start, and as of its end afterwards.

    Raises PartitionStoppedError if it was not read or cannot be folded, or its times are none, or the producers' own.
    Records below the offset `accepted` need no time and no schema: an operator has looked at them (--accept-bad
    PARTITION:OFFSET). The chunk's schemas have been fetched.
    """
    where = f"partition {partition}: offsets {chunk.start} and on"
    if chunk.error is not None:
        raise PartitionStoppedError(f"{where} cannot be read: {chunk.error}", Stop.UNREADABLE) from chunk.error
    try:
        partial = _counts(chunk, fold, memory)
    except Exception as error:
        raise PartitionStoppedError(
            f"{where} cannot be folded ({type(error).__name__}: {error}); this is a fault of the software: please "
            "report it",
            Stop.FOLD,
        ) from error
    if partial is not None:
        for rejected in partial.rejected:  # Kafka does not check offsets in a batch
            rejected.offset = min(max(rejected.offset, chunk.start), chunk.end - 1)
        _check_times(partition, chunk, partial.rejected, accepted)
        _check_schemas(partition, chunk, partial.rejected, accepted)
    if chunk.create_time and not accept_create_time:
        raise PartitionStoppedError(
            f"partition {partition}: records carry their producer's time (CreateTime); set "
            "message.timestamp.type=LogAppendTime (ranker topics apply does), or accept_create_time = true in "
            "ranker.toml if late and future may be as wrong as the producers' clocks; the embedded broker ignores "
            "the former, so set RANKER_ENV=development with it, which accepts these times",
            Stop.CREATE_TIME,
        )
    return partial


def _counts(chunk: Chunk, fold: Fold, memory: Memory | None) -> PartialCounts | None:
    if chunk.stretches:
        return cast("KernelFold", fold).raw(chunk.stretches, memory)
    return fold(chunk.records, memory) if chunk.records else chunk.partial


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


def _check_schemas(partition: int, chunk: Chunk, rejected: Iterable[Rejected], accepted: int) -> None:
    """What a registry lacks today it may have tomorrow, so counts would depend on when it was asked."""
    for record in rejected:
        if record.reason == UNKNOWN_SCHEMA and record.offset >= accepted:
            raise PartitionStoppedError(
                f"partition {partition}: {unknown_schema(record.offset, record.value)}: start with --accept-bad "
                f"{partition}:{chunk.end}, or a higher offset, to send those below it to the dead letters",
                Stop.SCHEMA,
            )
