"""Periods at random: chart rows against their definitions one by one, and counts against the rules' own words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from ranker import calendars
from ranker.core.chart import chart_rows
from ranker.core.generation import from_table
from ranker.core.periods import LATE_MS, Calendar
from ranker.log.chunks import Chunk
from ranker.log.stretch import Part
from ranker.operate.period_counts import PeriodCounts, SitePeriod, _Partition, reads_from_ms
from schemas import configuration
from tests.support.compared import counted
from tests.support.frozen import DAY_MS, HOUR_MS, MINUTE_MS, records
from tests.support.once import Once
from tests.support.recount import Raw, Rules

FIRST = date(2026, 1, 3)
BEFORE = {FIRST + timedelta(7 * n): FIRST + timedelta(7 * (n - 1)) for n in range(-1, 30)}
NOW = 8
LISTS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6).map("".join)
CHARTS = st.tuples(LISTS, st.dictionaries(st.integers(0, NOW - 1), LISTS, max_size=NOW))


def week(number: int) -> date:
    return FIRST + timedelta(7 * number)


def is_the_chart(example: tuple[str, dict[int, str]]) -> None:
    """Of week 8, by number of week: recounted from the definitions' words."""
    listed, earlier = example
    found = chart_rows(list(listed), week(NOW), {week(n): list(one) for n, one in earlier.items()}, BEFORE, {})
    for rank, (article, one) in enumerate(zip(listed, found, strict=True), 1):
        ranks = {n: them.index(article) + 1 for n, them in earlier.items() if article in them}
        every = [*ranks.values(), rank]
        assert (one.peak, one.periods) == (min(every), len(every))
        assert one.periods_at_peak == sum(it == min(every) for it in every)
        assert one.entered == week(min([*ranks, NOW]))
        assert one.previous_rank == ranks.get(NOW - 1)
        expected = None
        if NOW - 1 in ranks:
            before = ranks[NOW - 1]
            expected = "up" if rank < before else "same" if rank == before else "down"
        elif NOW - 1 in earlier:
            expected = "re-entry" if ranks else "new"
        assert one.movement == expected
        assert one.by == (abs(ranks[NOW - 1] - rank) if NOW - 1 in ranks else None)
        running = NOW
        while running - 1 in ranks:
            running -= 1
        is_lost = running - 1 not in earlier and any(n < running - 1 for n in earlier)
        assert one.running == (None if is_lost else NOW + 1 - running)


ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana")
DAYS = st.tuples(
    st.sampled_from(["day", "week"]),
    st.one_of(
        st.dates(date(2026, 3, 1), date(2026, 4, 10)),
        st.dates(date(2026, 10, 1), date(2026, 11, 10)),
        st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    ),
    st.sampled_from(ZONES),
    st.integers(0, 6),
    st.integers(0, 600),
)


def calendar(zone: str, week_starts: int, close_after_ms: int = 6 * HOUR_MS) -> Calendar:
    return Calendar(calendars.zone(zone), zone, week_starts, ("day", "week"), close_after_ms, 12, ("read", "engaged"))


def is_a_period(example: tuple[str, date, str, int, int]) -> None:
    """It begins with its first day's first moment and ends with the next one's; it closes, and is made, in that order."""
    kind, day, zone, week_starts, minutes = example
    days = calendar(zone, week_starts, minutes * MINUTE_MS)
    period = days.period(kind, day)
    its = calendars.zone(zone)
    length = 7 if kind == "week" else 1
    assert period.first <= day < period.first + timedelta(length)
    assert kind == "day" or period.first.weekday() == week_starts
    for at_ms, of in ((period.from_ms, period.first), (period.to_ms, period.first + timedelta(length))):
        assert local_day(at_ms, its) == of
        assert local_day(at_ms - 1, its) == of - timedelta(1)
    assert days.before(period).to_ms == period.from_ms
    assert days.closes_ms(period) == period.to_ms + minutes * MINUTE_MS
    assert days.makes_ms(period) == days.closes_ms(period) + 10 * MINUTE_MS
    made_ms = days.makes_ms(period)
    assert next(days.latest(kind, made_ms)).first == period.first
    assert next(days.latest(kind, made_ms - 1)).first < period.first
    assert period.hours * HOUR_MS == period.to_ms - period.from_ms
    assert made_ms - period.from_ms <= days.longest_ms()


