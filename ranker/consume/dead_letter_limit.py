"""Stops a partition whose records are mostly bad: a bad deploy must not empty the topic into the dead letters."""

from __future__ import annotations

from collections import Counter

from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.core.partial_counts import PartialCounts


class DeadLetterLimit:
    """Watches stretches of at least `stretch` records; `share` of them may be rejected (1.0: all).

    Records below `accepted` are let through: an operator has looked at them (--accept-bad PARTITION:OFFSET).
    """

    def __init__(self, partition: int, share: float, stretch: int, accepted: int = 0) -> None:
        self._partition = partition
        self._share = share
        self._stretch = stretch
        self.accepted = accepted
        self.forget()

    def forget(self) -> None:
        self._records = 0
        self._start = -1
        self._reasons: Counter[str] = Counter()

    def look(self, start: int, end: int, partial: PartialCounts) -> None:
        """Raises PartitionStoppedError where the stretch that these records complete is too bad."""
        if end <= self.accepted:
            return
        if not self._records:
            self._start = max(start, self.accepted)
        # a stretch may begin among accepted records: neither they nor their faults count
        views = partial.records - sum(partial.skipped.values())  # what is no page view says nothing of those that are
        self._records += min(views, end - max(start, self.accepted))
        self._reasons.update(rejected.reason for rejected in partial.rejected if rejected.offset >= self.accepted)
        if self._records < self._stretch:
            return
        bad = self._reasons.total()
        records, first, reasons = self._records, self._start, dict(self._reasons.most_common(3))
        self.forget()
        if bad > self._share * records:
            why = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
            raise PartitionStoppedError(
                f"partition {self._partition}: {bad} of {records} records at offsets {first} to {end - 1} cannot be "
                f"counted ({why}); correct the producer, then start with --accept-bad {self._partition}:{end} "
                "to send these to the dead letters and go on",
                Stop.BAD_RECORDS,
            )
