"""The naive oracle of what a shard has seen of its producers: sets of sequences, one record after the other.

It imports nothing of the engine. `Bounds` are the engine's own, or smaller ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple


class Bounds(NamedTuple):
    """Sequences of a block, blocks kept, blocks of a head, runs."""

    block: int
    kept: int
    head: int
    runs: int


BOUNDS = Bounds(1_024, 128, 8, 256)
"""The engine's own."""
SILENT_MS, SILENT_FULL_MS = 6_000, 2_000
"""After how long a run may be forgotten in a history: the engine's day and hour."""


@dataclass
class Run:
    """`old` counts what has left the kept blocks, by block; `held` are the sequences still kept."""

    last_ms: int
    first: int = -1
    high: int = -1
    distinct: int = 0
    repeats: int = 0
    old: dict[int, int] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)

    def see(self, sequence: int, bounds: Bounds) -> None:
        block = sequence // bounds.block
        base = self.high // bounds.block - bounds.kept + 1
        if self.high >= 0 and block < base:
            if block >= self.first:
                self.distinct += 1
                self.old[block] = self.old.get(block, 0) + 1
            return
        if sequence in self.held:
            self.repeats += 1
            return
        self.held.add(sequence)
        self.distinct += 1
        self.first = block if self.first < 0 else min(self.first, block)
        self.high = max(self.high, sequence)
        moved = self.high // bounds.block - bounds.kept + 1
        for left in [s for s in self.held if s // bounds.block < moved] if moved > base else ():
            self.held.remove(left)
            self.old[left // bounds.block] = self.old.get(left // bounds.block, 0) + 1

    def told(self, bounds: Bounds) -> dict[str, Any]:
        """All that the engine keeps of it, in plain values."""
        heads = [self.old.get(self.first + at, 0) for at in range(bounds.head)] if self.first > 0 else []
        while heads and not heads[-1]:
            heads.pop()
        return {
            "last_ms": self.last_ms,
            "first": self.first,
            "high": self.high,
            "distinct": self.distinct,
            "repeats": self.repeats,
            "heads": heads,
            "held": frozenset(self.held),
        }


@dataclass
class Heard:
    """A shard's runs and what had no place among them."""

    runs: dict[str, Run] = field(default_factory=dict)
    untracked: int = 0

    def told(self, bounds: Bounds) -> dict[str, dict[str, Any]]:
        return {name: run.told(bounds) for name, run in self.runs.items()}


class Stamp(NamedTuple):
    """What a record says of its producer."""

    offset: int
    append_ms: int
    producer: str
    sequence: int | None


@lru_cache(maxsize=100_000)
def stamp(offset: int, append_ms: int, value: bytes | None) -> Stamp | None:
    """The producer of a record that the contract's types allow, valid or not; None if it names none."""
    try:
        event = json.loads((value or b"").decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(event, dict) or not event.get("producer_id"):
        return None
    typed = (
        1 <= len(event["event_id"]) <= 128
        and all(isinstance(event[name], str) for name in ("event_type", "site_id", "article_id"))
        and isinstance(event["occurred_at"], int)
        and 0 <= event["occurred_at"] <= 4_102_444_800_000
        and isinstance(event.get("value", 1), int)
        and abs(event.get("value", 1)) <= 1_000
        and event.get("agent_class", "unknown") in ("person", "bot", "internal", "unknown")
    )
    return Stamp(offset, append_ms, event["producer_id"], event.get("sequence")) if typed else None


def recount(stamps: Iterable[Stamp], drops: Sequence[tuple[int, frozenset[str]]], bounds: Bounds) -> Heard:
    """What a shard holds after these records; `drops` are (n, runs forgotten at it), in order."""
    heard = Heard()
    waiting = list(drops)

    def drop(n: int | None) -> None:
        while waiting and (n is None or waiting[0][0] <= n):
            for name in waiting.pop(0)[1]:
                heard.runs.pop(name, None)

    for one in stamps:
        drop(one.offset)
        run = heard.runs.get(one.producer)
        if run is None:
            if len(heard.runs) >= bounds.runs:
                heard.untracked += one.sequence is not None
                continue
            run = heard.runs[one.producer] = Run(one.append_ms)
        run.last_ms = one.append_ms
        if one.sequence is not None and one.sequence < 2**53:
            run.see(one.sequence, bounds)
    drop(None)
    return heard
