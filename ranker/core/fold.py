"""Raw records to a tally. Reads nothing but the records and the generation: no clock, no memory of earlier records."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import msgspec

from ranker.core.event import PageView, article_ok, site_ok, type_ok
from ranker.core.generation import FUTURE_MS, RULE_PREFIX, Generation
from ranker.core.tally import Mark, Rejected, Tally

BOT = f"{RULE_PREFIX}bot"
"""Outcome of what a bot did, where the rules drop bots: counted in the sums, weighed by no board."""
_REMEMBERED_IDS = 500_000


class Record(Protocol):
    """What the fold needs of a record; `timestamp` is the append time in milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class _OneByOneError(Exception):
    """Something in the stretch needs a look at each record."""


class Fold:
    """Folds stretches of records for one generation. Only a cache of ids known to be valid outlives a call."""

    def __init__(self, generation: Generation) -> None:
        self._grain_ms = generation.windows[0].grain_ms
        self._late_grain_ms = generation.longest.grain_ms
        self._late_ms = generation.longest.length_ms
        self._drop_bots = generation.bots == "drop"
        self._only_sites = None if generation.sites is None else frozenset(generation.sites)
        decoder = msgspec.json.Decoder(PageView)
        self._decode = decoder.decode
        self._decode_lines = decoder.decode_lines
        self._valid_ids: set[str] = set()

    def __call__(self, records: Sequence[Record]) -> Tally:
        """The tally of these records, at least one, in the order of the log."""
        last = records[-1]
        stamps = [record.timestamp for record in records]
        mark = Mark(last.offset, last.timestamp, crc(last))
        tally = Tally(records=len(records), first_append_ms=min(stamps), mark=mark)
        try:
            self._together(records, min(stamps), max(stamps), tally)
        except (_OneByOneError, msgspec.DecodeError, UnicodeDecodeError, TypeError):
            tally.counts.clear()
            self._one_by_one(records, tally)
        return tally

    def _together(self, records: Sequence[Record], append_low: int, append_high: int, tally: Tally) -> None:
        """The fast path: one decode for all, no check that a stretch without faults does not need."""
        joined = b"\n".join([record.value for record in records])  # type: ignore[misc]  # None raises TypeError
        # decode_lines reads a stream of values, not lines: halves of one object in two records and two objects in a
        # third would give the right number of results. `}` newline `{` cannot stand inside a JSON value, so where every
        # join reads so, each record holds whole values, and the number of results says that it holds one each.
        if joined.count(b"}\n{") != len(records) - 1 or joined[:1] != b"{":
            raise _OneByOneError
        events: list[PageView] = self._decode_lines(joined)
        if len(events) != len(records):
            raise _OneByOneError
        times = [event.occurred_at for event in events]
        if max(times) > append_low + FUTURE_MS or self._is_late(min(times), append_high):
            raise _OneByOneError
        counts = tally.counts
        grain_ms, drop_bots = self._grain_ms, self._drop_bots
        for event in events:
            group = (
                event.occurred_at // grain_ms,
                event.site_id,
                BOT if drop_bots and event.agent_class == "bot" else event.event_type,
            )
            articles = counts.get(group)
            if articles is None:
                if not self._names_ok(event):
                    raise _OneByOneError
                articles = counts[group] = {}
            article, value = event.article_id, event.value
            if not value:
                raise _OneByOneError
            articles[article] = articles.get(article, 0) + value
        valid = self._valid_ids
        for articles in counts.values():
            unknown = articles.keys() - valid
            if unknown:
                if not all(map(article_ok, unknown)):
                    raise _OneByOneError
                if len(valid) > _REMEMBERED_IDS:
                    valid.clear()
                valid |= unknown

    def _one_by_one(self, records: Sequence[Record], tally: Tally) -> None:
        """The path of a stretch with a fault in it: one outcome or one reason for each record."""
        for record in records:
            try:
                event = self._decode(record.value or b"")
            except (msgspec.ValidationError, UnicodeDecodeError):
                self._reject(tally, record, "schema")
                continue
            except msgspec.DecodeError:
                self._reject(tally, record, "malformed" if record.value else "empty")
                continue
            reason = self._fault(event)
            if reason is not None:
                self._reject(tally, record, reason)
            elif event.occurred_at > record.timestamp + FUTURE_MS:
                tally.future += 1
                self._reject(tally, record, "future")
            elif self._is_late(event.occurred_at, record.timestamp):
                tally.late += 1
            else:
                outcome = BOT if self._drop_bots and event.agent_class == "bot" else event.event_type
                articles = tally.counts.setdefault((event.occurred_at // self._grain_ms, event.site_id, outcome), {})
                articles[event.article_id] = articles.get(event.article_id, 0) + event.value

    def _is_late(self, occurred_ms: int, append_ms: int) -> bool:
        """Its slice in the coarsest tier ended more than the longest window before the append time."""
        return (occurred_ms // self._late_grain_ms + 1) * self._late_grain_ms < append_ms - self._late_ms

    def _names_ok(self, event: PageView) -> bool:
        if self._only_sites is not None and event.site_id not in self._only_sites:
            return False
        return site_ok(event.site_id) and type_ok(event.event_type)

    def _fault(self, event: PageView) -> str | None:
        if not site_ok(event.site_id):
            return "site_id"
        if self._only_sites is not None and event.site_id not in self._only_sites:
            return "unknown_site"
        if not type_ok(event.event_type):
            return "event_type"
        if not article_ok(event.article_id):
            return "article_id"
        return None if event.value else "value"

    @staticmethod
    def _reject(tally: Tally, record: Record, reason: str) -> None:
        tally.rejected.append(Rejected(record.offset, record.timestamp, reason, record.key, record.value))


def crc(record: Record) -> int:
    """CRC-32 of key and value, as `Mark` keeps it."""
    return zlib.crc32(record.value or b"", zlib.crc32(record.key or b""))


REASONS = ("malformed", "schema", "empty", "site_id", "unknown_site", "event_type", "article_id", "value", "future")
"""Every reason that the fold gives a rejected record."""
