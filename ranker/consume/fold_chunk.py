"""Folds a chunk when it is taken in order, or stops its partition: at what cannot be counted without a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.core import append_time
from ranker.core.fold import TIMESTAMP, Fold
from ranker.core.framed import UNKNOWN_SCHEMA, unknown_schema
from ranker.core.memory import Memory
from ranker.core.partial_counts import PartialCounts, Rejected
from ranker.log.chunks import Chunk

if TYPE_CHECKING:
    from ranker.kernel.fold import KernelFold


class Piece(NamedTuple):
    """Counts of the records [start, end), of one leader's `epoch`; None if there are none."""

    start: int
    end: int
    counts: PartialCounts | None
    epoch: int | None = None


def fold_chunk(
    partition: int,
    chunk: Chunk,
    fold: Fold,
    memory: Memory | None,
    accepted: int,
    most_cost: int,
    *,
    accept_create_time: bool,
) -> Iterator[Piece]:
    """The chunk's counts, from its start to its end; the kernel's in pieces, each of which a batch pays about
    `most_cost` for at most. `memory` is as of the piece's start, and as of its end afterwards.

    Raises PartitionStoppedError if the chunk was not read or cannot be folded, or its times are none, or the producers'
    own. Records below the offset `accepted` need no time and no schema: an operator has looked at them (--accept-bad
    PARTITION:OFFSET). The chunk's schemas have been fetched.
    """
    start = chunk.start
    if chunk.error is not None:
        raise PartitionStoppedError(
            f"partition {partition}: offsets {start} and on cannot be read: {chunk.error}", Stop.UNREADABLE
        ) from chunk.error
    for end, counts in _counts(partition, chunk, fold, memory, most_cost):
        if counts is not None:
            for rejected in counts.rejected:  # Kafka does not check offsets in a batch
                rejected.offset = min(max(rejected.offset, start), end - 1)
            _check_times(partition, chunk, end, counts.rejected, accepted)
            _check_schemas(partition, end, counts.rejected, accepted)
        if chunk.create_time and not accept_create_time:
            raise PartitionStoppedError(
                f"partition {partition}: records carry their producer's time (CreateTime); set "
                "message.timestamp.type=LogAppendTime (ranker topics apply does), or accept_create_time = true in "
                "ranker.toml if late and future may be as wrong as the producers' clocks; the embedded broker ignores "
                "the former, so set RANKER_ENV=development with it, which accepts these times",
                Stop.CREATE_TIME,
            )
        yield Piece(start, end, counts, chunk.epoch)
        start = end
    if start < chunk.end:  # a hole at its end
        yield Piece(start, chunk.end, None, chunk.epoch)


def _counts(
    partition: int, chunk: Chunk, fold: Fold, memory: Memory | None, most_cost: int
) -> Iterator[tuple[int, PartialCounts | None]]:
    """Pairs of the offset behind some records and their counts."""
    try:
        if chunk.stretches:
            yield from cast("KernelFold", fold).raw(chunk.stretches, memory, most_cost)
        else:
            yield chunk.end, fold(chunk.records, memory) if chunk.records else chunk.partial
    except Exception as error:
        raise PartitionStoppedError(
            f"partition {partition}: offsets {chunk.start} and on cannot be folded ({type(error).__name__}: {error}); "
            "this is a fault of the software: please report it",
            Stop.FOLD,
        ) from error


def _check_times(partition: int, chunk: Chunk, end: int, rejected: Iterable[Rejected], accepted: int) -> None:
    for record in rejected:
        if record.reason == TIMESTAMP and record.offset >= accepted:
            raise PartitionStoppedError(
                f"partition {partition}: the record at offset {record.offset} has "
                f"{append_time.named(record.append_ms)}, so nothing says whether it counts; "
                f"{append_time.fix_of(by_broker=not chunk.create_time)}: start with --accept-bad {partition}:{end}, or "
                "a higher offset, to send those below it to the dead letters, from which `ranker dead resend` appends "
                "them anew",
                Stop.TIMESTAMP,
            )


def _check_schemas(partition: int, end: int, rejected: Iterable[Rejected], accepted: int) -> None:
    """What a registry lacks today it may have tomorrow, so counts would depend on when it was asked."""
    for record in rejected:
        if record.reason == UNKNOWN_SCHEMA and record.offset >= accepted:
            raise PartitionStoppedError(
                f"partition {partition}: {unknown_schema(record.offset, record.value)}: start with --accept-bad "
                f"{partition}:{end}, or a higher offset, to send those below it to the dead letters",
                Stop.SCHEMA,
            )
