"""From raw records to partial counts, one record at a time: what a record counts as, or why it is rejected.

Depends on the records, the generation and what its rules remember: no clock. This is the definition of what counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from ranker.core.append_time import is_append_time
from ranker.core.decoder import Decoder
from ranker.core.event import MAX_VALUE_BYTES, PageView, site_ok, type_ok
from ranker.core.framed import NO_FRAME, UNKNOWN_SCHEMA, Schemas, UnreadableValueError
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.memory import Memory
from ranker.core.partial_counts import KEPT_BYTES, Mark, PartialCounts, Rejected
from ranker.core.rules import Judge
from ranker.core.sequences import SequenceList
from schemas.article_id import is_article_id

TIMESTAMP = "timestamp"
"""Why a record is rejected whose append time is none: it stops its partition (consume/fold_chunk.py)."""
_REMEMBERED = 500_000
"""Names known to be valid: to check one takes longer than to look it up."""


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
    @property
    def headers(self) -> Collection[tuple[str, bytes | None]]: ...


class Fold:
    """Folds records for one generation. Only names known to be valid outlive a call."""

    def __init__(self, generation: Generation, grain_ms: int | None = None, schemas: Schemas | None = None) -> None:
        """`grain_ms` is that of the counts' slices; None: of the finest window.

        `schemas` has those of framed values when they are folded (log/value_schemas.py); it may grow between calls.
        """
        self._grain_ms = grain_ms or generation.windows[0].grain_ms
        self._late_grain_ms = generation.longest.grain_ms
        self._late_ms = generation.longest.length_ms
        self._judge = Judge(generation)
        self._only_sites = None if generation.sites is None else frozenset(generation.sites)
        self._decoder = Decoder(generation.source, schemas)
        self._headers = frozenset() if isinstance(generation.source, msgspec.UnsetType) else generation.source.headers
        self._valid_kinds: set[tuple[str, str]] = set()
        self._valid_ids: set[str] = set()

    def __call__(self, records: Sequence[Record], memory: Memory | None = None) -> PartialCounts:
        """The counts of these records, at least one, in the order of the log.

        `memory` is what the rules know of earlier records, and knows these ones afterwards. Without it, no rule that
        needs one looks at them.
        """
        last = records[-1]
        partial = PartialCounts(records=len(records), mark=Mark(last.offset, last.timestamp, crc(last)))
        first_append_ms = last.timestamp
        counts, outcome_of = partial.counts, self._judge.outcome
        plain, decode = self._decoder.plain, self._decoder
        for record in records:  # one outcome, or one reason why it is rejected
            append_ms, value = record.timestamp, record.value
            first_append_ms = min(first_append_ms, append_ms)
            if not is_append_time(append_ms):
                self._reject(partial, record, TIMESTAMP)
                continue
            if value is not None and len(value) > MAX_VALUE_BYTES:
                self._reject(partial, record, "too_large")
                continue
            try:
                if plain is not None:
                    event = plain(value or b"")
                else:
                    found = decode(value or b"", record)
                    if isinstance(found, str):
                        partial.skipped[found] = partial.skipped.get(found, 0) + 1
                        continue
                    event = found
            except (msgspec.ValidationError, UnicodeDecodeError):
                self._reject(partial, record, "schema")
                continue
            except (msgspec.DecodeError, RecursionError):  # brackets by the thousand
                self._reject(partial, record, "malformed" if value else "empty")
                continue
            except UnreadableValueError as error:
                self._reject(partial, record, error.reason if value else "empty")
                continue
            site, article, occurred_ms = event.site_id, event.article_id, event.occurred_at
            if event.producer_id:
                _note_producer(partial, event, append_ms)
            if (site, event.event_type) not in self._valid_kinds or article not in self._valid_ids:
                if reason := self._fault(event):
                    self._reject(partial, record, reason)
                    continue
                self._remember_valid(event)
            if not event.value:
                self._reject(partial, record, "value")
                continue
            if occurred_ms > append_ms + FUTURE_MS:
                partial.future += 1
                self._reject(partial, record, "future")
                continue
            if occurred_ms < append_ms - self._late_ms and self._is_late(occurred_ms, append_ms):
                partial.late += 1
            else:
                group = occurred_ms // self._grain_ms, site, outcome_of(event, memory)
                articles = counts.get(group)
                if articles is None:
                    articles = counts[group] = {}
                articles[article] = articles.get(article, 0) + event.value
            if memory is not None:
                memory.passed(occurred_ms)
        partial.first_append_ms = first_append_ms
        if memory is not None:
            partial.memory = memory.take_change()
        return partial

    def _is_late(self, occurred_ms: int, append_ms: int) -> bool:
        """Whether its slice in the coarsest tier ended more than the longest window before the append time."""
        return (occurred_ms // self._late_grain_ms + 1) * self._late_grain_ms < append_ms - self._late_ms

    def _fault(self, event: PageView) -> str | None:
        if not site_ok(event.site_id):
            return "site_id"
        if self._only_sites is not None and event.site_id not in self._only_sites:
            return "unknown_site"
        if not type_ok(event.event_type):
            return "event_type"
        return None if is_article_id(event.article_id) else "article_id"

    def _remember_valid(self, event: PageView) -> None:
        if len(self._valid_kinds) + len(self._valid_ids) >= _REMEMBERED:
            self._valid_kinds.clear()
            self._valid_ids.clear()
        self._valid_kinds.add((event.site_id, event.event_type))
        self._valid_ids.add(event.article_id)

    def _reject(self, partial: PartialCounts, record: Record, reason: str) -> None:
        rejected = Rejected(record.offset, record.timestamp, reason, record.key, record.value)
        if self._headers:
            rejected.headers = tuple(
                (name, value and value[:KEPT_BYTES]) for name, value in record.headers if name in self._headers
            )
        value_bytes = KEPT_BYTES if reason == "too_large" else MAX_VALUE_BYTES
        partial.rejected.append(rejected.shortened(value_bytes, KEPT_BYTES))


def _note_producer(partial: PartialCounts, event: PageView, append_ms: int) -> None:
    assert event.producer_id is not None
    sequences = partial.sequences.get(event.producer_id)
    if sequences is None:
        sequences = partial.sequences[event.producer_id] = SequenceList()
    if event.sequence is not None:
        sequences += (event.sequence,)
    partial.last_seen_ms[event.producer_id] = append_ms


def needs_schema(record: Record) -> bool:
    """Whether its value is read, if it has a schema: it is not if it has no append time, or is too large."""
    return is_append_time(record.timestamp) and len(record.value or b"") <= MAX_VALUE_BYTES


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
    NO_FRAME,
    UNKNOWN_SCHEMA,
)
"""Every reason why a record is rejected; `unreadable` comes from unpacking the batches (log/aiokafka_patch.py)."""
