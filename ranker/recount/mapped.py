"""Reads records of a topic of others by the table [source]: where each field stands, and what it means."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ranker.recount.definition import LAST_MS
from ranker.recount.events import (
    HUGE,
    IS_ALLOWED,
    Invalid,
    NoPageView,
    any_size,
    no_constant,
    pairs,
    parsed,
    refuse_halves,
)
from ranker.recount.registered import Registered
from schemas.article_id import DEFAULT, IdRule, NoArticleError, normalized

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)
_PARTS = re.compile(r'"([^"]*)"|([^."]+)')
_REQUIRED = ("event_type", "site_id", "article_id", "occurred_at", "method", "status")
_IDS = ("event_id", "site_id", "article_id", "visitor_id", "repeat_key", "producer_id")
_NULL_IS_NONE = ("event_id", "visitor_id", "repeat_key", "producer_id", "sequence", "user_agent")
_number = json.JSONDecoder(parse_constant=no_constant, parse_int=any_size).decode
_AGENT = 512
_LONGEST_SEARCHED = 2_048


def way(path: str) -> list[str | int]:
    """Names, and places in lists: digits that are not in quotes, behind the first name."""
    found: list[str | int] = []
    for quoted, plain in _PARTS.findall(path):
        found.append(int(plain) if found and re.fullmatch("[0-9]+", plain) else plain or quoted)
    return found


class Mapped:
    """By one table. Every field has its type before any other question is asked of the record."""

    def __init__(self, source: Mapping[str, Any], schemas: Mapping[int, tuple[str, ...]]) -> None:
        self._source = source
        self._constants: Mapping[str, str] = source["constants"]
        self._beside: Mapping[str, str] = source.get("record", {})
        self._format = source.get("format", "json")
        self._filters = [name for name in ("article_pattern", "methods", "statuses", "other_types") if name in source]
        self._tree: dict[str | int, Any] = {}
        for name, path in source["fields"].items():
            node, (*outer, last) = self._tree, way(path)
            for part in outer:
                node = node.setdefault(part, {})
            node[last] = name
        self._read = [*source["fields"], *self._beside]
        self._needed = {name for name in self._read if name in _REQUIRED and name not in self._constants}
        rules = source.get("ids")
        self._rules = None if rules is None else {site: IdRule(**rule) for site, rule in rules.items()}
        self._registered = Registered(
            schemas, way(source["fields"]["occurred_at"]) if "occurred_at" in source["fields"] else None
        )

    def read(
        self, value: bytes, append_ms: int, key: bytes | None, headers: Iterable[tuple[str, bytes | None]]
    ) -> dict[str, Any]:
        """The fields of a page view. Raises Invalid, NoPageView."""
        found: dict[str, Any] = {}
        unit = self._source["time"]
        if self._tree:
            content, is_utf8, said = self._content(value)
            unit = said or unit
            self._walk(self._tree, content, found, is_utf8=is_utf8, unit=unit)
        for name, where in self._beside.items():
            self._read_beside(name, where, found, append_ms, key, headers)
        for name in _IDS:
            if type(found.get(name)) is int:
                found[name] = str(found[name])
        self._look(found)
        missing = self._needed - {name for name, each in found.items() if each is not None}
        if missing:
            raise Invalid(f"without {missing}")
        return self._ours(found, unit)

    def _content(self, value: bytes) -> tuple[Any, bool, str | None]:
        """What is in a value, whether all of it is UTF-8, and in which unit its time is by its schema."""
        if self._format == "json":
            return *parsed(value), None
        if value[:1] != b"\0" or len(value) < 5:
            raise Invalid("no frame")
        if self._format == "json-schema":
            return *parsed(value[5:]), None
        content, unit = self._registered.read(int.from_bytes(value[1:5], "big"), value[5:])
        return content, True, unit

    def _walk(self, node: Any, value: Any, found: dict[str, Any], *, is_utf8: bool, unit: str) -> None:
        """Each occurrence of a name has to be right, and the last one holds, with all that is in it."""
        if isinstance(node, str):
            if not is_utf8 and type(value) is str:
                refuse_halves(value)
            found[node] = self._typed(node, value, unit)
            return
        if value is None and not self._is_needed(node):
            self._forget(node, found)
            return
        is_list = isinstance(next(iter(node)), int)
        if type(value) is not list if is_list else not isinstance(value, dict):
            raise Invalid("of another kind")
        self._forget(node, found)
        seen = set()
        for part, inner in enumerate(value) if is_list else pairs(value):
            if part in node:
                seen.add(part)
                self._walk(node[part], inner, found, is_utf8=is_utf8, unit=unit)
        for part, inner in node.items():
            if part not in seen and self._is_needed(inner):
                raise Invalid(f"without {part}")

    def _is_needed(self, node: Any) -> bool:
        """Whether a record without it is none. With filters that is decided behind them."""
        if isinstance(node, str):
            return node in self._needed and not self._filters
        return any(map(self._is_needed, node.values()))

    def _forget(self, node: Any, found: dict[str, Any]) -> None:
        if isinstance(node, str):
            found.pop(node, None)
        else:
            for inner in node.values():
                self._forget(inner, found)

    def _typed(self, name: str, value: Any, unit: str) -> Any:
        """As it stands, once its type is right: what it means is found later."""
        if value is None and (
            (name in self._needed and self._filters)
            or name in _NULL_IS_NONE
            or (self._format == "avro" and name in self._source["fields"] and name not in self._needed)
        ):
            return None
        if name == "occurred_at":
            is_right = _IS_TIME[unit](value)
        elif name in _IDS and type(value) is int:
            is_right = -(2**63) <= value < 2**63
        elif name == "status":
            is_right = type(value) is str or (type(value) is int and -HUGE < value < HUGE)
        elif name in ("method", "user_agent"):
            is_right = type(value) is str
        else:
            is_right = IS_ALLOWED[name](value)
        if not is_right:
            raise Invalid(name)
        return value

    def _read_beside(
        self,
        name: str,
        where: str,
        found: dict[str, Any],
        append_ms: int,
        key: bytes | None,
        headers: Iterable[tuple[str, bytes | None]],
    ) -> None:
        if where == "timestamp":
            found[name] = append_ms
            return
        raw = key
        if where != "key":
            raw = dict(headers).get(where.removeprefix("header "))
        if raw is None:
            if name in self._needed and not self._filters:
                raise Invalid(f"without {where}")
            return
        try:
            text = raw.decode()
            is_number = name in ("value", "sequence") or (name == "occurred_at" and self._source["time"] != "rfc3339")
            found[name] = self._typed(name, _number(text) if is_number else text, self._source["time"])
        except (ValueError, RecursionError) as error:
            raise Invalid(where) from error

    def _look(self, found: dict[str, Any]) -> None:
        """Raises NoPageView if a filter says so. What it looks at has to be there."""
        source = self._source
        for name, allowed in (
            ("method", source.get("methods")),
            ("status", source.get("statuses")),
            (
                "event_type",
                [*source["event_types"], self._constants.get("event_type")] if "other_types" in source else None,
            ),
        ):
            if allowed is None:
                continue
            value = found.get(name)
            if value is None:
                value = self._constants.get(name)
            if value is None:
                raise Invalid(f"without {name}")
            if str(value) not in map(str, allowed):
                raise NoPageView(name)
        if "article_pattern" in source:
            if found.get("article_id") is None:
                raise Invalid("without article_id")
            is_short = len(found["article_id"]) <= _LONGEST_SEARCHED
            match = re.search(source["article_pattern"], found["article_id"]) if is_short else None
            if match is None or not match[1]:
                raise NoPageView("pattern")
            found["article_id"] = match[1]

    def _ours(self, found: Mapping[str, Any], unit: str) -> dict[str, Any]:
        """What the fields mean in our terms."""
        event = {**self._constants, **{name: value for name, value in found.items() if value is not None}}
        event["event_type"] = self._meant(event["event_type"])
        if self._beside.get("occurred_at") != "timestamp":
            event["occurred_at"] = _IN_MS[unit](event["occurred_at"])
        if self._rules is not None:
            try:
                event["article_id"] = normalized(event["article_id"], self._rules.get(event["site_id"], DEFAULT))
            except NoArticleError as error:
                raise Invalid("article_id") from error
        agent = event.get("user_agent")
        if agent and re.search(self._source["bot_agents"], agent[:_AGENT]):
            event["agent_class"] = "bot"
        return event

    def _meant(self, event_type: str) -> str:
        """A constant that holds for all records is a type of ours already."""
        types: Mapping[str, str] = self._source["event_types"]
        return types.get(event_type, event_type) if "event_type" in self._read else event_type


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


_IS_TIME: dict[str, Callable[[Any], bool]] = {
    "ms": lambda value: type(value) is int and 0 <= value <= LAST_MS,
    "us": lambda value: type(value) is int and 0 <= value <= LAST_MS * 1000,
    "ns": lambda value: type(value) is int and 0 <= value <= LAST_MS * 1_000_000,
    "s": lambda value: _is_number(value) and 0 <= value <= LAST_MS // 1000,
    "rfc3339": lambda value: type(value) is str and _from_rfc3339(value) is not None,
}


def _from_rfc3339(text: str) -> int:
    """Fractions are rounded to microseconds, then cut to milliseconds. It may lie outside of what events may."""
    match = _RFC3339.fullmatch(text)
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


_IN_MS: dict[str, Callable[[Any], int]] = {
    "ms": int,
    "us": lambda value: int(value) // 1000,
    "ns": lambda value: int(value) // 1_000_000,
    "s": lambda value: int(round(value * 1_000_000) // 1000),
    "rfc3339": _from_rfc3339,
}
