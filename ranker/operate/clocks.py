"""The brokers' clocks beside this machine's."""

from __future__ import annotations

from collections.abc import Callable

from ranker.log.admin import LogAdmin, Stamp, TopicState
from ranker.operate.findings import Finding, fault, note
from ranker.service.runbook import Section

CLOCKS_APART_MS = 2000
"""The tolerated difference of clocks: beyond it nothing is retired (as the consumer does)."""
WATCH_S = 2.0
"""How long to wait for records that show the brokers' clocks."""
TIME_SERVICE = "run the same time service (NTP) on all machines"

Clock = Callable[[], int]
"""Returns milliseconds since the epoch."""


async def brokers(log: LogAdmin, topic: TopicState, now_ms: Clock) -> list[Finding]:
    """Kafka reports no broker's time; the stamp of a record shows it if we know when the record was appended.

    Writes nothing. A stamp ahead of our clock is evidence whenever it was made. One behind it is only if the record was
    appended while we watch, so without new records only a broker's clock that is ahead is found.
    """
    leaders = sorted(set(topic.leaders.values()))
    off_ms: dict[int, int] = {}  # by broker; 0 if a stamp lies between the bounds that we know

    def all_seen(stamp: Stamp) -> bool:
        leader = topic.leaders[stamp.partition]
        off = max(0, stamp.at_ms - now_ms()) or min(0, stamp.at_ms - stamp.since_ms)
        off_ms[leader] = max(off_ms.get(leader, off), off)
        return len(off_ms) == len(leaders) and min(off_ms.values()) >= -CLOCKS_APART_MS

    await log.follow(topic.name, topic.partitions, WATCH_S, now_ms, all_seen)
    found = [finding for broker in leaders for finding in _broker(topic.name, broker, off_ms.get(broker))]
    now = now_ms()
    if max(off_ms.values(), default=0) <= CLOCKS_APART_MS:
        newest_ms = await log.newest_after(topic.name, topic.partitions, now + CLOCKS_APART_MS)
        if newest_ms is not None:
            text = f"a broker stamped a record of {topic.name} {(newest_ms - now) / 1000:.1f} s ahead of this machine"
            found.append(fault("clocks", Section.CLOCKS_DIFFER, text, TIME_SERVICE))
    return found


def _broker(topic: str, broker: int, off_ms: int | None) -> list[Finding]:
    if off_ms is None:
        text = f"no record of {topic} reached broker {broker} within {WATCH_S:.0f} s"
        return [
            note(
                "clocks",
                Section.CLOCKS_DIFFER,
                f"{text}: whether its clock is behind cannot be seen",
                "check again while views come in",
            )
        ]
    if abs(off_ms) <= CLOCKS_APART_MS:
        return []
    way = "ahead of" if off_ms > 0 else "behind"
    text = f"broker {broker}: its clock is {abs(off_ms) / 1000:.1f} s {way} this machine's"
    return [fault("clocks", Section.CLOCKS_DIFFER, text, TIME_SERVICE)]
