"""What can be taken from periods, their rows and their counting; `hunt` names the property that has to miss it."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_CHART, _PERIODS = "ranker.core.chart", "ranker.core.periods:Calendar"
_COUNTS = "ranker.operate.period_counts:_Partition"


def _chart(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{_CHART}:{function}", old, new, "chart")


def _period(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{_PERIODS}.{function}", old, new, "period")


def _counts(name: str, function: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"{_COUNTS}.{function}", old, new, "counts")


PERIODS = (
    _chart("who was away is new", "_movement", "'re-entry' if known else 'new'", "'new'"),
    _chart("who is new is back", "_movement", "'re-entry' if known else 'new'", "'re-entry'"),
    _chart("up is down", "_movement", "rank < previous_rank", "rank > previous_rank"),
    _chart("who stays goes down", "_movement", "rank > previous_rank", "rank >= previous_rank"),
    _chart("without a document before, all are new", "_chart_row", "None if previous is None else _movement(...)", "_movement(...)"),
    _chart("by without a sign", "_chart_row", "abs(A)", "A"),
    _chart("the worst rank is the peak", "_chart_row", "min(A)", "max(A)"),
    _chart("this period is no part of the peak", "_chart_row", "[rank, *A]", "[*A] or [rank]"),
    _chart("at the peak once", "_chart_row", "A.count(B)", "1"),
    _chart("entered with the last one", "_chart_row", "listed[-1][0]", "listed[0][0]"),
    _chart("compared with the newest that is there", "chart_rows", "ranks.get(before[first])", "ranks.get(max(ranks, default=first))"),
    _chart("a missing document ends no run", "_running", "any(A)", "False"),
    _chart("no run is known to its beginning", "_running", "None if any(A) else B", "None"),
    _chart("runs begin at nothing", "_running", "(1, before[first])", "(0, before[first])"),
    _period("weeks begin on Monday", "period", "(A - self.week_starts) % 7", "A % 7"),
    _period("a week of six days ahead", "period", "(A - self.week_starts) % 7", "(A - self.week_starts) % -7"),
    _period("days begin at midnight in UTC", "_start_ms", "datetime(A, B, C, tzinfo=self.zone)", "datetime(A, B, C, tzinfo=UTC)"),
    _period("a day has 24 hours", "period", "self._start_ms(first + _length(kind))", "self._start_ms(first) + 86_400_000 * _length(kind).days"),
    _period("closed at the end", "closes_ms", "A + self.close_after_ms", "A"),
    _period("made at the close", "makes_ms", "A + LATE_MS + SETTLED_MS", "A"),
    _period("made a moment too early", "latest", "A <= now_ms", "A <= now_ms + 1"),
    _period("made a moment too late", "latest", "A <= now_ms", "A < now_ms"),
    _counts("what comes at the close counts", "_cut", "A.timestamp >= B", "A.timestamp > B"),
    _counts("a moment late", "_cut", "A <= record.timestamp", "A < record.timestamp"),
    _counts("whole chunks count", "_cut", "records[begin:at]", "records[:at]"),
    _counts("the first moment does not count", "_add", "A <= at_ms < B", "A < at_ms < B"),
    _counts("the moment behind the end counts", "_add", "A <= at_ms < B", "A <= at_ms <= B"),
    _counts("late for ever", "_add", "A not in self._reached", "True"),
    _counts("late events count", "_add", "A in self._reached", "False"),
    _counts("weights are left out", "_add", "weight * count", "count"),
    _counts("rules remember nothing", "take", "self._fold(A, self._memory)", "self._fold(A, None)"),
    _counts("the last period's close for all", "finish", "self._reached.get(close, end)", "end"),
    _counts("the log's beginning is never missing", "finish", "self._part.cut and A", "False"),
    _counts("missing for every period", "finish", "self._part.cut and A", "self._part.cut"),
)  # fmt: skip
