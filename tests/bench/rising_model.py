"""A site of Poisson readers with a day's curve and spikes, and what rising lists of several rules make of it."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from producers.simulate import popularity
from producers.simulate.popularity import DAY_MS, HOUR_MS, MINUTE_MS, ArticleModel, Spike, by_hour
from ranker.core import rising
from ranker.core.rising import Thresholds

THRESHOLDS = Thresholds(20, 4.0, 1.5)
RECENT, BEFORE, DAY = 60, 240, 1440
"""Minutes."""
WARM_UP_DAYS, DAYS = 2, 6
NEW_A_DAY = 40
EVERY = 5
"""Minutes between the lists that false places are counted in; spikes are looked for in every minute."""
FOUND_WITHIN = 20
FIRST_MS = 20_000 * DAY_MS
APPOINTMENTS = ((6, 0.02), (7, 0.01), (12, 0.015), (18, 0.02), (20, 0.01))
"""Pages that are read at their hour (UTC) every day, such as a television guide: the hour, and their share then."""


@dataclass
class Site:
    """Counts of each article by the minute, as running sums from `FIRST_MS` on; the whole site's too."""

    articles: list[ArticleModel]
    spikes: list[Spike]
    sums: list[list[int]]
    total: list[int]
    minutes: int


@dataclass
class Score:
    """Of one rule: places of articles without a spike, lists looked at, spikes, and minutes until each was found."""

    false_places: int = 0
    lists: int = 0
    spikes: int = 0
    found_after: list[int] = field(default_factory=list)
    possible: int = 0
    """Spikes whose article came to the least count in an hour: from then on a list could have it."""
    found_of_possible: int = 0

    @property
    def found(self) -> int:
        return sum(after <= FOUND_WITHIN for after in self.found_after)


def site(seed: int, views_a_minute: float) -> Site:
    """`views_a_minute` is the mean of a whole day."""
    rng = random.Random(seed)
    minutes = (WARM_UP_DAYS + DAYS) * DAY
    end_ms = FIRST_MS + minutes * MINUTE_MS
    named = popularity.invented(rng, NEW_A_DAY * (WARM_UP_DAYS + DAYS), FIRST_MS, end_ms)
    articles = popularity.article_models(rng, named)
    spikes = _spikes(rng, articles, minutes)
    curve = [by_hour(FIRST_MS + minute * MINUTE_MS) for minute in range(minutes)]
    mean = sum(curve) / len(curve)
    counts = [array("l", bytes(8 * minutes)) for _ in range(len(articles) + len(APPOINTMENTS))]
    place = {article.article_id: at for at, article in enumerate(articles)}
    for minute, level in enumerate(curve):
        at_ms = FIRST_MS + minute * MINUTE_MS
        if minute % EVERY == 0:
            interests = [(at, one.interest(at_ms)) for at, one in enumerate(articles)]
            interests = [(at, interest) for at, interest in interests if interest > 0.0]
            whole = sum(interest for _, interest in interests)
        views = views_a_minute * level / mean
        extra = [(place[one.article_id], one.share(at_ms)) for one in spikes]
        extra += [(len(articles) + at, _appointment(at_ms, *one)) for at, one in enumerate(APPOINTMENTS)]
        rest = views * max(0.0, 1.0 - sum(share for _, share in extra)) / whole
        for at, interest in interests:
            counts[at][minute] = poisson(rng, rest * interest)
        for at, share in extra:
            counts[at][minute] += poisson(rng, views * share)
    for at, _ in enumerate(APPOINTMENTS):
        articles.append(ArticleModel(f"/rendez-vous-{at}", FIRST_MS - 30 * DAY_MS, 0.0, DAY_MS, 0.0, 0.0))
    total = [sum(one[minute] for one in counts) for minute in range(minutes)]
    sums = [list(accumulate(one, initial=0)) for one in counts]
    return Site(articles, spikes, sums, list(accumulate(total, initial=0)), minutes)


def _spikes(rng: random.Random, articles: Sequence[ArticleModel], minutes: int) -> list[Spike]:
    """One after three hours on average, of an article that has none: it rises in 10 to 40 minutes."""
    found: list[Spike] = []
    minute = WARM_UP_DAYS * DAY
    while (minute := minute + round(rng.expovariate(1 / 180)) + 1) < minutes - 60:
        onset_ms, rise_ms = FIRST_MS + minute * MINUTE_MS, rng.randrange(10, 41) * MINUTE_MS
        among = [one for one in articles if one.published_ms < onset_ms - (BEFORE + 1) * MINUTE_MS]
        drawn = popularity.spike(rng, among, onset_ms, rise_ms, rng.randrange(1, 5) * HOUR_MS)
        if drawn is not None and drawn.article_id not in {one.article_id for one in found}:
            peak = math.exp(rng.uniform(math.log(0.02), math.log(0.35)))
            found.append(Spike(drawn.article_id, onset_ms, rise_ms, drawn.half_life_ms, peak))
    return found


