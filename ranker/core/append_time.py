"""Append times, which are Kafka's timestamps of records: which numbers are times, and what the others probably are."""

from __future__ import annotations

from ranker.core.event import MAX_TIME_MS

FIRST_MS = 946_684_800_000
"""2000-01-01. A smaller number is none (-1), seconds, or the time of a clock that was never set."""
_YEAR_MS = 31_536_000_000


def is_append_time(stamp: int) -> bool:
    """Whether it is milliseconds since the epoch, of the years 2000 to 2099, or 2100 as it begins."""
    return FIRST_MS <= stamp <= MAX_TIME_MS


def named(stamp: int) -> str:
    """A timestamp that is no append time, for operators."""
    if stamp < 0:
        return f"no timestamp ({stamp})"
    year = "of 1970" if stamp < _YEAR_MS else "before 2000" if stamp < FIRST_MS else "after 2099"
    for in_ms, unit in ((stamp * 1000, "seconds"), (stamp // 1000, "microseconds"), (stamp // 10**6, "nanoseconds")):
        if is_append_time(in_ms):
            return f"the timestamp {stamp}, which in milliseconds is {year} (these are {unit}, probably)"
    return f"the timestamp {stamp}, which in milliseconds is {year}"


def fix_of(*, by_broker: bool) -> str:
    """What to do about such timestamps, for operators."""
    kept = "records that are in the topic keep their timestamps"
    if by_broker:
        return f"correct the clock of the broker that leads the partition; {kept}"
    return (
        "have the topic's owner set message.timestamp.type=LogAppendTime (`ranker topics apply` does if it is ours), "
        f"or correct the producer, which must give milliseconds; {kept}"
    )
