"""Pieces of a shard as the store has them, each with the version it was read at, and what the log makes of each.

A piece collects what the records below its own n come to at its own floors; then it compares.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

Count = tuple[str, str, str]
"""(site, outcome, article)."""
SliceId = tuple[int, int]
"""(tier, slice)."""


class At(NamedTuple):
    """The version that a piece was read at: the counts of the records below `n` at or above `floors`."""

    n: int
    floors: tuple[int, ...]


class Difference(NamedTuple):
    """`what` is the place: a list, a slice, …. `site` and `article` are "" if it is about none."""

    what: str
    site: str
    article: str
    redis: str
    log: str


class Entry(NamedTuple):
    """What one record counts as: in the slice (tier, slice) at some floors."""

    place: SliceId
    site: str
    outcome: str
    article: str
    value: int


@dataclass
class Slice:
    """One slice's list of deltas."""

    at: At
    place: SliceId
    deltas: list[bytes]
    name: str
    counts: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    compared: int = 0

    def add(self, entry: Entry) -> None:
        articles = self.counts.setdefault((entry.site, entry.outcome), {})
        articles[entry.article] = articles.get(entry.article, 0) + entry.value

    def differences(self, alive: Any) -> Iterator[Difference]:
        """`alive` returns whether an article's count in this slice has not left it yet."""
        ours: dict[Count, int] = {}
        try:
            for delta in self.deltas:
                for count, number in unpacked(delta):
                    if alive(count[2]):
                        ours[count] = ours.get(count, 0) + number
        except UnreadableError as error:
            numbers = sum(map(len, self.counts.values()))
            yield Difference(self.name, "", "", f"cannot be read: {error}", f"{numbers} counts")
            return
        log = {(*group, article): number for group, some in self.counts.items() for article, number in some.items()}
        self.compared = len(log)
        for (site, outcome, article), mine, theirs in _unequal(ours, log):
            yield Difference(f"{self.name}, {outcome}", site, article, mine, theirs)


@dataclass
class Total:
    """One list: the running totals of a board in a window."""

    at: At
    window: str
    site: str
    board: str
    ours: Mapping[str, int | float]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        return len(self.ours)

    def add(self, article: str, value: int) -> None:
        self.counts[article] = self.counts.get(article, 0) + value

    def differences(self) -> Iterator[Difference]:
        for article, mine, theirs in _unequal(self.ours, self.counts):
            yield Difference(f"list {self.board}/{self.window}", self.site, article, mine, theirs)


@dataclass
class Index:
    """What is read at one moment of the small keys: which slices and sites there are, sums, strays, and meta.

    `strays` is None if they are not read whole, or made for another number of partitions. `last` is the last counted
    record as meta has it: offset, append time and CRC-32.
    """

    at: At
    slices: frozenset[SliceId]
    sites: frozenset[str]
    sums: Mapping[tuple[str, str, str], int]
    strays: frozenset[str] | None
    buckets: frozenset[int]
    latest_ms: int
    first: int
    last: str
    log_sums: dict[tuple[str, str, str], int] = field(default_factory=dict)
    beside: dict[SliceId, dict[Count, int]] = field(default_factory=dict)
    """Counts of slices that the index does not name."""
    foreign: dict[Count, int] = field(default_factory=dict)
    """Counts of articles whose home is another partition."""

    @property
    def compared(self) -> int:
        return len(self.sums) + len(self.slices) + len(self.foreign)

    def add(self, entry: Entry, windows: Iterable[str], *, is_stray: bool) -> None:
        for window in windows:
            key = entry.site, window, entry.outcome
            self.log_sums[key] = self.log_sums.get(key, 0) + entry.value
        count = entry.site, entry.outcome, entry.article
        if entry.place not in self.slices:
            some = self.beside.setdefault(entry.place, {})
            some[count] = some.get(count, 0) + entry.value
        if is_stray:
            self.foreign[count] = self.foreign.get(count, 0) + entry.value

    def differences(self, unknown: frozenset[str]) -> Iterator[Difference]:
        """`unknown` are the windows that the log does not reach back for."""
        for (site, window, outcome), mine, theirs in _unequal(self.sums, self.log_sums):
            if window not in unknown:
                yield Difference(f"sum of {outcome} in {window}", site, "", mine, theirs)
        for (tier, slice_), counts in sorted(self.beside.items()):
            if any(counts.values()):
                yield Difference(f"index of slices, {tier}:{slice_}", "", "", "not named", f"{len(counts)} counts")
        for site in sorted({site for (site, _, _), count in self.log_sums.items() if count} - self.sites):
            yield Difference("index of sites", site, "", "not named", "counted")
        if self.strays is not None:
            needed = {(site, article) for (site, _, article), count in self.foreign.items() if count}
            for site, article in sorted(needed):
                if f"{site}/{article}" not in self.strays:
                    yield Difference("strays", site, article, "not marked", "counted here")


@dataclass
class Bucket:
    """What rules remember of one bucket: keys of 8 bytes."""

    at: At
    bucket: int
    keys: bytes

    @property
    def compared(self) -> int:
        return len(self.keys) // 8

    def differences(self, log: Iterable[bytes]) -> Iterator[Difference]:
        ours = [self.keys[first : first + 8] for first in range(0, len(self.keys), 8)]
        mine, theirs = set(ours), set(log)
        name = f"what rules remember, bucket {self.bucket}"
        if len(ours) != len(mine):
            yield Difference(name, "", "", f"{len(ours) - len(mine)} keys twice", "each once")
        if len(self.keys) % 8:
            yield Difference(name, "", "", f"{len(self.keys)} bytes", "keys of 8 bytes")
        if mine != theirs:
            lost, unknown = len(theirs - mine), len(mine - theirs)
            yield Difference(
                name, "", "", f"{len(mine)} keys, {unknown} unknown to the log", f"{len(theirs)} keys, {lost} lost"
            )


class UnreadableError(Exception):
    """A slice holds bytes that cannot be read."""


def unpacked(delta: bytes) -> Iterator[tuple[Count, int]]:
    """The counts of one delta: a format byte and a msgpack map, in the form that ranker/core/delta.py describes."""
    try:
        body = zlib.decompress(delta[1:]) if delta[:1] in (b"\x01", b"\x02") else delta[1:]
        found = msgspec.msgpack.decode(body)
        if delta[:1] == b"\x02":
            for site, (articles, outcomes) in found.items():
                for outcome, numbers in outcomes.items():
                    for article, number in zip(articles, numbers, strict=True):
                        yield _count(site, outcome, article, number)
        elif delta[:1] in (b"\x00", b"\x01"):
            for site, outcomes in found.items():
                for outcome, articles in outcomes.items():
                    for article, number in articles.items():
                        yield _count(site, outcome, article, number)
        else:
            raise UnreadableError(f"a delta starts with byte {delta[:1]!r}")
    except (zlib.error, msgspec.DecodeError, ValueError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{type(error).__name__}: {error}") from error


def _count(site: Any, outcome: Any, article: Any, number: Any) -> tuple[Count, int]:
    if type(number) is not int or not type(site) is type(outcome) is type(article) is str:
        raise TypeError(f"{number!r} of {article!r} is no count of an article")
    return (site, outcome, article), number


def _unequal(ours: Mapping[Any, int | float], log: Mapping[Any, int]) -> Iterator[tuple[Any, str, str]]:
    """Keys whose numbers differ, 0 for one that is absent."""
    for key in sorted(key for key in ours.keys() | log.keys() if ours.get(key, 0) != log.get(key, 0)):
        yield key, f"{ours.get(key, 0)}", f"{log.get(key, 0)}"
