"""The configuration that decides counts: topic, windows, grains, lanes, boards, rules. Its hash is the generation.

Two configurations that could count differently never share a key or a consumer group, because the hash is part of
both. Anything that does not change a count (addresses, refresh intervals, titles of sites) does not belong here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ranker.core import source as sources
from ranker.core.rules import Rules
from ranker.core.source import Source
from schemas import configuration

SCHEMA_VERSION = 2
"""Raised when the fold takes or rejects other records than before. 2: article ids may have the joiners U+200C and
U+200D, and no other characters that show nothing."""

LATEST = "latest"
"""Takes the place of a board's name: the articles just published."""
NO_BOARDS = (LATEST, "from")
"""Names that the API uses for something else in the place of a board's name."""

FUTURE_MS = 5 * 60 * 1000
"""How far an event may lie ahead of its append time before it is `future`. Not configurable, so no part of the hash."""


class Window(msgspec.Struct, frozen=True):
    """A sliding window and the tier of slices that feeds it.

    `length_ms` and `grain_ms` are milliseconds; the grain divides the length and the next longer window's grain.
    """

    name: str
    length_ms: int
    grain_ms: int


class Generation(msgspec.Struct, frozen=True):
    """All that decides counts, as values. Windows are ordered by length, the shortest first; each has a tier."""

    topic: str
    windows: tuple[Window, ...]
    boards: dict[str, dict[str, int]]
    lanes: int = 64
    bots: str = "drop"
    sites: tuple[str, ...] | None = None
    epoch: int = 0
    """Raised by hand if the topic was created again: a new log, so new counts."""
    schema_version: int = SCHEMA_VERSION
    source: Source | msgspec.UnsetType = msgspec.UNSET
    """How the events of a foreign topic are decoded. Unset for a topic of ours: then no part of the canonical form."""
    rules: Rules | msgspec.UnsetType = msgspec.UNSET
    """The rules beside `bots`. Unset if there is none: then no part of the canonical form."""

    @property
    def id(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical()).hexdigest()[:12]

    def canonical(self) -> bytes:
        """The JSON form with sorted keys: equal generations give equal bytes."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def longest(self) -> Window:
        return self.windows[-1]

    @property
    def boards_of(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Outcome to the (board, weight) pairs that it feeds."""
        fed: dict[str, list[tuple[str, int]]] = {}
        for board, weights in self.boards.items():
            for outcome, weight in weights.items():
                fed.setdefault(outcome, []).append((board, weight))
        return {outcome: tuple(pairs) for outcome, pairs in fed.items()}


class ListName(NamedTuple):
    """One list of a generation."""

    site: str
    board: str
    window: str


def faults(generation: Generation) -> list[str]:
    """Every reason why these windows cannot work together, as sentences that name the fix; empty when they can."""
    found = []
    found += [
        f"boards.{name}: the API has this name for something else; choose another"
        for name in NO_BOARDS
        if name in generation.boards
    ]
    finer: Window | None = None
    for window in generation.windows:
        if window.length_ms % window.grain_ms:
            found.append(f"window {window.name}: the grain must divide the length; choose another grain_s")
        if finer is not None and window.grain_ms % finer.grain_ms:
            found.append(f"window {window.name}: its grain must be a multiple of {finer.name}'s grain")
        if finer is not None and window.length_ms <= finer.length_ms:
            found.append(f"window {window.name}: as long as {finer.name}; give every window a length of its own")
        if window.grain_ms >= window.length_ms:
            found.append(f"window {window.name}: the grain must be shorter than the window")
        if finer is not None and window.length_ms - finer.length_ms < finer.grain_ms:
            found.append(f"window {window.name}: must be longer than {finer.name} by {finer.name}'s grain or more")
        finer = window
    if not isinstance(generation.source, msgspec.UnsetType):
        found += sources.faults(generation.source)
        site = generation.source.constants.get("site_id")
        if site is not None and generation.sites is not None and site not in generation.sites:
            found.append(
                f"source.constants.site_id: site {site!r} would be rejected as unknown; add a [sites.{site}] table"
            )
    return found


def decode(stored: bytes) -> Generation:
    """The generation that `canonical` wrote; raises msgspec.ValidationError on anything else."""
    return msgspec.json.decode(stored, type=Generation)


def from_table(table: Mapping[str, Any]) -> Generation:
    """The generation in a validated ranker.toml table (schemas/ranker.schema.json) that has its defaults."""
    tables = table["windows"] | configuration.rising_windows(table)
    windows = tuple(
        sorted(
            (Window(name, w["length_s"] * 1000, w["grain_s"] * 1000) for name, w in tables.items()),
            key=lambda window: window.length_ms,
        )
    )
    rules = table["rules"]
    only = tuple(sorted(table["sites"])) if rules["unknown_sites"] == "reject" else None
    return Generation(
        topic=table["topic"],
        windows=windows,
        boards={name: dict(weights) for name, weights in table["boards"].items()},
        lanes=table["lanes"],
        bots=rules["bots"],
        sites=only,
        epoch=table["epoch"],
        source=Source.from_table(table["source"], configuration.id_rules(table))
        if "source" in table
        else msgspec.UNSET,
        rules=Rules.from_table(rules),
    )
