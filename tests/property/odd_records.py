"""Records of topics of others: what is read lies deep, in lists, in headers and keys, and some are no page views."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.property import odd_values
from tests.property.odd_values import OURS, RAW

Way = tuple[str | int, ...]
_WAYS: tuple[tuple[str, Way], ...] = (
    ("path", ("path",)),
    ("page.path", ("page", "path")),
    ("page.deep.path", ("page", "deep", "path")),
    ("page.deep.id", ("page", "deep", "id")),
    ('page."a.b"', ("page", "a.b")),
    ('"a.b"', ("a.b",)),
    ('by."7"', ("by", "7")),
    ("list.0", ("list", 0)),
    ("list.2", ("list", 2)),
    ("list.1.x", ("list", 1, "x")),
    ("page.list.1", ("page", "list", 1)),
    ("7", ("7",)),
    ("Ünï.with space", ("Ünï", "with space")),
    ("$[0]/'x'", ("$[0]/'x'",)),
    ("n", ("n",)),
    ("t", ("t",)),
    ("page.t", ("page", "t")),
    ("u.v.w", ("u", "v", "w")),
    ("u.v.x", ("u", "v", "x")),
)
_PATTERNS = ("^(/[^?]*)", "([0-9]+)", "/a(.*)", "(x)|y", "(.+)")


class Drawn(NamedTuple):
    """A table, and where each field stands in the value."""

    table: dict[str, Any]
    ways: dict[str, Way]
    unit: str


class Record(NamedTuple):
    """A record's value, key and headers."""

    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def drawn(rng: random.Random) -> Drawn:
    """A ranker.toml with a [source] that settings accept."""
    table = odd_values.table(rng)
    source = table["source"]
    places = rng.sample(_WAYS, len(_WAYS))
    fields: dict[str, Any] = {}
    ways: dict[str, Way] = {}
    read = list(source["fields"])
    if "agent_class" not in read and rng.random() < 0.3:
        read.append("user_agent")
    read += [name for name in ("method", "status") if rng.random() < 0.3]
    for name in read:
        beside = rng.random()
        if beside < 0.12:
            fields[name] = {"header": name.upper()}
        elif beside < 0.16 and {"record": "key"} not in fields.values():
            fields[name] = {"record": "key"}
        elif beside < 0.6 and name == "occurred_at":
            fields[name] = {"record": "timestamp"}
        else:
            path, way = places.pop()
            fields[name], ways[name] = path, way
    source["fields"] = fields
    if {"method", "status"} & set(read) or rng.random() < 0.3:
        source["article_pattern"] = rng.choice(_PATTERNS)
    if "event_type" in read and source["event_types"] and rng.random() < 0.5:
        source["other_types"] = "skip"
    if rng.random() < 0.2:
        source["format"] = "json-schema"
    own = [name for name in ("event_type", "site_id", "article_id", "occurred_at") if name not in source["constants"]]
    ways = {name: (name,) for name in own if name not in fields} | ways
    return Drawn(table, ways, source["time"])


def record(rng: random.Random, drawn: Drawn) -> Record:
    """One of three has what is meant in every field, though not always where."""
    text = sound if rng.random() < 0.4 else _theirs
    items = [(way, text(rng, name, drawn)) for name, way in drawn.ways.items() if rng.random() < 0.98]
    value = _object(rng, items).encode("utf-8", "surrogatepass")
    value = odd_values.altered(rng, value, 0.05)
    if "format" in drawn.table["source"]:
        frame = bytes(5) if rng.random() < 0.95 else rng.choice((b"\1\0\0\0\0", b"", b"\0\0"))
        value = frame + value
    fields = drawn.table["source"]["fields"]
    headers: list[tuple[str, bytes | None]] = [("other", b"x")]
    key = b"k"
    for name, where in fields.items():
        if where == {"record": "key"}:
            key = _raw(rng, text(rng, name, drawn))
        elif isinstance(where, dict) and "header" in where:
            headers += [
                (where["header"], _raw(rng, text(rng, name, drawn)))
                for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 0, 2)))
            ]
    if rng.random() < 0.05:
        headers = [(name, None if rng.random() < 0.5 else value) for name, value in headers]
    return Record(None if rng.random() < 0.02 else value, None if rng.random() < 0.02 else key, tuple(headers))


def _theirs(rng: random.Random, name: str, drawn: Drawn) -> str:
    if rng.random() < 0.02:
        return rng.choice(RAW)
    if name == "method":
        return json.dumps(rng.choice(("GET", "GET", "GET", "POST", "get", "", None)))
    if name == "status":
        return rng.choice(("200", "200", "304", '"200"', "404", '"-"', "0", "200.0", "null"))
    if name == "user_agent":
        return json.dumps(
            rng.choice(
                ("Mozilla/5.0 (X11)", "Googlebot/2.1", "", None, "Mozilla/5.0 " + "x" * 600 + " Googlebot", "CUBOT")
            )
        )
    return odd_values.their_value(rng, name, drawn.unit)


def sound(rng: random.Random, name: str, drawn: Drawn) -> str:
    if name == "occurred_at":
        return {"ms": "1700000000000", "us": "1700000000000000", "s": "1.7e9"}.get(drawn.unit, '"2026-11-30T08:00:00Z"')
    more = {"method": "GET", "status": 200, "user_agent": "curl/8", "article_id": rng.choice(("/a/7?x", "/a", "y"))}
    return json.dumps((OURS | more)[name])


def _raw(rng: random.Random, text: str) -> bytes:
    """A header's text: of JSON's strings what is in them."""
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        loaded = None
    found = (loaded if isinstance(loaded, str) else text).encode("utf-8", "surrogatepass")
    return rng.choice((found,) * 12 + (b" " + found, b"\xff" + found))


def _object(rng: random.Random, items: Iterable[tuple[Way, str]]) -> str:
    """JSON in which each way leads to its text; now and then a name stands twice, is null, or of another kind."""
    groups: dict[str | int, list[tuple[Way, str]]] = {}
    for (first, *rest), text in items:
        groups.setdefault(first, []).append((tuple(rest), text))
    parts: list[tuple[str | int, str]] = []
    for part, inner in groups.items():
        if rng.random() < 0.03:
            parts.append((part, _inner(rng, rng.sample(inner, rng.randint(1, len(inner))))))
        parts.append((part, _inner(rng, inner)))
    if groups and isinstance(next(iter(groups)), int):
        places = dict(parts)
        last = max(int(part) for part in places)
        return (
            "["
            + ",".join(places.get(place, rng.choice(RAW[:20])) for place in range(last + rng.choice((1, 1, 2))))
            + "]"
        )
    if rng.random() < 0.2:
        parts.insert(rng.randint(0, len(parts)), (rng.choice(("zz", "page", "list", *OURS)), rng.choice(RAW)))
    rng.shuffle(parts)
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=rng.random() < 0.5)}:{each}" for name, each in parts) + "}"


def _inner(rng: random.Random, inner: list[tuple[Way, str]]) -> str:
    if not inner[0][0]:
        return inner[0][1]
    if rng.random() < 0.04:
        return rng.choice(("null", "null", "{}", "[]", "[null]", "5", '"x"', "[[]]"))
    return _object(rng, inner)
