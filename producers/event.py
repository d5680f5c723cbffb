"""A page view to be sent: the contract of schemas/page-view.schema.json, version 1."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from typing import Any, Literal

import msgspec
import orjson

from schemas.article_id import ALLOWED, IdRule, NoArticleError, is_article_id, normalized

LATEST_MS = 4_102_444_800_000
"""The contract's last instant: the year 2100."""

FUTURE_MS = 5 * 60_000
"""Events further ahead of the clock become dead letters, so they are refused before they are sent."""

SECONDS_MS = 946_684_800_000
"""The year 2000. Earlier times were meant in seconds: today's seconds, read as milliseconds, are in January 1970."""

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HALF = re.compile(r"[\ud800-\udfff]")


class InvalidEventError(ValueError):
    """An event that is not valid by the contract. The message names the field and what it has to be."""


def is_site_id(text: str) -> bool:
    return _SITE.fullmatch(text) is not None


def other_unit(at: float) -> str:
    """The unit that a time is in if not in milliseconds: `seconds`, `microseconds`, `nanoseconds` or days of sheets.

    "" for milliseconds of the years from 2000 to 31969.
    """
    if 20_000 <= at < 80_000:  # from 1954 to 2119
        return "days, as spreadsheets count them"
    if at < SECONDS_MS:
        return "seconds"
    if at < 1_000 * SECONDS_MS:
        return ""
    return "microseconds" if at < 1_000_000 * SECONDS_MS else "nanoseconds"


def key(site_id: str, article_id: str) -> bytes:
    """The record key that sends every event of an article to one partition."""
    return f"{site_id}/{article_id}".encode()


def encode(event: dict[str, Any]) -> tuple[bytes, bytes]:
    """An event's record as (key, value)."""
    return key(event["site_id"], event["article_id"]), orjson.dumps(event)


def is_valid(event: dict[str, Any]) -> bool:
    """Whether this event is valid by the contract. The schema itself is 200 times slower; a test compares them."""
    return not fault_of(event)


def fault_of(event: dict[str, Any]) -> str:
    """The first fault of this event by the contract, as a sentence; "" if it is valid."""
    get = event.get
    return _fault(
        get("event_id"), get("event_type"), get("site_id"), get("article_id"), get("occurred_at"),
        get("visitor_id"), get("repeat_key"), get("agent_class", "unknown"), get("value", 1), get("producer_id"),
        get("sequence"),
    )  # fmt: skip


def _fault(
    event_id: Any, event_type: Any, site_id: Any, article_id: Any, occurred_at: Any,
    visitor_id: Any, repeat_key: Any, agent_class: Any, value: Any, producer_id: Any, sequence: Any,
) -> str:  # fmt: skip
    """The first fault of an event with these fields, as a sentence; "" if it is valid."""
    if not (isinstance(site_id, str) and is_site_id(site_id)):
        return f"site_id is {_shown(site_id)}; give 1 to 64 of a-z 0-9 . _ -"
    if article_id is None:
        return f"article_id is missing; give {ALLOWED}"
    if not (isinstance(article_id, str) and is_article_id(article_id)):
        return f"article_id is {_shown(article_id)}; give {ALLOWED}"
    if not (isinstance(event_type, str) and _TYPE.fullmatch(event_type)):
        return (
            f"event_type is {_shown(event_type)}; give view, comment, share, or 1 to 32 of a-z 0-9 _ from a letter on"
        )
    if not (_is_int(occurred_at) and 0 <= occurred_at <= LATEST_MS):
        recipe = ": int(t.timestamp() * 1000)" if isinstance(occurred_at, datetime) else ""
        unit = other_unit(occurred_at) if _is_int(occurred_at) and occurred_at > 0 else ""
        looks = f", which looks like {unit}" if unit else ""
        return (
            f"occurred_at is {_shown(occurred_at)}{looks}; "
            f"give milliseconds since 1970, as an int up to the year 2100{recipe}"
        )
    if not (_is_text(event_id) and event_id):
        return f"event_id is {_shown(event_id)}; give 1 to 128 characters, or leave it out for a new one"
    if not (visitor_id is None or _is_text(visitor_id)):
        return f"visitor_id is {_shown(visitor_id)}; give up to 128 characters or None"
    if not (repeat_key is None or _is_text(repeat_key)):
        return f"repeat_key is {_shown(repeat_key)}; give up to 128 characters or None"
    if agent_class not in ("person", "bot", "internal", "unknown"):
        return f"agent_class is {_shown(agent_class)}; give person, bot, internal or unknown"
    if not (_is_int(value) and value != 0 and abs(value) <= 1000):
        return f"value is {_shown(value)}; give an int from 1 to 1000, or from -1 to -1000 to take back what was sent"
    if not (producer_id is None or _is_text(producer_id)):
        return f"producer_id is {_shown(producer_id)}; give up to 128 characters, or leave it to the producer"
    if not (sequence is None or (_is_int(sequence) and sequence >= 0)):
        return f"sequence is {_shown(sequence)}; give an int from 0 on, or leave it to the producer"
    return ""


