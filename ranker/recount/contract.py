"""Reads records as events: the contract of schemas/page-view.schema.json, for our topic and mapped ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ranker.recount.definition import LAST_MS, MAX_VALUE_BYTES
from ranker.recount.events import IS_ALLOWED, Event, Invalid, NoPageView, pairs, parsed, refuse_halves
from ranker.recount.mapped import Mapped
from schemas.article_id import MAX_BYTES, is_article_id

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_REQUIRED = frozenset(("event_id", "event_type", "site_id", "article_id", "occurred_at"))


class Contract:
    """Reads records of one topic: ours, or one that `source` maps.

    `schemas` has the texts of registered schemas by their number, those that a schema refers to before its own; they
    are there before a record is read that needs them.
    """

    def __init__(
        self,
        sites: frozenset[str] | None,
        source: Mapping[str, Any] | None = None,
        schemas: Mapping[int, tuple[str, ...]] | None = None,
    ) -> None:
        self._sites = sites
        self._mapped = None if source is None else Mapped(source, {} if schemas is None else schemas)
        self._is_kind = lru_cache(maxsize=1 << 16)(self._is_site_and_type)
        self._is_article_id = lru_cache(maxsize=1 << 18)(is_article_id)

    def event(
        self,
        value: bytes | None,
        append_ms: int = 0,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> Event | str | None:
        """None if this is no event that the contract allows; why, if [source] says that it is no page view."""
        if value is not None and len(value) > MAX_VALUE_BYTES:
            return None
        try:
            if self._mapped is None:
                return self._allowed(_made(_read(value or b"")))
            return self._allowed(_made(self._mapped.read(value or b"", append_ms, key, headers)))
        except NoPageView as no:
            return no.why
        except Invalid:
            return None

    def _allowed(self, event: Event) -> Event:
        """The event, if its names, its time and its value are allowed."""
        if not 0 <= event.occurred_ms <= LAST_MS:
            raise Invalid("occurred_at")
        if not event.value:
            raise Invalid("value")
        if len(event.site) > 64 or len(event.event_type) > 32 or not self._is_kind(event.site, event.event_type):
            raise Invalid("site or type")
        if len(event.article) > MAX_BYTES or not self._is_article_id(event.article):
            raise Invalid("article_id")
        return event

    def _is_site_and_type(self, site: str, event_type: str) -> bool:
        is_known = self._sites is None or site in self._sites
        return is_known and bool(_SITE.fullmatch(site) and _TYPE.fullmatch(event_type))


def _read(value: bytes) -> dict[str, Any]:
    """The fields of a record of ours, each of its type; one that stands twice has to be right in both places."""
    found, is_utf8 = parsed(value)
    for name, each in pairs(found):
        is_allowed = IS_ALLOWED.get(name)
        if is_allowed is None:
            continue
        if not is_allowed(each):
            raise Invalid(name)
        if not is_utf8:
            refuse_halves(each)
    if not found.keys() >= _REQUIRED:
        raise Invalid("a field is missing")
    return found


def _made(found: Mapping[str, Any]) -> Event:
    get = found.get
    key, visitor = get("repeat_key"), get("visitor_id")
    return Event(
        found["site_id"],
        found["article_id"],
        found["event_type"],
        found["occurred_at"],
        get("event_id") or "",
        key or visitor or "",
        get("agent_class", "unknown"),
        get("value", 1),
    )
