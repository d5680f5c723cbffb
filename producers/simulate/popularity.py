"""The interest in each article at a moment: Zipf over articles that come and fade, one going viral, by time of day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

ZIPF = 0.75
"""The article of rank r has r^-0.75 times the interest of the first, at the same age."""

RISE_MS = 30 * MINUTE_MS
"""From publication to full interest."""

EVERGREEN = 0.02
"""What remains of the interest once an article has faded."""

TYPES = ("view", "comment", "share")

_LOCAL_MS = HOUR_MS  # the readers' clocks: one hour ahead of UTC
_BY_HOUR = (
    0.25, 0.15, 0.10, 0.08, 0.10, 0.25, 0.60, 1.00, 1.30, 1.30, 1.20, 1.20,
    1.40, 1.40, 1.20, 1.10, 1.10, 1.20, 1.30, 1.30, 1.40, 1.50, 1.20, 0.70,
)  # fmt: skip


@dataclass(frozen=True)
class ArticleModel:
    """The traffic of an article. `weight` is relative; the shares are those of comments and shares among its events."""

    article_id: str
    published_ms: int
    weight: float
    half_life_ms: int
    comment_share: float
    share_share: float

    def interest(self, at_ms: int) -> float:
        """Relative rate at `at_ms`: nothing before publication, a quick rise, then half as much every half-life."""
        age = at_ms - self.published_ms
        if age < 0:
            return 0.0
        faded = float(0.5 ** (age / self.half_life_ms))
        return self.weight * min(1.0, (age + MINUTE_MS) / RISE_MS) * max(faded, EVERGREEN)

    def by_type(self) -> tuple[float, float, float]:
        """Shares of this article's events, in the order of TYPES."""
        return (1.0 - self.comment_share - self.share_share, self.comment_share, self.share_share)


@dataclass(frozen=True)
class Spike:
    """One article going viral: from `onset_ms` on it takes up to `peak` of all traffic, then fades."""

    article_id: str
    onset_ms: int
    rise_ms: int
    half_life_ms: int
    peak: float = 0.35

    def share(self, at_ms: int) -> float:
        """Its share of all traffic at `at_ms`."""
        age = at_ms - self.onset_ms
        if age < 0:
            return 0.0
        if age < self.rise_ms:
            # Readers pass it on: exponential growth, from a hundredth of the peak.
            return float(self.peak * 0.01 ** (1.0 - age / self.rise_ms))
        faded = self.peak * 0.5 ** ((age - self.rise_ms) / self.half_life_ms)
        return float(faded) if faded > 0.001 else 0.0


def article_models(
    rng: random.Random, named: Sequence[tuple[str, int]], sections: Sequence[str] | None = None
) -> list[ArticleModel]:
    """Models of (article id, publication in ms); `sections`, if known, influence the share of comments."""
    ranks = list(range(1, len(named) + 1))
    rng.shuffle(ranks)
    found = []
    for place, (article_id, published_ms) in enumerate(named):
        section = sections[place] if sections else ""
        talked_about = 2.5 if section in {"Politique", "Société"} else 1.0
        found.append(
            ArticleModel(
                article_id,
                published_ms,
                weight=ranks[place] ** -ZIPF,
                half_life_ms=round(rng.uniform(8, 36) * HOUR_MS),
                comment_share=min(0.12, rng.lognormvariate(-4.2, 0.8) * talked_about),
                share_share=min(0.15, rng.lognormvariate(-3.6, 0.9)),
            )
        )
    return found


def invented(rng: random.Random, count: int, from_ms: int, to_ms: int) -> list[tuple[str, int]]:
    """`count` articles without a text: (id, publication), a fifth of them older than `from_ms`."""
    early = max(1, count // 5)
    older = [from_ms - rng.randrange(1, 3 * DAY_MS) for _ in range(early)]
    younger = [rng.randrange(from_ms, max(to_ms, from_ms + 1)) for _ in range(count - early)]
    return [(f"/article-{place:06d}", at) for place, at in enumerate(sorted(older + younger), 1)]


def spike(
    rng: random.Random, among: Sequence[ArticleModel], onset_ms: int, rise_ms: int, half_life_ms: int
) -> Spike | None:
    """An unexpected article: of the less popular half, published in the day before `onset_ms` if any was."""
    published = [article for article in among if article.published_ms <= onset_ms]
    if not published:
        return None
    fresh = [article for article in published if article.published_ms > onset_ms - DAY_MS] or published
    unexpected = sorted(fresh, key=lambda article: article.weight)[: max(1, len(fresh) // 2)]
    return Spike(rng.choice(unexpected).article_id, onset_ms, rise_ms, half_life_ms)


def by_hour(at_ms: int) -> float:
    """Relative traffic at a moment: little at night, most at noon and in the evening, less at weekends."""
    local = at_ms + _LOCAL_MS
    hour, part = divmod(local % DAY_MS, HOUR_MS)
    here, there = _BY_HOUR[hour], _BY_HOUR[(hour + 1) % 24]
    weekend = 0.8 if (local // DAY_MS + 3) % 7 >= 5 else 1.0  # the epoch was a Thursday
    return weekend * (here + (there - here) * part / HOUR_MS)
