"""Whether page views are kept until a day or week can be made."""

from __future__ import annotations

from dataclasses import replace

import pytest

import schemas
from ranker.core.floors import first_append_of_ms
from ranker.core.generation import FUTURE_MS, Generation, from_table
from ranker.core.periods import Calendar
from ranker.core.times import DAY_MS
from ranker.log.admin import TopicState
from ranker.operate import check_periods, topics
from schemas import configuration
from tests.support.calendars import calendar
from tests.unit.test_topics import generation

WEEK = calendar(kinds=["day", "week"])
DAY = calendar(kinds=["day"])
LATER = calendar(kinds=["week"], close_after_s=7 * 86_400)
RULES = from_table(configuration.filled({"rules": {"preset": "press", "repeat_per_s": 7200}}))


def state(retention_ms: int | None) -> TopicState:
    return TopicState("page-views", 4, 1, {} if retention_ms is None else {"retention.ms": str(retention_ms)})


def test_without_a_calendar_there_is_nothing_to_find() -> None:
    assert check_periods.retention(generation(), state(1), []) == []


@pytest.mark.parametrize("calendars", [[WEEK], [DAY], [DAY, WEEK, LATER]])
def test_the_least_retention_is_enough_and_one_less_is_not(calendars: list[Calendar]) -> None:
    """The fault has what is kept, what is needed and the setting; the longest period of all sites decides."""
    needs_ms = max(topics.period_ms(generation(), one) for one in calendars)
    (found,) = check_periods.retention(generation(), state(needs_ms), calendars)
    assert found.kind == "ok"
    (found,) = check_periods.retention(generation(), state(needs_ms - 1), calendars)
    assert found.kind == "fault"
    assert found.fix == f"have it keep them for longer (retention.ms={needs_ms} or more)"
    assert f"{needs_ms / DAY_MS:.1f} days old" in found.text
    longest = calendars[-1]
    kind = "day" if longest is DAY else "week"
    assert f"a {kind} with close_after_s = {longest.close_after_ms // 1000} is made" in found.text


@pytest.mark.parametrize("retention_ms", [-1, None])
def test_a_topic_that_keeps_for_ever_is_fit(retention_ms: int | None) -> None:
    """Retention -1; the embedded broker reports none."""
    (found,) = check_periods.retention(generation(), state(retention_ms), [WEEK])
    assert (found.kind, found.text) == ("ok", "records are kept until a week is made")


@pytest.mark.parametrize("counts", [generation(), RULES])
@pytest.mark.parametrize("dates", [WEEK, DAY, LATER])
def test_what_a_period_needs_is_there_a_day_behind_its_close(counts: Generation, dates: Calendar) -> None:
    """Of every week of two years, with summer time and the rules' memory: `ranker freeze` once a day is enough."""
    kept_ms = topics.period_ms(counts, dates)
    now_ms = 1_767_225_600_000
    for kind in dates.kinds:
        for period, _ in zip(dates.latest(kind, now_ms), range(104), strict=False):
            needs_from_ms = first_append_of_ms(counts, period.from_ms, FUTURE_MS)
            assert dates.makes_ms(period) + DAY_MS - kept_ms <= needs_from_ms


def test_topics_keep_records_for_the_longest_of_window_and_periods() -> None:
    """A window of a week needs 10 days; a week that waits a week for late events more, dead letters too."""
    assert topics.needed_ms(generation(), []) == topics.needed_ms(generation(), [WEEK, DAY]) == 10 * DAY_MS
    longer_ms = topics.period_ms(generation(), LATER)
    assert longer_ms > 15 * DAY_MS
    assert topics.needed_ms(generation(), [DAY, LATER, WEEK]) == longer_ms
    views, dead, articles, documents = topics.wanted(generation(longest_days=2), [LATER])
    assert views.config["retention.ms"] == str(longer_ms)
    assert dead.config["retention.ms"] == schemas.topic("page-views.dead").config["retention.ms"]
    assert (articles, documents) == (schemas.topic("articles"), schemas.topic("best-of"))
    later = replace(LATER, close_after_ms=40 * DAY_MS)
    assert topics.wanted(generation(), [later])[1].config["retention.ms"] == str(topics.period_ms(generation(), later))
