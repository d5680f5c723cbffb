"""Reads the value of a record as an event: the contract of schemas/page-view.schema.json, with plain json."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ranker.recount.definition import LAST_MS, MAX_VALUE_BYTES
from schemas.article_id import DEFAULT, MAX_BYTES, IdRule, NoArticleError, is_article_id, normalized

_SITE = re.compile(r"[a-z0-9._-]{1,64}")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HALF = re.compile("[\ud800-\udfff]")
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
_CLASSES = frozenset(("person", "bot", "internal", "unknown"))
_REQUIRED = ("event_type", "site_id", "article_id", "occurred_at")
_IDS = ("event_id", "site_id", "article_id", "visitor_id", "repeat_key", "producer_id")
_OURS = ("event_id", *_REQUIRED, "visitor_id", "repeat_key", "agent_class", "value", "producer_id", "sequence")


class Event(NamedTuple):
    """An event that the contract allows. `reader` is "" if nothing names the reader."""

    site: str
    article: str
    event_type: str
    occurred_ms: int
    event_id: str
    reader: str
    agent_class: str
    value: int


class Invalid(Exception):  # noqa: N818  # never leaves this module
    """The contract does not allow this."""


class _Twice(dict[str, Any]):
    """An object that names a field twice: the last one holds, and each has to be valid."""

    pairs: list[tuple[str, Any]]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        found = _Twice(found)
        found.pairs = pairs
    return found


def _pairs(found: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return found.pairs if isinstance(found, _Twice) else found.items()


def _no_constant(name: str) -> Any:
    raise Invalid(name)  # NaN and Infinity are no JSON


_HUGE = 10**4300
"""Python reads no longer numbers, and neither does the engine where it reads one."""


def _any_size(digits: str) -> int:
    return int(digits) if len(digits) <= 4300 else -_HUGE if digits[0] == "-" else _HUGE


_scan = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant).raw_decode
_scan_long = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_any_size).raw_decode
_SPACE = " \t\n\r"


def _decoded(text: str, scan: Callable[[str, int], tuple[Any, int]]) -> Any:
    """As JSONDecoder.decode, which is slower, since it looks for blanks around it."""
    if text[:1] != "{":
        text = text.lstrip(_SPACE)
        if text[:1] != "{":
            raise Invalid("no object")
    found, end = scan(text, 0)
    if end != len(text) and text[end:].strip(_SPACE):
        raise Invalid("more than an object")
    return found


def parsed(value: bytes) -> tuple[dict[str, Any], bool]:
    """The object that a value is, and whether all of it is UTF-8: other bytes stand as halves of surrogates.

    A field that is not read may hold such bytes, if they do not break the JSON around it. How deep one may be nested,
    the interpreter decides, here and where it is counted: about 990 brackets less the calls under way. A record at that
    very edge may be an event to one and none to the other. Raises Invalid.
    """
    try:
        text, is_utf8 = value.decode(), True
    except UnicodeDecodeError:
        text, is_utf8 = value.decode("utf-8", "surrogateescape"), False
    try:
        found = _decoded(text, _scan)
    except (ValueError, RecursionError):
        try:
            found = _decoded(text, _scan_long)
        except (ValueError, RecursionError) as error:
            raise Invalid("no JSON") from error
    if "\\ud" in text or "\\uD" in text:
        _refuse_halves(_decoded(value.decode("utf-8", "replace"), _scan_long))
    return found, is_utf8


def _refuse_halves(found: Any) -> None:
    if isinstance(found, str):
        if _HALF.search(found):
            raise Invalid("half a surrogate pair")
    elif isinstance(found, dict):
        for name, value in _pairs(found):
            _refuse_halves(name)
            _refuse_halves(value)
    elif isinstance(found, list):
        for value in found:
            _refuse_halves(value)


class Contract:
    """Reads values of one topic: ours, or one that `source` maps."""

    def __init__(self, sites: frozenset[str] | None, source: Mapping[str, Any] | None = None) -> None:
        self._sites = sites
        self._mapped = None if source is None else _Mapped(source)
        self._names = frozenset(_OURS if source is None else source["fields"].values())
        self._is_kind = lru_cache(maxsize=1 << 16)(self._is_site_and_type)
        self._is_article_id = lru_cache(maxsize=1 << 18)(is_article_id)

    def event(self, value: bytes | None) -> Event | None:
        """None if this is no event that the contract allows."""
        if not value or len(value) > MAX_VALUE_BYTES:
            return None
        try:
            found, is_utf8 = parsed(value)
            if not is_utf8:
                _refuse_halves([text for name, text in _pairs(found) if name in self._names and type(text) is str])
            if isinstance(found, _Twice):
                read = {name: found[name] for name in self._names & found.keys()}
                for name, each in found.pairs:
                    if name in read:
                        self._typed({**read, name: each})
            return self._allowed(self._typed(found))
        except Invalid:
            return None

    def _typed(self, found: Mapping[str, Any]) -> Event:
        """Each field has its type, its length and its range; one that stands twice has them in both places."""
        get = (found if self._mapped is None else self._mapped.ours(found)).get
        event_id, event_type, site, article = get("event_id"), get("event_type"), get("site_id"), get("article_id")
        if type(event_type) is not str or type(site) is not str or type(article) is not str:
            raise Invalid("names")
        if event_id is not None and (type(event_id) is not str or not 1 <= len(event_id) <= 128):
            raise Invalid("event_id")
        if event_id is None and self._mapped is None:
            raise Invalid("event_id")
        occurred_ms, value = get("occurred_at"), get("value", 1)
        if self._mapped is None:
            occurred_ms = _from_ms(occurred_ms)
        if type(occurred_ms) is not int:
            raise Invalid("occurred_at")
        if type(value) is not int or not -1000 <= value <= 1000:
            raise Invalid("value")
        agent_class, sequence = get("agent_class", "unknown"), get("sequence")
        if type(agent_class) is not str or agent_class not in _CLASSES:
            raise Invalid("agent_class")
        if sequence is not None and (type(sequence) is not int or not 0 <= sequence < _HUGE):
            raise Invalid("sequence")
        visitor, key, producer = get("visitor_id"), get("repeat_key"), get("producer_id")
        for text in (visitor, key, producer):
            if text is not None and (type(text) is not str or len(text) > 128):
                raise Invalid("text")
        return Event(site, article, event_type, occurred_ms, event_id or "", key or visitor or "", agent_class, value)

    def _allowed(self, event: Event) -> Event:
        """The event in the normal form, if its names, its time and its value are allowed."""
        if self._mapped is not None:
            event = event._replace(article=self._mapped.normal(event.site, event.article))
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


class _Mapped:
    """A topic of others: its fields by our names, by the table [source] (docs/reference.md)."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._fields: Mapping[str, str] = source["fields"]
        self._constants: Mapping[str, str] = source["constants"]
        self._types: Mapping[str, str] = source["event_types"]
        self._in_ms = _TIMES[source["time"]]
        rules = source.get("ids")
        self._rules = None if rules is None else {site: IdRule(**rule) for site, rule in rules.items()}

    def ours(self, found: Mapping[str, Any]) -> dict[str, Any]:
        event: dict[str, Any] = {name: self._constants[name] for name in _OURS if name in self._constants}
        for name, theirs in self._fields.items():
            if theirs in found:
                event[name] = self._translated(name, found[theirs])
        return event

    def normal(self, site: str, article: str) -> str:
        """Addresses in their normal form if the table has it so; other ids as they are."""
        if self._rules is None:
            return article
        try:
            return normalized(article, self._rules.get(site, DEFAULT))
        except NoArticleError as error:
            raise Invalid("article_id") from error

    def _translated(self, name: str, value: Any) -> Any:
        if name in _IDS and type(value) is int and -(2**63) <= value < 2**63:
            return str(value)
        if name == "event_type" and type(value) is str:
            return self._types.get(value, value)
        return self._in_ms(value) if name == "occurred_at" else value


