"""Raw records as the log has them, and their fold."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ranker.core.fold import Fold
from ranker.core.generation import Generation
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

MINUTE_MS, HOUR_MS, WEEK_MS = 60_000, 3_600_000, 604_800_000
NOW_MS = 480_000 * HOUR_MS + 1_234
"""An append time a little after the start of an hour."""


class Given(NamedTuple):
    """A record; `timestamp` is the append time."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def generation(**changes: Any) -> Generation:
    return Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, **changes)


def event(**changes: Any) -> bytes:
    fields = {
        "event_id": "e1",
        "event_type": "view",
        "site_id": "demo",
        "article_id": "a",
        "occurred_at": NOW_MS,
        **changes,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def records(*values: bytes | None, append_ms: int = NOW_MS) -> list[Given]:
    return [Given(offset, append_ms, b"demo/a", value) for offset, value in enumerate(values)]


def fold(*values: bytes | None, append_ms: int = NOW_MS, **changes: Any) -> Any:
    return Fold(generation(**changes))(records(*values, append_ms=append_ms))


def counted(partial: Any) -> int:
    return sum(sum(articles.values()) for articles in partial.counts.values())
