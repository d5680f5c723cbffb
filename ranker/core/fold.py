"""From raw records to partial counts. Depends on the records and the generation alone: no clock, no earlier records."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from ranker.core.append_time import is_append_time
from ranker.core.event import MAX_VALUE_BYTES, PageView, site_ok, type_ok
from ranker.core.generation import FUTURE_MS, RULE_PREFIX, Generation
from ranker.core.partial_counts import KEPT_BYTES, Articles, Group, Mark, PartialCounts, Rejected, add
from ranker.core.source import Decoder
from schemas.article_id import is_article_id

BOT = f"{RULE_PREFIX}bot"
"""Outcome of a bot's events if the rules drop bots: counted in the sums, weighed by no board."""
TIMESTAMP = "timestamp"
"""Why a record is rejected whose append time is none: it stops its partition (consume/check_chunk.py)."""
_REMEMBERED_IDS = 500_000

_Kind = tuple[int, str, str, str]
"""(slice of the finest grain, site, event type, agent class)."""


class Record(Protocol):
    """The fields of a record that the fold needs; `timestamp` is the append time in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class _OneByOneError(Exception):
    """The fast path met something that requires a check of each record."""


class Fold:
    """Folds records for one generation. Only a cache of ids known to be valid outlives a call."""

    def __init__(self, generation: Generation) -> None:
        self._grain_ms = generation.windows[0].grain_ms
        self._late_grain_ms = generation.longest.grain_ms
        self._late_ms = generation.longest.length_ms
        self._drop_bots = generation.bots == "drop"
        self._only_sites = None if generation.sites is None else frozenset(generation.sites)
        self._decoder = Decoder(generation.source)
        self._valid_ids: set[str] = set()

    def __call__(self, records: Sequence[Record], stamps: tuple[int, int] | None = None) -> PartialCounts:
        """The counts of these records, at least one, in the order of the log.

        `stamps` are the lowest and the highest append time in milliseconds, if the caller knows them.
        """
        if stamps is None:
            every = [record.timestamp for record in records]
            stamps = min(every), max(every)
        last = records[-1]
        partial = PartialCounts(
            records=len(records), first_append_ms=stamps[0], mark=Mark(last.offset, last.timestamp, crc(last))
        )
        try:
            partial.counts = self._fold_fast(records, stamps, partial)
        except (_OneByOneError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            self._one_by_one(records, partial)
        return partial

    def _fold_fast(
        self, records: Sequence[Record], stamps: tuple[int, int], partial: PartialCounts
    ) -> dict[Group, Articles]:
        """The fast path: checks only what records without faults need.

        One decode per record is as fast as one for all: joined with newlines, the values would have to be searched for
        what makes the join ambiguous (two halves of an object in two records, two objects in a third).
        """
        # A value of None raises TypeError, and the slow path finds it.
        values: list[bytes] = [record.value for record in records]  # type: ignore[misc]
        if max(map(len, values)) > MAX_VALUE_BYTES:
            raise _OneByOneError
        events = self._decoder.all(values)
        grain_ms = self._grain_ms
        ones: dict[_Kind, list[str]] = {}
        others: dict[_Kind, Articles] = {}
        begins = ends = 0
        site = event_type = agent_class = ""
        found: list[str] = []
        # Neighbours mostly differ in their article only: what they share is looked up once for all of them, and the
        # articles are counted together, in C (235 ns an event; 317 with a look-up for each).
        for event in events:
            if (
                begins <= event.occurred_at < ends
                and event.event_type == event_type
                and event.site_id == site
                and event.agent_class == agent_class
                and event.value == 1
            ):
                found.append(event.article_id)
                continue
            begins = event.occurred_at - event.occurred_at % grain_ms
            ends = begins + grain_ms
            site, event_type, agent_class = event.site_id, event.event_type, event.agent_class
            kind = begins // grain_ms, site, event_type, agent_class
            found = ones.setdefault(kind, [])
            if event.value == 1:
                found.append(event.article_id)
            elif event.value:
                articles = others.setdefault(kind, {})
                articles[event.article_id] = articles.get(event.article_id, 0) + event.value
            else:
                raise _OneByOneError
        self._check_times(events, {kind[0] for kind in ones}, stamps)
        counts = self._checked(ones, others)
        _note_producers(events, records, stamps, partial)
        return counts

    def _check_times(self, events: Sequence[PageView], slices: Collection[int], stamps: tuple[int, int]) -> None:
        """Raises if any event may be late or future, or has no append time.

        Compares the slices' ends first, since they are fewer.
        """
        append_low, append_high = stamps
        if not (is_append_time(append_low) and is_append_time(append_high)):
            raise _OneByOneError
        latest = append_low + FUTURE_MS
        if (max(slices) + 1) * self._grain_ms > latest and max(event.occurred_at for event in events) > latest:
            raise _OneByOneError
        if self._is_late(min(slices) * self._grain_ms, append_high):
            raise _OneByOneError

    def _checked(self, ones: Mapping[_Kind, list[str]], others: Mapping[_Kind, Articles]) -> dict[Group, Articles]:
        """The counts by outcome, after every distinct name in them was found valid."""
        counts: dict[Group, Articles] = {}
        valid = self._valid_ids
        for kind, found in ones.items():
            slice_, site, event_type, agent_class = kind
            if self._site_fault(site) or not type_ok(event_type):
                raise _OneByOneError
            articles: Articles = dict(Counter(found))
            if kind in others:
                add(articles, others[kind])
            if not valid.issuperset(articles):
                if not all(map(is_article_id, articles.keys() - valid)):
                    raise _OneByOneError
                if len(valid) > _REMEMBERED_IDS:
                    valid.clear()
                valid.update(articles)
            group = slice_, site, self._outcome(event_type, agent_class)
            if group in counts:
                add(counts[group], articles)
            else:
                counts[group] = articles
        return counts

    def _one_by_one(self, records: Sequence[Record], partial: PartialCounts) -> None:
        """The slow path, if any record has a fault: one outcome or one reason for each record."""
        for record in records:
            append_ms = record.timestamp
            if not is_append_time(append_ms):
                self._reject(partial, record, TIMESTAMP)
                continue
            if record.value is not None and len(record.value) > MAX_VALUE_BYTES:
                self._reject(partial, record, "too_large")
                continue
            try:
                event = self._decoder.one(record.value or b"")
            except (msgspec.ValidationError, UnicodeDecodeError):
                self._reject(partial, record, "schema")
                continue
            except (msgspec.DecodeError, RecursionError):  # brackets by the thousand
                self._reject(partial, record, "malformed" if record.value else "empty")
                continue
            if event.producer_id:
                sequences = partial.sequences.setdefault(event.producer_id, [])
                if event.sequence is not None:
                    sequences.append(event.sequence)
                partial.last_seen_ms[event.producer_id] = append_ms
            reason = self._fault(event)
            if reason is not None:
                self._reject(partial, record, reason)
            elif event.occurred_at > append_ms + FUTURE_MS:
                partial.future += 1
                self._reject(partial, record, "future")
            elif self._is_late(event.occurred_at, append_ms):
                partial.late += 1
            else:
                outcome = self._outcome(event.event_type, event.agent_class)
                articles = partial.counts.setdefault((event.occurred_at // self._grain_ms, event.site_id, outcome), {})
                articles[event.article_id] = articles.get(event.article_id, 0) + event.value

    def _is_late(self, occurred_ms: int, append_ms: int) -> bool:
        """Whether its slice in the coarsest tier ended more than the longest window before the append time."""
        return (occurred_ms // self._late_grain_ms + 1) * self._late_grain_ms < append_ms - self._late_ms

    def _outcome(self, event_type: str, agent_class: str) -> str:
        return BOT if self._drop_bots and agent_class == "bot" else event_type

    def _site_fault(self, site: str) -> str | None:
        if not site_ok(site):
            return "site_id"
        return "unknown_site" if self._only_sites is not None and site not in self._only_sites else None

    def _fault(self, event: PageView) -> str | None:
        if fault := self._site_fault(event.site_id):
            return fault
        if not type_ok(event.event_type):
            return "event_type"
        if not is_article_id(event.article_id):
            return "article_id"
        return None if event.value else "value"

    @staticmethod
    def _reject(partial: PartialCounts, record: Record, reason: str) -> None:
        rejected = Rejected(record.offset, record.timestamp, reason, record.key, record.value)
        value_bytes = KEPT_BYTES if reason == "too_large" else MAX_VALUE_BYTES
        partial.rejected.append(rejected.shortened(value_bytes, KEPT_BYTES))


def _note_producers(
    events: Sequence[PageView], records: Sequence[Record], stamps: tuple[int, int], partial: PartialCounts
) -> None:
    """Notes each producer's sequences. In a pass of its own, so that events without a producer_id cost one check."""
    producers = [event.producer_id for event in events]
    first = producers[0]
    if producers.count(first) == len(producers):
        if first:
            sequences = [event.sequence for event in events]
            partial.sequences = {first: _without_none(sequences)}
            partial.last_seen_ms = {first: records[-1].timestamp}
        return
    found: dict[str | None, list[int | None]] = {producer: [] for producer in dict.fromkeys(producers)}
    append = {producer: sequences.append for producer, sequences in found.items()}
    for producer, event in zip(producers, events, strict=True):
        append[producer](event.sequence)
    partial.sequences = {producer: _without_none(sequences) for producer, sequences in found.items() if producer}
    if stamps[0] == stamps[1]:  # as in every batch that the broker stamps
        partial.last_seen_ms = dict.fromkeys(partial.sequences, stamps[0])
    else:
        last = zip(producers, records, strict=True)
        partial.last_seen_ms = {producer: record.timestamp for producer, record in dict(last).items() if producer}


def _without_none(sequences: list[int | None]) -> list[int]:
    if None in sequences:
        return [sequence for sequence in sequences if sequence is not None]
    return sequences  # type: ignore[return-value]  # checked above


def crc(record: Record) -> int:
    """CRC-32 of key and value, as `Mark` keeps it."""
    return zlib.crc32(record.value or b"", zlib.crc32(record.key or b""))


REASONS = (
    "malformed",
    "schema",
    "empty",
    "too_large",
    "unreadable",
    "site_id",
    "unknown_site",
    "event_type",
    "article_id",
    "value",
    "future",
    TIMESTAMP,
)
"""Every reason why a record is rejected; `unreadable` comes from unpacking the batches (log/aiokafka_patch.py)."""
