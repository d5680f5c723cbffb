"""What becomes of a decoded event of a foreign topic: each translation changes it in place.

A translation raises msgspec.ValidationError if the event is not valid.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ranker.core.source import Source
from schemas.article_id import DEFAULT, MAX_BYTES, IdRule, NoArticleError, normalized

Translation = Callable[[Any], None]
Filter = Callable[[Any], str]
"""Returns why an event is no page view, "" if it is one. Raises as a translation if what it looks at is absent."""

_REMEMBERED = 16_384
"""Ids that are kept, of each kind: to look one up takes 0.2 us, to make it 1 to 10."""
_REMEMBERED_AGENTS = 65_536
"""The same of user agents, which are shorter, and take 20 us or more to judge."""
_LONGEST_REMEMBERED = 2 * MAX_BYTES
_LONGEST_SEARCHED = 2_048
"""Characters of an id that a pattern is searched in: one with two stars takes time by the square, of 64,000 22 s."""
_LONGEST_AGENT = 512
"""Characters of a user agent that are looked at."""


def as_text(name: str) -> Translation:
    """Ids that are numbers become their decimal digits: 17 and "17" are one article."""
    id_of = operator.attrgetter(name)

    def translate(event: Any) -> None:
        id_ = id_of(event)
        if type(id_) is int:
            setattr(event, name, str(id_))

    return translate


def filters(source: Source) -> list[Filter]:
    """In the order of `SKIPPED`, except the pattern, which changes the event (`with_pattern`)."""
    found: list[Filter] = []
    if not isinstance(source.methods, msgspec.UnsetType):
        found.append(_one_of("method", source, frozenset(source.methods)))
    if not isinstance(source.statuses, msgspec.UnsetType):
        found.append(_one_of("status", source, frozenset(map(str, source.statuses))))
    if source.other_types == "skip":
        constant = source.constants.get("event_type")
        found.append(_one_of("event_type", source, source.event_types.keys() | ({constant} if constant else set())))
    return found


def _one_of(name: str, source: Source, allowed: frozenset[str] | set[str]) -> Filter:
    value_of, place = operator.attrgetter(name), place_of(name, source)

    def look(event: Any) -> str:
        value = value_of(event)
        if value is None:
            raise msgspec.ValidationError(f"Object missing required field `{place}`")
        return "" if (value if type(value) is str else str(value)) in allowed else name

    return look


def place_of(name: str, source: Source) -> str:
    """Where a field of ours stands, for messages."""
    return source.fields.get(name) or source.beside.get(name, name)


def with_pattern(pattern: str, place: str) -> Filter:
    """Group 1 of what the expression finds in article_id becomes the id. In one that is too long it finds nothing."""
    search = re.compile(pattern).search

    @lru_cache(maxsize=_REMEMBERED)
    def found(article_id: str) -> str:
        match = search(article_id)
        return (match and match[1]) or ""

    def look(event: Any) -> str:
        article_id = event.article_id
        if article_id is None:
            raise msgspec.ValidationError(f"Object missing required field `{place}`")
        if len(article_id) > _LONGEST_SEARCHED:
            return "pattern"
        event.article_id = (found if len(article_id) <= _LONGEST_REMEMBERED else found.__wrapped__)(article_id)
        return "" if event.article_id else "pattern"

    return look


def present(names: Mapping[str, str]) -> Translation:
    """`names` are fields that have to be there, each with its place in the record."""

    def translate(event: Any) -> None:
        for name, place in names.items():
            if getattr(event, name) is None:
                raise msgspec.ValidationError(f"Object missing required field `{place}`")

    return translate


def with_normal_ids(rules: Mapping[str, IdRule]) -> Translation:
    """Article ids that are addresses get their normal form."""

    @lru_cache(maxsize=_REMEMBERED)
    def normal(site_id: str, article_id: str) -> str:
        try:
            return normalized(article_id, rules.get(site_id, DEFAULT))
        except NoArticleError:
            return ""  # no id, so the record is rejected for it

    def translate(event: Any) -> None:
        # Long ones, of which the most are none, are not remembered: they would take memory without end.
        form = normal if len(event.article_id) <= _LONGEST_REMEMBERED else normal.__wrapped__
        event.article_id = form(event.site_id, event.article_id)

    return translate


def with_our_types(types: Mapping[str, str]) -> Translation:
    def translate(event: Any) -> None:
        event.event_type = types.get(event.event_type, event.event_type)

    return translate


def with_agent_class(pattern: str) -> Translation:
    """A user agent that the expression finds something in is a bot's; of another nothing is known."""
    search = re.compile(pattern).search

    @lru_cache(maxsize=_REMEMBERED_AGENTS)
    def is_bot(agent: str) -> bool:
        return search(agent) is not None

    def translate(event: Any) -> None:
        agent = event.user_agent
        if agent and is_bot(agent[:_LONGEST_AGENT]):
            event.agent_class = "bot"

    return translate
