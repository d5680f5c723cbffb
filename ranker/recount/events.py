"""Reads the value of a record as an event: the contract of schemas/page-view.schema.json, with plain json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ranker.recount.definition import LAST_MS

_HALF = re.compile("[\ud800-\udfff]")
_CLASSES = frozenset(("person", "bot", "internal", "unknown"))


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


class Invalid(Exception):  # noqa: N818  # never leaves this package
    """The contract does not allow this."""


class NoPageView(Exception):  # noqa: N818  # never leaves this package
    """A record of a foreign topic that is none, and no dead letter: `why` says which rule of [source] it fails."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Twice(dict[str, Any]):
    """An object that names a field twice: the last one holds, and each has to be valid."""

    pairs: list[tuple[str, Any]]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        found = Twice(found)
        found.pairs = pairs
    return found


def pairs(found: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Names and values as they stand, those of a name that stands twice both."""
    return found.pairs if isinstance(found, Twice) else found.items()


def no_constant(name: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise Invalid(name)


HUGE = 10**4300
"""Python reads no longer numbers, and neither does the engine where it reads one."""


def any_size(digits: str) -> int:
    """The number, or one that is larger than all that are read."""
    return int(digits) if len(digits) <= 4300 else -HUGE if digits[0] == "-" else HUGE


_scan = json.JSONDecoder(object_pairs_hook=_object, parse_constant=no_constant).raw_decode
_scan_long = json.JSONDecoder(object_pairs_hook=_object, parse_constant=no_constant, parse_int=any_size).raw_decode
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
        refuse_halves(_decoded(value.decode("utf-8", "replace"), _scan_long))
    return found, is_utf8


def refuse_halves(found: Any) -> None:
    """Raises Invalid if a text in it is no UTF-8."""
    if isinstance(found, str):
        if _HALF.search(found):
            raise Invalid("half a surrogate pair")
    elif isinstance(found, dict):
        for name, value in pairs(found):
            refuse_halves(name)
            refuse_halves(value)
    elif isinstance(found, list):
        for value in found:
            refuse_halves(value)


def _is_name(value: Any) -> bool:
    return type(value) is str


def _is_text(value: Any) -> bool:
    return value is None or (type(value) is str and len(value) <= 128)


IS_ALLOWED: Mapping[str, Callable[[Any], bool]] = {
    "event_id": lambda value: type(value) is str and 1 <= len(value) <= 128,
    "event_type": _is_name,
    "site_id": _is_name,
    "article_id": _is_name,
    "occurred_at": lambda value: type(value) is int and 0 <= value <= LAST_MS,
    "visitor_id": _is_text,
    "repeat_key": _is_text,
    "agent_class": lambda value: type(value) is str and value in _CLASSES,
    "value": lambda value: type(value) is int and -1000 <= value <= 1000,
    "producer_id": _is_text,
    "sequence": lambda value: value is None or (type(value) is int and 0 <= value < HUGE),
}
"""Whether a field of a page view may have this value: its type, its length, its range. Names are looked at later."""
