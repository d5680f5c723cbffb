"""Rising lists of random counts, against the definition written down a second time: one article after the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import sqrt
from random import Random
from typing import Any

import orjson

from ranker.core import rising
from ranker.core.generation import Generation, Window
from ranker.core.hours import Hours
from ranker.core.merge import Hints, Merged, Span
from ranker.core.rising import Thresholds
from ranker.core.rising_boards import RisingBoard
from ranker.lists import rising as reading
from ranker.lists.articles import Articles
from ranker.store.reader import ListRead

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEIGHTS = {"view": 1, "share": 3}
Line = tuple[float, int, str, float, float]
"""sigmas, count, article, expected, times."""


@dataclass(frozen=True)
class Story:
    """What is known of one article: its counts in three windows, and of each hour from `Case.from_ms` on."""

    article: str
    recent: int
    before: int
    longest: int
    hours: tuple[dict[str, int], ...]
    published_ms: int | None = None
    hidden: bool = False
    old_id: str = ""
    """A part of the hours stands under it, since the article has moved."""
    old_hours: tuple[dict[str, int], ...] = ()


@dataclass(frozen=True)
class Case:
    recent_ms: int
    before_ms: int
    as_of_ms: int
    from_ms: int
    site_recent: int
    site_before: int
    stories: tuple[Story, ...]
    thresholds: Thresholds
    hours_of: int
    places: int
    seen: frozenset[str] = field(default_factory=frozenset)
    """Articles that were found in the first reading; the others are looked at a minute later."""


def draw(seed: int) -> Case:
    rng = Random(seed)
    recent_ms, before_ms = rng.choice(
        ((HOUR, 4 * HOUR), (HOUR, 4 * HOUR), (30 * MINUTE, 2 * HOUR), (2 * HOUR, 5 * HOUR))
    )
    as_of_ms = 500_000 * HOUR + rng.choice((0, 1, 59_999, MINUTE, rng.randrange(HOUR)))
    from_ms = (as_of_ms // MINUTE * MINUTE - DAY - before_ms) // HOUR * HOUR
    begin_ms = as_of_ms - before_ms - MINUTE
    stories = []
    for number in range(rng.choice((1, 2, 5, 12))):
        recent = rng.choice((rng.randrange(6), rng.randrange(10, 40), rng.randrange(400)))
        before = recent + rng.choice((0, rng.randrange(4), rng.randrange(120), -1))
        longest = before + rng.choice((0, 0, 1, 50))
        flat = rng.choice((0, 0, 3, 40, -40))
        hours = _hours(rng, flat)
        published = rng.choice((None, begin_ms - 1, begin_ms, begin_ms - DAY, as_of_ms))
        moved = rng.random() < 0.2
        story = Story(f"/a{number}", recent, before, longest, hours, published, hidden=rng.random() < 0.1)
        stories.append(replace(story, old_id=f"/old{number}", old_hours=_hours(rng, flat)) if moved else story)
    site_before = rng.choice((0, 10, 300, 3000))
    case = Case(
        recent_ms,
        before_ms,
        as_of_ms,
        from_ms,
        rng.choice((0, 5, 100, 1000)),
        site_before,
        tuple(stories),
        Thresholds(rng.choice((1, 3, 20)), rng.choice((0.0, 1.0, 4.0)), rng.choice((1.0, 1.5))),
        rng.choice((1, 2, 500)),
        rng.choice((1, 3, 100)),
        seen=frozenset(one.article for one in stories if rng.random() < 0.97),
    )
    return _at_the_edge(rng, case)


def _hours(rng: Random, flat: int) -> tuple[dict[str, int], ...]:
    return tuple(
        {"view": rng.randint(min(0, flat), max(0, flat)), "share": rng.randrange(2), "!bot": rng.randrange(9)}
        for _ in range(7)
    )


def _at_the_edge(rng: Random, case: Case) -> Case:
    """Thresholds that one article just reaches, or just misses."""
    kind, story = rng.randrange(4), rng.choice(case.stories)
    if kind == 0:
        return replace(case, thresholds=case.thresholds._replace(least=max(1, story.recent + rng.randrange(2))))
    if kind == 3 or story.recent < 1:
        return case
    sigmas, _, _, _, times = line(case, story, own_ratio(case, story))
    more = rng.choice((0.0, 0.0, 1e-9))
    if kind == 1:
        return replace(case, thresholds=case.thresholds._replace(sigmas=sigmas + more))
    return replace(case, thresholds=case.thresholds._replace(times=times + more))


# The definition.


def site_ratio(case: Case) -> float:
    return case.site_recent / case.site_before if case.site_recent > 0 and case.site_before > 0 else 0.0


def own_ratio(case: Case, story: Story) -> float:
    end = case.as_of_ms // MINUTE - 24 * 60
    spans = {"recent": (end - case.recent_ms // MINUTE, end)}
    spans["before"] = (end - case.before_ms // MINUTE, spans["recent"][0])
    yesterday = {}
    for name, (first, last) in spans.items():
        total = Fraction(0)
        for minute in range(first, last):
            hour = (minute * MINUTE - case.from_ms) // HOUR
            for hours in (story.hours, story.old_hours):
                if hour < len(hours):
                    total += Fraction(sum(WEIGHTS.get(kind, 0) * count for kind, count in hours[hour].items()), 60)
        yesterday[name] = float(max(total, Fraction(0)))
    return (yesterday["recent"] + 20 * site_ratio(case)) / (yesterday["before"] + 20)


def line(case: Case, story: Story, own: float) -> Line:
    c, o = story.recent, story.before - story.recent
    e = max(o * site_ratio(case), o * own, 1.0) if o > 0 else 1.0
    return (sqrt(c) + sqrt(c + 1) - sqrt(4 * e + 1), c, story.article, e, c / e)


def reaches(case: Case, found: Line) -> bool:
    least, sigmas, times = case.thresholds
    return found[1] >= least and found[0] >= sigmas and found[4] >= times


def is_old(case: Case, story: Story) -> bool:
    if story.published_ms is None:
        return story.longest > story.before
    return story.published_ms < case.as_of_ms - case.before_ms - MINUTE


def naive(case: Case) -> tuple[list[Line], bool]:
    """The whole list, cut; and whether what was read suffices for it."""
    fit = [one for one in case.stories if one.recent > 0 and is_old(case, one) and not one.hidden]
    known = [one for one in fit if one.article in case.seen]
    hopeful = [(line(case, one, 0.0), one) for one in known if reaches(case, line(case, one, 0.0))]
    order = sorted(hopeful, key=lambda pair: pair[0], reverse=True)
    read, unread = order[: case.hours_of], order[case.hours_of :]
    found = [line(case, one, own_ratio(case, one)) for _, one in read]
    listed = sorted((one for one in found if reaches(case, one)), reverse=True)[: case.places]
    could = [at_most for at_most, _ in unread]
    whole = not could or (len(listed) == case.places and max(could) < listed[-1])
    return listed, whole


# What the reader makes of the same counts.


def listed(case: Case) -> tuple[list[Line], bool]:
    windows = (
        Window("recent", case.recent_ms, MINUTE),
        Window("before", case.before_ms, MINUTE),
        Window("7d", 7 * DAY, HOUR),
    )
    generation = Generation("t", windows, {"read": WEIGHTS})
    board = RisingBoard("rising", "read", "recent", "before", case.thresholds)
    counts = reading.Counts(
        _list(case, {one.article: one.recent for one in case.stories}, case.site_recent),
        _list(case, {one.article: one.before for one in case.stories}, case.site_recent + case.site_before),
        _list(case, {one.article: one.longest for one in case.stories}, 10**6),
        case.seen,
    )
    reader = reading.RisingReader(None, {})
    reader._hours = _Hours(case)  # type: ignore[assignment]
    kept = reading.HOURS_OF, rising.PLACES
    reading.HOURS_OF, rising.PLACES = case.hours_of, case.places
    try:
        rises, whole = asyncio.run(reader.rises("demo", board, generation, 1, _catalogue(case), counts))
    finally:
        reading.HOURS_OF, rising.PLACES = kept
    return [(one.sigmas, one.count, one.article_id, one.expected, one.times) for one in rises], whole


class _Hours:
    def __init__(self, case: Case) -> None:
        self._case = case

    async def read_each(
        self, generation: Generation, site: str, shards: Mapping[int, frozenset[str]], from_ms: int, number: int
    ) -> dict[str, Hours]:
        assert from_ms == self._case.from_ms
        known = {one.article: one.hours for one in self._case.stories}
        known |= {one.old_id: one.old_hours for one in self._case.stories if one.old_id}
        return {
            article: [Counter(hour) for hour in known[article][:number]]
            for articles in shards.values()
            for article in articles
        }


def _list(case: Case, counts: Mapping[str, int], total: int) -> ListRead:
    rows = sorted(((count, article.encode()) for article, count in counts.items() if count > 0), reverse=True)
    span = Span(case.as_of_ms - case.recent_ms, case.as_of_ms, level=True, complete=True)
    return ListRead(Merged(rows, False, False, Hints()), span, total, {0: case.as_of_ms}, True)


def _catalogue(case: Case) -> Articles:
    articles = Articles({})
    records: list[tuple[str, dict[str, Any]]] = []
    for one in case.stories:
        about = {"site_id": "demo", "article_id": one.article}
        if one.published_ms is not None:
            status = {
                "status": "published",
                "title": "T",
                "url": "https://x.example/",
                "published_at": one.published_ms,
            }
            records.append((one.article, about | status))
        if one.hidden:
            records.append((f"{one.article} #editor", about | {"hidden": True}))
        if one.old_id:
            moved = {"site_id": "demo", "article_id": one.old_id, "alias_of": one.article}
            records.append((f"{one.old_id} #alias", moved))
    articles.apply((f"demo/{key}".encode(), orjson.dumps(record), at) for at, (key, record) in enumerate(records))
    return articles


def likely(case: Case) -> frozenset[str]:
    """What is read by name, if of the list `before` so many places are known."""
    recent = _list(case, {one.article: one.recent for one in case.stories}, case.site_recent)
    before = _list(case, {one.article: one.before for one in case.stories}, case.site_recent + case.site_before)
    first = replace(before.merged, rows=before.merged.rows[: case.places])
    return reading._likely(recent, replace(before, merged=first), case.thresholds)


def check(seed: int) -> None:
    """The same lines, to the bit, and the same word on whether they are all; all of them would have been read by name."""
    case = draw(seed)
    assert listed(case) == naive(case)
    assert {line[2] for line in naive(case)[0]} <= likely(case)
