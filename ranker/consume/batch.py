"""Chunks gather into batches that fit one script."""

from __future__ import annotations

from collections import deque

from ranker.core.generation import Generation
from ranker.core.step import MAX_COST
from ranker.core.tally import Tally


def chunk_records(generation: Generation) -> int:
    """Records that one chunk may hold so that even a chunk of all different articles fits one script."""
    feeds = max((len(pairs) for pairs in generation.boards_of.values()), default=1)
    # a record can cost an increment for each window and board, and a slice
    worst = len(generation.windows) * feeds + 1
    return max(1, min(2_000, MAX_COST // worst))


class Batch:
    """Records [start, end) and what one script has to do for them at most."""

    def __init__(self, start: int, now_s: float) -> None:
        self.start = self.end = start
        self.since_s = now_s
        self.tally = Tally()
        self._articles: dict[tuple[str, str], set[str]] = {}
        self._cost = 0

    def fits(self, tally: Tally, weights: dict[str, int], windows: int) -> bool:
        """Whether these counts can be added without exceeding MAX_COST; exact, but for articles shared by outcomes."""
        added = 0
        for group, articles in tally.counts.items():
            _, site, outcome = group
            seen = self._articles.get((site, outcome))
            if seen is None:
                added += windows  # the sums
                new = len(articles)
            else:
                new = len(articles.keys() - seen)
            added += new * weights.get(outcome, 0) * windows
            added += group not in self.tally.counts  # a slice to append to
        if self._cost and self._cost + added > MAX_COST:
            return False
        self._cost += added
        return True

    def add(self, end: int, tally: Tally | None) -> None:
        """Takes the next stretch, up to offset `end`."""
        self.end = end
        if tally is None:
            return
        for (_, site, outcome), articles in tally.counts.items():
            self._articles.setdefault((site, outcome), set()).update(articles)
        self.tally.add(tally)


class Batches:
    """The batches of one partition, oldest first; the last one still grows."""

    def __init__(self, generation: Generation, flush_s: float, most: int = 3) -> None:
        self._weights = {outcome: len(pairs) for outcome, pairs in generation.boards_of.items()}
        self._windows = len(generation.windows)
        self._flush_s = flush_s
        self._most = most
        self._waiting: deque[Batch] = deque()

    def put(self, start: int, end: int, tally: Tally | None, now_s: float) -> None:
        last = self._waiting[-1] if self._waiting else None
        if last is None or (tally is not None and not last.fits(tally, self._weights, self._windows)):
            last = Batch(start, now_s)
            if tally is not None:
                last.fits(tally, self._weights, self._windows)
            self._waiting.append(last)
        last.add(end, tally)

    @property
    def full(self) -> bool:
        """No more may be read: the store is the slower one."""
        return len(self._waiting) >= self._most

    def due_s(self) -> float | None:
        """When the oldest batch must go: at once (0) when it is complete, None when there is none."""
        if not self._waiting:
            return None
        return 0.0 if len(self._waiting) > 1 else self._waiting[0].since_s + self._flush_s

    def pop(self) -> Batch:
        return self._waiting.popleft()

    def clear(self) -> None:
        self._waiting.clear()
