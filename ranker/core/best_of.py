"""The document of a period: a list that was made once, with all that it was made of. Described by best-of.schema.json.

Numbers here are the log's and the catalogue's alone, so two makers give the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, NamedTuple

import msgspec
import rfc8785

from ranker.core import chart
from ranker.core.periods import KINDS, Calendar, Period

TOPIC = "best-of"
NOT_HASHED = ("sha256", "next")
"""Fields that the hash leaves out: itself, and what is added at delivery."""
SAID = ("complete", "lost", "total", "dropped", "rules_paused", "places", "items")
"""Fields of which one must differ, or a correction corrects nothing: what is left is about its making."""
_KEY = re.compile(
    rf"([a-z0-9._-]{{1,64}})/({'|'.join(KINDS)})/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    r"/([a-z][a-z0-9_]{0,31})/([1-9][0-9]{0,5})"
)


class Key(NamedTuple):
    """Names a document, as the key of its record does: `demo/week/2026-11-21/read/1`."""

    site: str
    kind: str
    first: date
    board: str
    revision: int = 1

    def __str__(self) -> str:
        return f"{self.site}/{self.kind}/{self.first}/{self.board}/{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Raises ValueError if it is no key."""
        found = _KEY.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:200]!r} is no key of a document")
        site, kind, first, board, revision = found.groups()
        return cls(site, kind, date.fromisoformat(first), board, int(revision))


class _Period(msgspec.Struct):
    kind: str
    date: str


class _Item(msgspec.Struct):
    article_id: str
    rank: int
    count: int


class _Named(msgspec.Struct):
    site: str
    board: str
    period: _Period
    revision: int
    total: int
    items: list[_Item]


_decode = msgspec.json.Decoder(_Named).decode


def fault(key: bytes | None, value: bytes | None) -> str | None:
    """Why a record of the topic is no document, nor the end of one (without a value); None if it is."""
    try:
        named = Key.parse((key or b"").decode())
        if value is not None:
            found = _decode(value)
            own = f"{found.site}/{found.period.kind}/{found.period.date}/{found.board}/{found.revision}"
            if str(named) != own:
                return f"the key {named} is not the document's own"
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return str(error)
    return None


class Offsets(NamedTuple):
    """Offsets of one partition: [start, end) are counted, [end, late_end) counted as late."""

    partition: int
    start: int
    end: int
    late_end: int


@dataclass(frozen=True, slots=True)
class Row:
    """One place: a count, and what the catalogue knew of the article when the document was made."""

    article_id: str
    count: int
    title: str | None = None
    url: str | None = None
    section: str | None = None
    format: str | None = None
    published_at: str | None = None


@dataclass(frozen=True)
class Source:
    """What documents of one period are made of: the log between `parts`, folded by a generation.

    `lost` are offsets that could not be read; `is_cut`: the log lacked the beginning. `rules_paused` is the time
    up to which fewer rules looked at events, for lack of room.
    """

    topic: str
    generation: str
    rules: Sequence[str]
    parts: Sequence[Offsets]
    articles_end: int
    closed_at: str
    lost: int = 0
    is_cut: bool = False
    rules_paused: str | None = None


@dataclass(frozen=True)
class Counted:
    """What one board counts in a period: `total` of all articles, `late` events, and what each rule dropped."""

    total: int
    late: int
    dropped: Mapping[str, int]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Earlier:
    """The newest documents of other periods of the same site, kind and board, by first day: articles in order, and
    revisions. `moved` are aliases.
    """

    listed: Mapping[date, Sequence[str]] = field(default_factory=dict)
    revisions: Mapping[date, int] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)


def document(
    key: Key,
    calendar: Calendar,
    period: Period,
    source: Source,
    counted: Counted,
    earlier: Earlier,
    revision: Mapping[str, Any] | None = None,
) -> bytes:
    """The canonical JSON (RFC 8785) of one document. `revision` has `replaces`, `why` and `changed` of a later one."""
    listed = {
        day: articles
        for day, articles in earlier.listed.items()
        # weeks that began on another weekday are no weeks of this calendar
        if day < period.first and calendar.period(period.kind, day).first == day
    }
    before = {day: calendar.before(calendar.period(period.kind, day)).first for day in (period.first, *listed)}
    ids = [row.article_id for row in counted.rows]
    chart_rows = chart.chart_rows(ids, period.first, listed, before, earlier.moved)
    previous = before[period.first]
    body: dict[str, Any] = {
        "site": key.site,
        "board": key.board,
        "period": {
            "kind": period.kind,
            "date": str(period.first),
            "from": calendar.local(period.from_ms),
            "to": calendar.local(period.to_ms),
            "zone": calendar.zone_name,
            "hours": period.hours,
        },
        "revision": key.revision,
        **(revision or {}),
        "closed_at": source.closed_at,
        "complete": not (source.lost or source.is_cut),
        "lost": source.lost,
        "late": counted.late,
        "total": counted.total,
        "dropped": dict(counted.dropped),
        "rules_paused": source.rules_paused,
        "places": calendar.places,
        "made_of": {
            "topic": source.topic,
            "generation": source.generation,
            "rules": list(source.rules),
            "articles": source.articles_end,
            "earlier": len(listed),
            "partitions": [
                {"partition": part.partition, "from": part.start, "to": part.end, "late_to": part.late_end}
                for part in source.parts
            ],
        },
        "previous": str(previous) if previous in listed else None,
        "previous_revision": earlier.revisions.get(previous) if previous in listed else None,
        "next": None,
        "items": [
            {"rank": rank, **asdict(row), "share": _share(row.count, counted.total), **_charted(charted)}
            for rank, (row, charted) in enumerate(zip(counted.rows, chart_rows, strict=True), 1)
        ],
    }
    return rfc8785.dumps(body | {"sha256": digest(body)})


def digest(body: Mapping[str, Any]) -> str:
    """The SHA-256 of a document's canonical JSON without the fields that are not hashed."""
    hashed = {name: value for name, value in body.items() if name not in NOT_HASHED}
    return hashlib.sha256(rfc8785.dumps(hashed)).hexdigest()


def changes(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a revision changes: each article of which a field differs, with its place, count and title before and after,
    in the order of places; `fields` are the names of those that differ, if it is in both.
    """
    before = {item["article_id"]: item for item in old}
    after = {item["article_id"]: item for item in new}
    found = []
    for article in dict.fromkeys((*after, *before)):
        one, other = before.get(article), after.get(article)
        if one != other:
            names = sorted(name for name in one if one[name] != other[name]) if one and other else []
            found.append({"article_id": article, "fields": names, "before": _short(one), "after": _short(other)})
    return found


def _short(item: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if item is None else {name: item[name] for name in ("rank", "count", "title")}


def _share(count: int, total: int) -> float | None:
    return round(count / total, 6) if total > 0 else None


def _charted(charted: chart.ChartRow) -> dict[str, Any]:
    return charted._asdict() | {"entered": str(charted.entered)}