def _from_ms(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LAST_MS:
        raise Invalid("occurred_at")
    return value


def _from_us(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LAST_MS * 1000:
        raise Invalid("occurred_at")
    return int(value) // 1000


def _from_s(value: Any) -> int:
    if type(value) not in (int, float) or not 0 <= value <= LAST_MS // 1000:
        raise Invalid("occurred_at")
    return int(round(value * 1_000_000) // 1000)


def _from_rfc3339(value: Any) -> int:
    """Fractions are rounded to microseconds, then cut to milliseconds. It may lie outside of what events may."""
    match = _RFC3339.fullmatch(value) if type(value) is str else None
    if match is None:
        raise Invalid("occurred_at")
    *parts, fraction, sign, hours, minutes = match.groups()
    digits = (fraction or "").ljust(7, "0")
    microseconds = int(digits[:6]) + (digits[6] >= "5")
    offset_s = int(f"{sign}1") * (int(hours) * 3600 + int(minutes) * 60) if sign else 0
    try:
        if sign and (int(hours) > 23 or int(minutes) > 59):
            raise Invalid("occurred_at")
        year, month, day, hour, minute, second = map(int, parts)
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError as error:
        raise Invalid("occurred_at") from error
    seconds = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    return ((seconds - offset_s) * 1_000_000 + microseconds) // 1000


_TIMES: dict[str, Callable[[Any], Any]] = {
    "ms": _from_ms,
    "us": _from_us,
    "s": _from_s,
    "rfc3339": _from_rfc3339,
}
