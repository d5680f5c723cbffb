"""What preset press drops of an access log, and how the first ten places change: `python -m tests.bench.real_log LOG`.

The log goes through replay's own reading (with readers' keys) and the engine's own fold, without servers.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import orjson

from producers.replay.log_readers import LogReaders
from producers.replay.replaying import Rules, outcomes
from producers.replay.sources import source
from ranker.core.fold import Fold
from ranker.core.generation import from_table
from ranker.core.memory import Memory
from ranker.core.rules import DROPPED, memory_rules
from schemas import configuration
from tests.support.raw_records import Given

PATTERN = r"^/((?:blog/(?!tags/)[^/]+|articles|projects|presentations)/[^/]+?)(?:\.html|/)?$"
"""What names an article on the site whose log the report is about."""
PLACES = 10
DAY_MS = 86_400_000


def counts(records: list[Given], preset: str) -> tuple[Counter[str], Counter[str]]:
    """(views by article, events by outcome) with this preset."""
    generation = from_table(configuration.filled({"rules": {"preset": preset}}))
    rules = memory_rules(generation)
    partial = Fold(generation)(records, None if rules is None else Memory(rules))
    views: Counter[str] = Counter()
    by_outcome: Counter[str] = Counter()
    for (_, _, outcome), articles in partial.counts.items():
        by_outcome[outcome] += sum(articles.values())
        if outcome == "view":
            views.update(articles)
    return views, by_outcome


def table(views: Counter[str], before: dict[str, int]) -> list[str]:
    """The first places, with the place that each article has without rules."""
    lines = ["| place | article | views | place without rules |", "|---|---|---|---|"]
    for place, (article, count) in enumerate(_ranked(views)[:PLACES], 1):
        lines.append(f"| {place} | `{article}` | {count} | {before.get(article, '–')} |")
    return lines


def _ranked(views: Counter[str]) -> list[tuple[str, int]]:
    return sorted(views.items(), key=lambda item: (item[1], item[0]), reverse=True)


def main(log: Path, pattern: str = PATTERN) -> None:
    """Prints the report's tables."""
    rules = Rules("demo", pattern, readers=LogReaders(keys=True))
    events = [one for one in outcomes(source(str(log)), rules) if isinstance(one, dict)]
    records = [Given(number, event["occurred_at"] + 1, b"", orjson.dumps(event)) for number, event in enumerate(events)]
    plain, _ = counts(records, "none")
    views, by_outcome = counts(records, "press")
    print(f"{len(events):,} views of {len(plain):,} articles\n")
    print("| what became of them | events | share |\n|---|---|---|")
    for outcome in ("view", *DROPPED):
        print(f"| {outcome} | {by_outcome[outcome]:,} | {by_outcome[outcome] / len(events):.1%} |")
    before = {article: place for place, (article, _) in enumerate(_ranked(plain), 1)}
    kept = {article for article, _ in _ranked(views)[:PLACES]} & set(list(before)[:PLACES])
    print(f"\nOf the first {PLACES} articles {len(kept)} are among the first {PLACES} without rules too.\n")
    print("Without rules:\n")
    print("\n".join(table(plain, before)))
    print("\nWith press:\n")
    print("\n".join(table(views, before)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