def _appointment(at_ms: int, hour: int, share: float) -> float:
    """A bell of half an hour around its hour, on every day a little earlier or later."""
    day, moment = divmod(at_ms, DAY_MS)
    off = (day * 7919 % 21 - 10) * MINUTE_MS
    away = (moment - hour * HOUR_MS - HOUR_MS // 2 - off) / (30 * MINUTE_MS)
    return share * math.exp(-away * away)


def poisson(rng: random.Random, rate: float) -> int:
    """Knuth's way, in parts that it can take."""
    number = 0
    while rate > 20.0:
        number, rate = number + poisson(rng, 20.0), rate - 20.0
    least, product = math.exp(-rate), rng.random()
    while product > least:
        number += 1
        product *= rng.random()
    return number


Rule = Callable[[Site, int, int, int, int], tuple[float, float]]
"""(site, article, end of the minute, c, o) to the expected count and the sigmas above it."""


def present(shown: Site, end: int, sums: Sequence[int]) -> tuple[int, int]:
    """Counts in `recent`, and in `before` without it."""
    return sums[end] - sums[end - RECENT], sums[end - RECENT] - sums[end - BEFORE]


def this_rule(shown: Site, article: int, end: int, count: int, before: int) -> tuple[float, float]:
    ratio = rising.site_ratio(*present(shown, end, shown.total))
    days = rising.yesterday(FIRST_MS + end * MINUTE_MS, RECENT * MINUTE_MS, BEFORE * MINUTE_MS)
    first = (days.first_hour_ms - FIRST_MS) // MINUTE_MS
    sums = shown.sums[article]
    hours = [sums[first + 60 * (at + 1)] - sums[first + 60 * at] for at in range(days.hours)]
    likely = rising.expected(before, ratio, rising.own_ratio(*days.count_minutes(hours), ratio))
    return likely, rising.sigmas(count, likely)


def without_yesterday(shown: Site, article: int, end: int, count: int, before: int) -> tuple[float, float]:
    likely = rising.expected(before, rising.site_ratio(*present(shown, end, shown.total)), 0.0)
    return likely, rising.sigmas(count, likely)


def own_past_only(shown: Site, article: int, end: int, count: int, before: int) -> tuple[float, float]:
    """The mean of its own hours before."""
    likely = rising.expected(before, RECENT / (BEFORE - RECENT), 0.0)
    return likely, rising.sigmas(count, likely)


def chi_square(shown: Site, article: int, end: int, count: int, before: int) -> tuple[float, float]:
    """Of the table article and others, recent and before; its root is a standard deviation's."""
    recent, earlier = present(shown, end, shown.total)
    others, others_before = recent - count, earlier - before
    whole = recent + earlier
    margins = (count + before) * (others + others_before) * recent * earlier
    if margins == 0:
        return 1.0, 0.0
    off = count * others_before - before * others
    likely = max(before * others / others_before, 1.0) if others_before else 1.0
    return likely, math.copysign(math.sqrt(whole * off * off / margins), off)


RULES: dict[str, Rule] = {
    "this rule": this_rule,
    "this rule without yesterday": without_yesterday,
    "own past only": own_past_only,
    "chi-square": chi_square,
}


def score(shown: Site) -> dict[str, Score]:
    """Every rule over all days but the first ones, with the same thresholds and the same cut by publication."""
    scores = {name: Score(spikes=len(shown.spikes)) for name in RULES}
    onsets = {_minute(one): one for one in shown.spikes}
    looking: dict[str, dict[int, int]] = {name: {} for name in RULES}
    possible: dict[int, int] = {}
    at_of = {article.article_id: at for at, article in enumerate(shown.articles)}
    for end in range(WARM_UP_DAYS * DAY, shown.minutes):
        if end in onsets:
            for waiting in looking.values():
                waiting[at_of[onsets[end].article_id]] = end
        everything = end % EVERY == 0
        waited = {at for waiting in looking.values() for at in waiting}
        looked_at = range(len(shown.articles)) if everything else waited
        spiking = _spiking(shown, end, at_of) if everything else set()
        begin_ms = FIRST_MS + (end - BEFORE - 1) * MINUTE_MS
        for at in looked_at:
            count, before = present(shown, end, shown.sums[at])
            if shown.articles[at].published_ms >= begin_ms or not rising.could_rise(count, THRESHOLDS):
                continue
            if at in waited:
                possible.setdefault(at, end)
            for name, rule in RULES.items():
                likely, sigmas = rule(shown, at, end, count, before)
                if sigmas < THRESHOLDS.sigmas or count / likely < THRESHOLDS.times:
                    continue
                if at in looking[name]:
                    scores[name].found_after.append(end - looking[name].pop(at))
                    scores[name].found_of_possible += end - possible[at] <= FOUND_WITHIN
                if everything and at not in spiking:
                    scores[name].false_places += 1
        for found in scores.values():
            found.lists += everything
    for found in scores.values():
        found.possible = len(possible)
    return scores


def _minute(one: Spike) -> int:
    return (one.onset_ms - FIRST_MS) // MINUTE_MS


def _spiking(shown: Site, end: int, at_of: dict[str, int]) -> set[int]:
    """Articles with a spike in some minute of `recent`."""
    moments = [FIRST_MS + minute * MINUTE_MS for minute in (end - RECENT, end - 1)]
    return {at_of[one.article_id] for one in shown.spikes if any(one.share(at_ms) > 0.0 for at_ms in moments)}


def together(each: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """The scores of several sites as one."""
    return {
        name: Score(
            sum(one[name].false_places for one in each),
            sum(one[name].lists for one in each),
            sum(one[name].spikes for one in each),
            [after for one in each for after in one[name].found_after],
            sum(one[name].possible for one in each),
            sum(one[name].found_of_possible for one in each),
        )
        for name in RULES
    }