def local_day(at_ms: int, zone: Any) -> date:
    from datetime import datetime

    return datetime.fromtimestamp(at_ms / 1000, zone).date()


TABLE = configuration.filled(
    {
        "topic": "t",
        "boards": {"read": {"view": 1}, "engaged": {"view": 1, "comment": 3, "share": 5}},
        "windows": {"long": {"length_s": 172_800, "grain_s": 3600}},
        "rules": {"preset": "press", "repeat_per_s": 1800, "grace_s": 1200},
    }
)
GENERATION = from_table(TABLE)
RULES = Rules((("long", 2 * DAY_MS, HOUR_MS),), TABLE["boards"], 64, Once.read(TABLE["rules"]), None)
BEGIN = date(2026, 3, 28)


@dataclass(frozen=True)
class Logged:
    """A log of one partition by its seed: how it is cut into chunks, and where Kafka has deleted its beginning."""

    seed: int
    cut: int


LOGS = st.builds(Logged, st.integers(0, 1 << 30), st.integers(0, 60))


def is_what_the_rules_say(example: Logged) -> None:
    """Two days and their week out of one pass, each by the offsets that it names."""
    rng = random.Random(example.seed)
    days = calendar("Europe/Paris", 5)
    wanted = [
        SitePeriod("s", days, days.period(kind, BEGIN + timedelta(n)))
        for kind, n in (("week", 0), ("day", 0), ("day", 1))
    ]
    edges = [edge for one in wanted for edge in (one.period.from_ms, one.period.to_ms, days.closes_ms(one.period))]
    edges += [days.closes_ms(one.period) + LATE_MS for one in wanted]
    first_ms, last_ms = wanted[0].period.from_ms, days.closes_ms(wanted[0].period)
    log = records(example.seed, "s", first_ms - 3 * DAY_MS, last_ms + DAY_MS, 80, edges, 10)[example.cut :]
    since_ms = min(reads_from_ms(GENERATION, one.period) for one in wanted)
    start = next((raw.offset for raw in log if raw.timestamp >= since_ms), log[-1].offset + 1)
    found = [PeriodCounts() for _ in wanted]
    is_cut = bool(example.cut) and log[0].offset >= start
    part = Part(0, start, log[-1].offset + 1, is_cut, log[0].timestamp if is_cut else None)
    counting = _Partition(GENERATION, wanted, found, part, 4_000_000_000_000, None)
    read = [raw for raw in log if raw.offset >= start]
    while read:
        size = rng.randint(1, 40)
        some, read = read[:size], read[size:]
        if counting.take(Chunk(some[0].offset, some[-1].offset + 1, some)):
            break
    starts = [
        next((raw.offset for raw in log if raw.timestamp >= reads_from_ms(GENERATION, one.period)), part.end)
        for one in wanted
    ]
    counting.finish(starts)
    for one, counts in zip(wanted, found, strict=True):
        close = days.closes_ms(one.period)
        (its,) = counts.parts
        assert its.end == next(raw.offset for raw in log if raw.timestamp >= close)
        assert its.late_end == next(raw.offset for raw in log if raw.timestamp >= close + LATE_MS)
        expected = counted([_of(log, its.start, its.end)], RULES, one.period.from_ms, one.period.to_ms)
        behind = counted([_of(log, its.start, its.late_end)], RULES, one.period.from_ms, one.period.to_ms)
        assert counts.outcomes == expected.outcomes["s"]
        behind.outcomes["s"].subtract(expected.outcomes["s"])
        assert _without_zeros(counts.late) == _without_zeros(behind.outcomes["s"])
        for board in TABLE["boards"]:
            assert Counter(counts.lists[board]) == expected.lists["s", board]
        assert counts.is_cut == (bool(example.cut) and log[0].timestamp >= reads_from_ms(GENERATION, one.period))


def _without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    return {outcome: count for outcome, count in counts.items() if count}


def _of(log: list[Raw], start: int, end: int) -> list[Raw]:
    return [raw for raw in log if start <= raw.offset < end]


PROPERTIES: dict[str, tuple[Any, Any]] = {
    "chart": (CHARTS, is_the_chart),
    "period": (DAYS, is_a_period),
    "counts": (LOGS, is_what_the_rules_say),
}
