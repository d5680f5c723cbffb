"""Reads the log of one partition for a second count: where it begins, and what it no longer has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ranker.log.errors import LogUnavailableError, OffsetOutsideError
from ranker.log.stretch import LogReader
from ranker.recount.definition import Definition, begins_ms
from ranker.recount.pieces import At
from ranker.recount.recount import Recount


class RecountError(Exception):
    """What was requested cannot be recounted; the message has the reason and what to do."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The offsets [start, end) of a partition that decide a version. `is_cut`: the log no longer has all of them."""

    partition: int
    start: int
    end: int
    is_cut: bool
    log_end: int


async def stretch(
    reader: LogReader, definition: Definition, partition: int, n0: int, at: At, window: str | None = None
) -> Stretch:
    """From where a shard's `init` would begin at these floors, up to n; for the lists of one window from its own."""
    n, tiers = at.n, len(definition.windows) if window is None else definition.rank(window) + 1
    held = await reader.held(partition)
    first = await reader.first_at(partition, begins_ms(definition, at.floors, tiers))
    wanted = n if first is None else min(first, n)
    oldest = await reader.oldest(partition)
    is_cut = held.start > n0 and (oldest is None or wanted <= oldest[0])
    return Stretch(partition, max(wanted, held.start), n, is_cut, held.stop)


class LogEndsError(Exception):
    """The log ends before the version that is to be recounted; `reached` is where."""

    def __init__(self, reached: int) -> None:
        super().__init__(f"the log ends at offset {reached}")
        self.reached = reached


async def feed(reader: LogReader, recount: Recount, part: Stretch, passed: Callable[[int], None]) -> None:
    """Feeds the stretch, up to the recount's end; `passed` is called with how many offsets are behind.

    Raises LogEndsError.
    """
    reached = part.start
    if part.is_cut:
        recount.log_is_cut()
    try:
        async for chunk in reader.chunks(part.partition, part.start, max(part.end, recount.end)):
            for record in chunk.records:
                recount.feed(record.offset, record.timestamp, record.key, record.value, record.headers)
            reached = chunk.end
            passed(reached - part.start)
            await asyncio.sleep(0)
    except LogUnavailableError:
        held = await reader.held(part.partition)
        if held.stop <= reached < recount.end:
            raise LogEndsError(reached) from None
        raise
    except OffsetOutsideError as error:
        raise LogUnavailableError(
            f"partition {part.partition}: Kafka deleted records while they were read (retention); run it again"
        ) from error


def after(behind: int, passed: Callable[[int], None]) -> Callable[[int], None]:
    """`passed` for the next stretch, once so many offsets of others are behind."""
    return lambda offsets: passed(behind + offsets)
