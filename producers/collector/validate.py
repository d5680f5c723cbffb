"""Turns the items of a request into page views by the sender's rights, or into faults with their positions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from producers.collector.authorize import Speaker
from producers.event import FUTURE_MS, InvalidEventError, PageView, other_unit
from schemas.article_id import IdRule, NoArticleError, is_address, normalized

MAX_DETAIL = 200

MAX_IGNORED = 10
"""At most so many names of ignored fields are reported."""

_FIELDS = ("article_id", "event_type", "event_id", "agent_class", "value", "occurred_at", "visitor_id", "repeat_key")
_KNOWN = {*_FIELDS, "site_id"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

Reason = Literal["invalid", "not_public", "foreign_site", "future", "late", "new_articles"]


class FaultError(Exception):
    """Why an event is not accepted: a reason of schemas/openapi-collector.yaml, and a sentence."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail if len(detail) <= MAX_DETAIL else detail[: MAX_DETAIL - 1] + "…"

    def at(self, index: int) -> dict[str, Any]:
        """Its form in the response."""
        return {"index": index, "reason": self.reason, "detail": self.detail}


def not_counted(index: int) -> dict[str, Any]:
    """The response's entry of an event that is accepted but not counted."""
    detail = "This address has sent as many of this type for this article as count in an hour."
    return {"index": index, "reason": "client_article_hour", "detail": detail}


@dataclass(frozen=True)
class Arrival:
    """The collector's own data of a request: its time, its client if it has no key, how far lists reach back.

    `client` is the rate-limit key; None for a server with a write key. `repeat_key` makes an article's, for events of
    `repeat_types`; None without a salt.
    """

    now_ms: int
    is_bot: bool
    visitor_id: str | None
    longest_window_ms: int
    client: bytes | None = None
    is_internal: bool = False
    repeat_types: frozenset[str] = frozenset()
    repeat_key: Callable[[str], str] | None = None


def views(items: list[Any], speaker: Speaker, arrival: Arrival) -> Iterator[PageView | FaultError]:
    """Each item's page view, or its fault."""
    for item in items:
        try:
            yield (_keyed if speaker.keyed else _public)(_fields(item, speaker), speaker, arrival)
        except FaultError as fault:
            yield fault
        except InvalidEventError as error:
            yield FaultError("invalid", str(error))


def ignored_fields(items: list[Any]) -> list[str]:
    """Unknown field names in these events, each once and at most MAX_IGNORED: such as `type` for event_type.

    Names with unusual characters or more than 64 of them are left out.
    """
    found: dict[str, None] = {}
    for item in items:
        if isinstance(item, dict) and not _KNOWN.issuperset(item):
            found |= dict.fromkeys(name for name in item if name not in _KNOWN and _NAME.fullmatch(name))
            if len(found) >= MAX_IGNORED:
                break
    return list(found)[:MAX_IGNORED]


def ignored_parameters(items: list[Any], rule: IdRule) -> list[str]:
    """Parameters of these events' addresses that name no article by the rule, such as p of /?p=12 for `path`.

    As `ignored_fields`; of the first 100 of an address. None for a pattern, which may read any of them.
    """
    kind, _, wanted = rule.source.partition(":")
    found: dict[str, None] = {}
    for item in items if rule.source == "path" or kind == "query" else ():
        given = item.get("article_id") if isinstance(item, dict) else None
        if isinstance(given, str) and "?" in given and is_address(given):
            pairs = given.partition("#")[0].partition("?")[2].split("&")[:100]
            names = (pair.partition("=")[0] for pair in pairs)
            found |= dict.fromkeys(name for name in names if name != wanted and _NAME.fullmatch(name))
            if len(found) >= MAX_IGNORED:
                break
    return list(found)[:MAX_IGNORED]


def _fields(item: Any, speaker: Speaker) -> dict[str, Any]:
    """The fields that are used, an address as its article's id.

    Not producer_id and sequence: the collector numbers the events.
    """
    if not isinstance(item, dict):
        raise FaultError("invalid", "An event is an object.")
    if (site_id := item.get("site_id")) is not None and site_id != speaker.site_id:
        raise FaultError(
            "foreign_site", "site_id is not the site of this request; another one needs its own write key."
        )
    fields = {"article_id": None} | {name: item[name] for name in _FIELDS if item.get(name) is not None}
    if isinstance(given := fields["article_id"], str):
        try:
            fields["article_id"] = normalized(given, speaker.site.ids)
        except NoArticleError as error:
            raise FaultError("invalid", f"article_id is an address without an article: {error}.") from None
    return fields


def _public(fields: dict[str, Any], speaker: Speaker, arrival: Arrival) -> PageView:
    for name in ("occurred_at", "visitor_id", "repeat_key"):
        if name in fields:
            raise FaultError("not_public", f"{name} needs the site's write key; the collector says it for pages.")
    given = fields.pop("agent_class", None)
    if given is None:
        given = "bot" if arrival.is_bot else "internal" if arrival.is_internal else "unknown"
    elif given != "bot":
        raise FaultError("not_public", "agent_class other than bot needs the site's write key.")
    view = PageView(
        site_id=speaker.site_id, occurred_at=arrival.now_ms, visitor_id=arrival.visitor_id, agent_class=given, **fields
    )
    if view.value != 1:
        raise FaultError("not_public", "value needs the site's write key; a page's event happens once.")
    if view.event_type not in speaker.site.public_types:
        raise FaultError("not_public", "This event_type needs the site's write key, or a place in its public_types.")
    if arrival.repeat_key is not None and view.event_type in arrival.repeat_types:
        view = msgspec.structs.replace(view, repeat_key=arrival.repeat_key(view.article_id))
    return view


def _keyed(fields: dict[str, Any], speaker: Speaker, arrival: Arrival) -> PageView:
    view = PageView(site_id=speaker.site_id, **({"occurred_at": arrival.now_ms} | fields))
    if view.occurred_at > arrival.now_ms + FUTURE_MS:
        raise FaultError("future", "occurred_at is more than 5 minutes ahead of the collector's clock.")
    if other_unit(view.occurred_at):  # microseconds are beyond the contract
        raise FaultError("late", f"occurred_at is {view.occurred_at}: that looks like seconds; give milliseconds.")
    if view.occurred_at < arrival.now_ms - arrival.longest_window_ms:
        days = arrival.longest_window_ms / 86_400_000
        raise FaultError("late", f"occurred_at is before the longest window of the lists ({days:.3g} days).")
    return view
