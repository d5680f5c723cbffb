"""Old counts leave: lane by lane, tier by tier, in steps small enough for one script each.

Counts that leave the 24h tier are subtracted from the 24h totals and appended to their coarse slice; those that leave
the last tier are subtracted and gone. A plan moves one tier only: what it moves into the next tier was not there when
the plan's slices were read, so a plan over two tiers would retire counts that it has not read.
"""

from __future__ import annotations

from collections.abc import Mapping

from ranker.core import delta
from ranker.core.delta import Counts
from ranker.core.floors import Floors, lane
from ranker.core.generation import Generation
from ranker.core.partial_counts import Articles
from ranker.core.route import Router
from ranker.core.step import MAX_COST, Changes, SliceId, Step, Version


def tier_due(floors: Floors, target: Floors) -> int | None:
    """The finest tier whose floor is behind: a coarse lane leaves only when the finer floors have passed it."""
    for tier, (floor, goal) in enumerate(zip(floors, target, strict=True)):
        if floor < goal:
            return tier
    return None


class Retirement:
    """Plans for one generation."""

    def __init__(self, generation: Generation, router: Router) -> None:
        self._lanes = generation.lanes
        self._windows = generation.windows
        self._router = router

    def slices(self, live: set[SliceId], tier: int, target: int) -> list[SliceId]:
        """The live slices of this tier with counts below the target floor, oldest first."""
        return sorted((t, s) for t, s in live if t == tier and s * self._lanes < target)

    def plan(
        self, version: Version, watermark_ms: int, tier: int, target: int, contents: Mapping[SliceId, Counts]
    ) -> list[Step]:
        """Steps that bring the floor of one tier to `target`, in order, each from the version that the last one leaves.

        `contents` are the slices that `slices` named, read together with `version`.
        """
        steps: list[Step] = []
        changes = Changes()
        deletes: list[SliceId] = []
        floor = version.floors[tier]

        def close(reached: int) -> None:
            nonlocal version, changes, deletes
            floors = (*version.floors[:tier], reached, *version.floors[tier + 1 :])
            after = Version(version.lineage, version.n, floors)
            steps.append(Step(version, after, watermark_ms, changes, deletes=deletes))
            version, changes, deletes = after, Changes(), []

        for slice_id in sorted(contents):
            start = slice_id[1] * self._lanes
            lanes = self._by_lane(contents[slice_id], floor - start)
            for number in sorted(lanes):
                if start + number >= target:
                    break
                leaving = Changes()
                self._leave(leaving, slice_id, lanes[number])
                if changes.cost and changes.cost + leaving.cost > MAX_COST:
                    close(start + number)
                self._leave(changes, slice_id, lanes[number])
            if start + self._lanes <= target:
                deletes.append(slice_id)
        close(target)
        return steps

    def _by_lane(self, counts: Counts, first_lane: int) -> dict[int, list[tuple[str, str, Articles]]]:
        """Lane to (site, outcome, articles), without lanes below the floor: they have left already."""
        lanes: dict[int, dict[tuple[str, str], Articles]] = {}
        for site, outcomes in counts.items():
            for outcome, articles in outcomes.items():
                for article, count in articles.items():
                    number = lane(article, self._lanes)
                    if number >= first_lane:
                        lanes.setdefault(number, {}).setdefault((site, outcome), {})[article] = count
        return {
            number: [(site, outcome, articles) for (site, outcome), articles in groups.items()]
            for number, groups in lanes.items()
        }

    def _leave(self, changes: Changes, slice_id: SliceId, groups: list[tuple[str, str, Articles]]) -> None:
        tier, slice_ = slice_id
        for site, outcome, articles in groups:
            negative = {article: -count for article, count in articles.items()}
            self._router.count(changes, range(tier, tier + 1), site, outcome, negative)
            if tier + 1 < len(self._windows):
                coarse = slice_ * self._windows[tier].grain_ms // self._windows[tier + 1].grain_ms
                delta.add(changes.appends.setdefault((tier + 1, coarse), {}), site, outcome, articles)
