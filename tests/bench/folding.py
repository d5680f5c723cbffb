"""CPU of decoding and counting a record, by what [source] has to do for it: in this process, without servers."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import schemas
from ranker.core.fold import Fold
from ranker.core.generation import Generation, from_table
from schemas import configuration
from tests.bench.figures import Part
from tests.bench.traffic import Backlog
from tests.support.raw_records import Given
from tests.support.registry import framed

RECORDS, CHUNK = 100_000, 1_666
_NOW_MS = 1_796_027_400_000
_MOMENT = {"type": "long", "logicalType": "timestamp-millis"}
HIT = {
    "type": "record",
    "name": "Hit",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "action", "type": {"type": "enum", "name": "Action", "symbols": ["view", "share", "comment"]}},
        {"name": "page", "type": {"type": "record", "name": "Page", "fields": [{"name": "path", "type": "string"}]}},
        {"name": "ts", "type": _MOMENT},
        {"name": "client", "type": ["null", "string"]},
    ],
}
FLAT = {"event_type": "action", "article_id": "path", "occurred_at": "ts", "agent_class": "client"}
NESTED = {**FLAT, "article_id": "page.path", "agent_class": "client.class"}
_LOG = {"constants": {"site_id": "demo"}, "article_pattern": "^/news/([^?]+)"}

Event = tuple[int, str, str, int]
"""Number, event type, article, time in milliseconds."""


@dataclass(frozen=True)
class Way:
    """A [source] table (None: a topic of ours), and what a record of such a topic is."""

    label: str
    table: dict[str, Any] | None
    record: Callable[[Event], Given]


def _json(made: Callable[[Event], dict[str, Any]], frame: bytes = b"") -> Callable[[Event], Given]:
    return lambda event: Given(
        event[0], event[3] + 1, None, frame + json.dumps(made(event), separators=(",", ":")).encode()
    )


def _ours(event: Event) -> dict[str, Any]:
    number, kind, article, at_ms = event
    named = {"event_id": f"{number:060d}", "event_type": kind, "site_id": "demo", "article_id": article}
    return {**named, "occurred_at": at_ms, "agent_class": "person"}


def _flat(event: Event) -> dict[str, Any]:
    number, kind, article, at_ms = event
    return {"id": f"{number:070d}", "action": kind, "blog": "demo", "path": article, "ts": at_ms, "client": "person"}


def _nested(event: Event) -> dict[str, Any]:
    number, kind, article, at_ms = event
    page = {"path": article, "title": "x" * 40}
    return {"id": f"{number:010d}", "action": kind, "page": page, "ts": at_ms, "client": {"class": "person"}}


def _beside(event: Event) -> Given:
    _, kind, article, at_ms = event
    headers = (("trace", b"x" * 16), ("type", kind.encode()))
    return Given(event[0], at_ms + 1, article.encode(), b"x" * 120, headers)


def _avro(event: Event) -> Given:
    number, kind, article, at_ms = event
    hit = {"id": f"{number:070d}", "action": kind, "page": {"path": article}, "ts": at_ms, "client": "person"}
    return Given(number, at_ms + 1, None, framed(7, HIT, hit))


def _log(preset: str, is_article: bool) -> Callable[[Event], Given]:
    """A line of an access log as its example has it, with the time and the article of the event."""
    example = json.loads(schemas.source_example(preset))

    def made(event: Event) -> dict[str, Any]:
        request = {**example["request"], "uri": f"/{'news' if is_article else 'assets'}/{event[2]}?x=1"}
        return {**example, "ts": event[3] / 1000, "request": request}

    return _json(made)


_CONSTANTS = {"constants": {"site_id": "demo"}}
_BESIDE = {"article_id": {"record": "key"}, "event_type": {"header": "type"}, "occurred_at": {"record": "timestamp"}}
WAYS = (
    Way("ours", None, _json(_ours)),
    Way("names at the top", {"fields": FLAT, **_CONSTANTS}, _json(_flat)),
    Way("paths", {"fields": NESTED, **_CONSTANTS}, _json(_nested)),
    Way("key, header, timestamp; no value read", {"fields": _BESIDE, **_CONSTANTS}, _beside),
    Way("JSON in a frame", {"format": "json-schema", "fields": FLAT, **_CONSTANTS}, _json(_flat, b"\0\0\0\0\7")),
    Way("Avro", {"format": "avro", "fields": {**FLAT, "article_id": "page.path"}, **_CONSTANTS}, _avro),
    Way("Caddy's log, an article", {"preset": "caddy", **_LOG}, _log("caddy", is_article=True)),
    Way("Caddy's log, passed over", {"preset": "caddy", **_LOG}, _log("caddy", is_article=False)),
)


def generation(way: Way) -> Generation:
    return from_table(configuration.filled({} if way.table is None else {"source": way.table}))


def figures(part: Part, repeats: int) -> None:
    """Medians of `repeats` runs, the ways taking turns."""
    backlog = Backlog(RECORDS, 1, _NOW_MS)
    events = [event for some in backlog.drawn() for event in some]
    records = {way.label: [way.record(event) for event in events] for way in WAYS}
    runs: dict[str, list[float]] = {way.label: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way.label].append(_once(way, records[way.label]))
    for way in WAYS:
        cost = statistics.median(runs[way.label])
        size = statistics.mean(len(one.value or b"") for one in records[way.label])
        part.add(
            f"fold, {way.label}",
            cost,
            "us / record",
            beside=f"{size:.0f} bytes, {cost / statistics.median(runs[WAYS[0].label]):.2f} times ours",
        )


def _once(way: Way, records: Sequence[Given]) -> float:
    """Microseconds of CPU for each record."""
    fold = Fold(generation(way), schemas={7: (json.dumps(HIT),)})
    begun = time.process_time()
    for first in range(0, len(records), CHUNK):
        partial = fold(records[first : first + CHUNK])
        assert not partial.rejected
    return (time.process_time() - begun) * 1e6 / len(records)