def _is_text(value: Any) -> bool:
    # Half a surrogate pair is a character in Python, but JSON cannot carry it.
    return isinstance(value, str) and len(value) <= 128 and (value.isascii() or not _HALF.search(value))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_id() -> str:
    return os.urandom(16).hex()


class PageView(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """What a reader did with an article. Valid by the contract; raises InvalidEventError otherwise.

    `occurred_at` is in milliseconds since the epoch, by default now; a Producer refuses seconds, which would be January
    1970 and count nowhere. `event_id` is random by default: give one if you may send the same event again. `value` is
    how many times it happened, negative to take back. The Producer sets `producer_id` and `sequence`. All fields are
    described in schemas/page-view.schema.json. A missing or unknown field is a TypeError, as in any call.
    """

    event_id: str = msgspec.field(default_factory=_new_id)
    # A factory, since a plain default would be left out of the JSON, but the contract requires it.
    event_type: str = msgspec.field(default_factory=lambda: "view")
    site_id: str
    article_id: str
    occurred_at: int = msgspec.field(default_factory=_now_ms)
    visitor_id: str | None = None
    repeat_key: str | None = None
    agent_class: Literal["person", "bot", "internal", "unknown"] = "unknown"
    value: int = 1
    producer_id: str | None = None
    sequence: int | None = None

    def __post_init__(self) -> None:
        fault = _fault(
            self.event_id, self.event_type, self.site_id, self.article_id, self.occurred_at,
            self.visitor_id, self.repeat_key, self.agent_class, self.value, self.producer_id, self.sequence,
        )  # fmt: skip
        if fault:
            raise InvalidEventError(f"Not a page view: {fault}.")


def with_normal_id(view: PageView, rule: IdRule) -> PageView:
    """The event under its article's normal id (schemas/article_id.py); raises InvalidEventError if that is too long."""
    try:
        article_id = normalized(view.article_id, rule)
    except NoArticleError as error:
        raise InvalidEventError(f"Not a page view: article_id is {_shown(view.article_id)}; {error}.") from error
    return view if article_id == view.article_id else msgspec.structs.replace(view, article_id=article_id)


_ENCODER = msgspec.json.Encoder()


def stamped(view: PageView, producer_id: str, sequence: int) -> tuple[bytes, bytes]:
    """An event's record as (key, value), with this producer's id and number instead of its own."""
    if view.producer_id is not None or view.sequence is not None:
        view = msgspec.structs.replace(view, producer_id=None, sequence=None)
    # Appended to the JSON: half the time of a changed copy, which would be validated again.
    end = b',"producer_id":%b,"sequence":%d}' % (_ENCODER.encode(producer_id), sequence)
    return key(view.site_id, view.article_id), _ENCODER.encode(view)[:-1] + end
