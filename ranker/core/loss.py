"""The report on the producers, from all shards: missing events, repeated events, when each producer was last seen.

A sequence is missing if no shard has seen it although a higher one came long enough before
(consume/jobs/watch_producers.py). If it comes later, it is no longer missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ranker.core import sequence_tracker
from ranker.core.sequence_tracker import Run, SequenceTracker

OTHER = "other"
"""Stands for all names beyond `MAX_NAMES`."""
MAX_NAMES = 100
REPORTED_MS = 86_400_000
"""Reports leave out a run that sent nothing for so long."""


class Producer(msgspec.Struct, frozen=True):
    """All runs of one name. `missing` is None until some of them were judged."""

    name: str
    last_ms: int
    missing: int | None
    repeats: int


class Report(msgspec.Struct, frozen=True):
    """At most 100 names and `other`. `as_of_ms` is the oldest T of the shards: all committed by then is counted."""

    as_of_ms: int
    untracked: int
    producers: list[Producer]

    def silent_ms(self, producer: Producer) -> int:
        """How long a producer has sent nothing; a consumer that is behind does not count as silence."""
        return max(0, self.as_of_ms - producer.last_ms)


def name_of(run: str) -> str:
    """NAME of a producer_id `NAME/RUN`; one without a slash is a name."""
    return run.rpartition("/")[0] or run


def highs(shards: Iterable[SequenceTracker]) -> dict[str, int]:
    """Each run's highest sequence in any shard; runs without sequences are left out."""
    highest: dict[str, int] = {}
    for shard in shards:
        for name, run in shard.runs.items():
            if run.high >= 0:
                highest[name] = max(run.high, highest.get(name, 0))
    return highest


def missing(shards: Sequence[Run], cut: int) -> int | None:
    """How many sequences of a run up to `cut` no shard has seen; None if the shards no longer know.

    A run that was under way when counting began is judged from the ninth block on: its first events may lie below n0 of
    one shard, and above that of another.
    """
    runs = [run for run in shards if run.first >= 0]
    if not runs:
        return None
    first = min(run.first for run in runs)
    low = (first + sequence_tracker.HEAD) * sequence_tracker.BLOCK if first else 0
    if cut < low:
        return 0
    found = 0
    for run in runs:
        upto, before = run.below(cut + 1), run.below(low) if low else 0
        if upto is None or before is None:
            return None
        found += upto - before
    return max(0, cut + 1 - low - found)


def report(shards: Sequence[SequenceTracker], missing_of: Mapping[str, int], as_of_ms: int, untracked: int) -> Report:
    """The runs seen within 24 h, by name; `missing_of` is the number of missing events of a run, if known."""
    names: dict[str, Producer] = {}
    for run in dict.fromkeys(name for shard in shards for name in shard.runs):
        parts = [shard.runs[run] for shard in shards if run in shard.runs]
        last_ms = max(part.last_ms for part in parts)
        if as_of_ms - last_ms > REPORTED_MS:
            continue
        name = name_of(run)
        one = Producer(name, last_ms, missing_of.get(run), sum(part.repeats for part in parts))
        names[name] = _merge_runs(name, names[name], one) if name in names else one
    # a producer that is called `other` is among the others
    ordered = sorted(names.values(), key=lambda one: (one.name == OTHER, one.name))
    listed, rest = ordered[:MAX_NAMES], ordered[MAX_NAMES:]
    if rest:
        others = rest[0]
        for one in rest[1:]:
            others = _merge_runs(OTHER, others, one)
        # the longest silence: alerts are about it
        listed.append(Producer(OTHER, min(one.last_ms for one in rest), others.missing, others.repeats))
    return Report(as_of_ms, untracked, listed)


def _merge_runs(name: str, one: Producer, other: Producer) -> Producer:
    known = [part.missing for part in (one, other) if part.missing is not None]
    return Producer(name, max(one.last_ms, other.last_ms), sum(known) if known else None, one.repeats + other.repeats)
