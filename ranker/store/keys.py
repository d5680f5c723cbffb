"""Every Redis key name, in one place. All keys of a shard share one hash tag, so they share one cluster slot."""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "ranker"
ACTIVE = f"{PREFIX}:active"
GENERATIONS = f"{PREFIX}:generations"


def configuration(generation: str) -> str:
    """The immutable configuration of a generation (string, canonical JSON)."""
    return f"{PREFIX}:generation:{generation}"


def producers_report(generation: str) -> str:
    """The last report on the producers of a generation (string, JSON, expires): for `ranker top`."""
    return f"{PREFIX}:generation:{generation}:producers"


class ShardKeys:
    """The keys of one shard: one per (generation, partition)."""

    def __init__(self, generation: str, partition: int) -> None:
        self._tag = f"{PREFIX}:{{{generation}.{partition}}}"
        self.meta = f"{self._tag}:meta"
        """Hash: version, T, counters."""
        self.slices = f"{self._tag}:slices"
        """Set of live slices, members `tier:slice`."""
        self.sites = f"{self._tag}:sites"
        """Set of the sites that ever had a count in this shard."""
        self.sums = f"{self._tag}:sums"
        """Hash `site:window:outcome` to count."""
        self.strays = f"{self._tag}:strays"
        """Set of `site/article` counted in this shard although their home is another partition."""
        self.buckets = f"{self._tag}:buckets"
        """Set of the live buckets of what rules remember."""
        self.producers = f"{self._tag}:producers"
        """Hash: producer_id to the packed tracking of that run (core/sequence_tracker.py)."""
        self.sequences = f"{self._tag}:sequences"
        """Hash `block:producer_id` to the bitmap of sequences seen."""

    def total(self, window: str, site: str, board: str) -> str:
        """Sorted set: article to running total."""
        return f"{self._tag}:total:{window}:{site}:{board}"

    def slice(self, tier: int, slice_: int) -> str:
        """List of packed deltas of one slice of one tier (tier 0 is the finest)."""
        return f"{self._tag}:slice:{tier}:{slice_}"

    def remembered(self, bucket: int) -> str:
        """List of what rules remember of one bucket: keys of 8 bytes, up to `PIECE_KEYS` in an element."""
        return f"{self._tag}:remembered:{bucket}"


class HistoryKeys:
    """The keys of a generation's rank history; those of one site share a slot."""

    def __init__(self, generation: str) -> None:
        self._generation = generation
        tag = f"{PREFIX}:{{{generation}.history}}"
        self.lists = f"{tag}:lists"
        """Sorted set: every list that has a history (`site:window:board`) to the hour it was last written."""
        self.settled = f"{tag}:settled"
        """String: the last hour of which every list is written."""

    def ranks(self, site: str, window: str, board: str) -> str:
        """Hash: hour to the packed ids in rank order."""
        return f"{PREFIX}:{{{self._generation}.history.{site}}}:{window}:{board}"


class Copy(NamedTuple):
    """A topic that is copied into Redis whole: the name of the copy, and that of the hash that has the values."""

    name: str
    values: str


CATALOGUE = Copy("catalogue", "articles")
BEST_OF = Copy("best-of", "documents")


class CopyKeys:
    """The keys of one partition of a copied topic; copies belong to no generation."""

    def __init__(self, partition: int, copy: Copy = CATALOGUE) -> None:
        tag = f"{PREFIX}:{{{copy.name}.{partition}}}"
        self.meta = f"{tag}:meta"
        """Hash: n (next offset), lineage, mark of the last record; `level` once the topic's end has been reached."""
        self.values = f"{tag}:{copy.values}"
        """Hash: the record's key to its value. Catalogue: JSON, by `site/article`, or that followed by ` #editor` or
        ` #alias`. Best-of: compressed documents."""
        self.changes = f"{tag}:changes"
        """Sorted set: record key to the offset of its last change."""
