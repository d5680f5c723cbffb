"""From counts and floors to the changes of a shard: a count is stored in one slice, and in every window that holds it.

event minute   ──►  at or above the 24h floor: fine slice, totals of 24h and 7d
               ──►  below it, above the 7d floor: coarse slice, totals of 7d only
               ──►  below both: nothing
"""

from __future__ import annotations

from collections.abc import Mapping

from ranker.core import delta
from ranker.core.floors import Floors, lane
from ranker.core.generation import Generation
from ranker.core.partial_counts import Articles, Group, PartialCounts, add
from ranker.core.step import Changes, ListId


class Router:
    """Routes for one generation."""

    def __init__(self, generation: Generation) -> None:
        self._lanes = generation.lanes
        self._boards_of = generation.boards_of
        grains = [window.grain_ms for window in generation.windows]
        self._fine_per_slice = [grain // grains[0] for grain in grains]
        self._tiers = len(grains)

    def changes(self, partial: PartialCounts, floors: Floors) -> Changes:
        """The changes that partial counts make above these floors."""
        assert partial.columns is None, "counts of the kernel are routed by it (kernel/route.py)"
        return self.route(partial.counts, floors)

    def route(self, counts: Mapping[Group, Articles], floors: Floors) -> Changes:
        """The changes that these counts make above these floors."""
        changes = Changes()
        entered: dict[tuple[int, str, str], Articles] = {}  # (finest tier, site, outcome): counted once for all slices
        for (fine, site, outcome), articles in counts.items():
            rest = articles
            for tier in range(self._tiers):
                slice_ = fine // self._fine_per_slice[tier]
                inside, rest = self._split(rest, slice_, floors[tier])
                if inside:
                    delta.add(changes.appends.setdefault((tier, slice_), {}), site, outcome, inside)
                    add(entered.setdefault((tier, site, outcome), {}), inside)
                if not rest:
                    break
        for (tier, site, outcome), articles in entered.items():
            self.count(changes, range(tier, self._tiers), site, outcome, articles)
        return changes

    def count(self, changes: Changes, windows: range, site: str, outcome: str, articles: Articles) -> None:
        """Adds article counts to the totals and sums of these windows; negative counts subtract."""
        total = sum(articles.values())
        for window in windows:
            key = (site, window, outcome)
            changes.sums[key] = changes.sums.get(key, 0) + total
            for board, weight in self._boards_of.get(outcome, ()):
                _increase(changes.increments, (window, site, board), articles, weight)

    def _split(self, articles: Articles, slice_: int, floor: int) -> tuple[Articles, Articles]:
        """(at or above the floor, below it); lanes matter in the floor's own slice only."""
        if slice_ * self._lanes >= floor:
            return articles, {}
        if (slice_ + 1) * self._lanes <= floor:
            return {}, articles
        first_lane = floor - slice_ * self._lanes
        inside: Articles = {}
        below: Articles = {}
        for article, count in articles.items():
            (inside if lane(article, self._lanes) >= first_lane else below)[article] = count
        return inside, below


def _increase(increments: dict[ListId, Articles], key: ListId, articles: Articles, weight: int) -> None:
    weighed = articles if weight == 1 else {article: count * weight for article, count in articles.items()}
    add(increments.setdefault(key, {}), weighed)
