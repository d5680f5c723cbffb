"""A page view as the contract has it (schemas/page-view.schema.json, version 1), on its way out."""

from __future__ import annotations

import re
from typing import Any

import orjson

LONGEST_WINDOW_MS = 7 * 86_400_000
"""What is older than the longest default window shows in no list."""

LATEST_MS = 4_102_444_800_000
"""The contract's last instant: the year 2100."""

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")


def is_site_id(text: str) -> bool:
    return _SITE.fullmatch(text) is not None


def is_article_id(text: str) -> bool:
    """1 to 512 bytes of UTF-8, printable, without spaces."""
    # The length in characters first: it spares the encoding of what cannot fit.
    return 0 < len(text) <= 512 and text.isprintable() and " " not in text and len(text.encode()) <= 512


def key(site_id: str, article_id: str) -> bytes:
    """The record key that sends every event of an article to one partition."""
    return f"{site_id}/{article_id}".encode()


def encode(event: dict[str, Any]) -> tuple[bytes, bytes]:
    """An event's record as (key, value)."""
    return key(event["site_id"], event["article_id"]), orjson.dumps(event)


def is_valid(event: dict[str, Any]) -> bool:
    """Whether the contract takes this event. The schema says the same 200 times more slowly; a test compares them."""
    value = event.get("value", 1)
    sequence = event.get("sequence", 0)
    return (
        _is_text(event.get("event_id"))
        and isinstance(event.get("event_type"), str)
        and _TYPE.fullmatch(event["event_type"]) is not None
        and isinstance(event.get("site_id"), str)
        and is_site_id(event["site_id"])
        and isinstance(event.get("article_id"), str)
        and is_article_id(event["article_id"])
        and _is_int(event.get("occurred_at"))
        and 0 <= event["occurred_at"] <= LATEST_MS
        and _is_text_or_none(event.get("visitor_id"))
        and event.get("agent_class", "unknown") in ("person", "bot", "unknown")
        and _is_int(value)
        and value != 0
        and abs(value) <= 1000
        and _is_text_or_none(event.get("producer_id"))
        and (sequence is None or (_is_int(sequence) and sequence >= 0))
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 128


def _is_text_or_none(value: Any) -> bool:
    return value is None or value == "" or _is_text(value)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
