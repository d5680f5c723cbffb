"""Records in Avro, of drawn schemas, for topics of others: what is read, in every type that might stand there."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from tests.property import odd_values
from tests.property.odd_records import Drawn, Record, Way, sound
from tests.support.registry import framed

_MOMENTS = ("timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "date")
_TIMES = {"timestamp-millis": 1, "timestamp-micros": 1_000, "timestamp-nanos": 1_000_000}
_MS = 1_700_000_000_000


def is_fit(drawn: Drawn) -> bool:
    """Whether Avro can have names such as these."""
    return bool(drawn.ways) and all(
        isinstance(part, int) or part.isidentifier() for way in drawn.ways.values() for part in way
    )


def record(rng: random.Random, drawn: Drawn, number: int) -> tuple[dict[int, tuple[str, ...]], Record]:
    """Schema `number`, and a record of it; some are cut, or have more behind them."""
    drawing = _Drawing(rng, drawn)
    schema, value = drawing.group([(way, name) for name, way in drawn.ways.items()])
    whole = odd_values.altered(rng, framed(number, schema, value), 0.05) + (b"\0" if rng.random() < 0.03 else b"")
    return {number: (json.dumps(schema),)}, Record(whole, b"k", ())


class _Drawing:
    """Types with a value of each."""

    def __init__(self, rng: random.Random, drawn: Drawn) -> None:
        self._rng, self._drawn = rng, drawn
        self._names = 0

    def group(self, items: list[tuple[Way, str]]) -> tuple[Any, Any]:
        rng = self._rng
        groups: dict[str | int, list[tuple[Way, str]]] = {}
        for (first, *rest), name in items:
            groups.setdefault(first, []).append((tuple(rest), name))
        found: dict[str | int, tuple[Any, Any]] = {}
        for part, inner in groups.items():
            type_, value = self._leaf(inner[0][1]) if not inner[0][0] else self.group(inner)
            if rng.random() < 0.4 and type_ != "null":
                branches = type_ if isinstance(type_, list) else [type_]
                type_ = rng.choice((["null", *branches], [*branches, "null"]))
                value = None if rng.random() < 0.2 else value
            found[part] = type_, value
        if isinstance(next(iter(found)), int):
            return self._array(found)
        fields = [{"name": str(part), "type": type_} for part, (type_, _) in found.items()]
        rng.shuffle(fields)
        return self._named("record", fields=fields), {str(part): value for part, (_, value) in found.items()}

    def _array(self, found: dict[str | int, tuple[Any, Any]]) -> tuple[Any, Any]:
        """Of a union of all that stands in it."""
        types: list[Any] = ["null"]
        for type_, _ in found.values():
            types += [one for one in (type_ if isinstance(type_, list) else [type_]) if one not in types]
        last = max(int(part) for part in found)
        places = [
            found[place][1] if place in found else None for place in range(last + self._rng.choice((1, 1, 1, 2, 0)))
        ]
        return {"type": "array", "items": types}, places

    def _leaf(self, name: str) -> tuple[Any, Any]:
        rng = self._rng
        if rng.random() < 0.04:
            odd: tuple[tuple[Any, Any], ...] = (
                ("boolean", True),
                ("bytes", b"x"),
                ("null", None),
                ("double", 1.0),
                ("double", 2.5),
                ({"type": "map", "values": "int"}, {}),
            )
            return rng.choice(odd)
        if name == "occurred_at":
            return self._time()
        text = sound(rng, name, self._drawn)
        value = json.loads(text)
        if name == "article_id" and rng.random() < 0.3:
            value = rng.choice((17, -(2**63), 2**63 - 1, "", "/a b", "/é"))
        if isinstance(value, int):
            return rng.choice(("long", {"type": "long", "logicalType": "timestamp-micros"})), value
        if rng.random() < 0.2 and value.isidentifier():
            return self._named("enum", symbols=[value, "other"]), value
        return "string", value

    def _time(self) -> tuple[Any, Any]:
        rng, unit = self._rng, self._drawn.unit
        logical = rng.choice(_MOMENTS)
        if rng.random() < 0.5:
            type_: Any = {"type": "long", "logicalType": logical}
            return rng.choice((type_, type_, [type_, "double"])), _MS * _TIMES.get(logical, 1) + rng.choice(
                (0, 1, -1, 999)
            )
        if unit == "s":
            return "double", rng.choice((_MS / 1000, 1.7e9, math.nan, math.inf, -1.0))
        if unit == "rfc3339":
            return "string", json.loads(odd_values.time(rng, unit))
        return "long", _MS * (1_000 if unit == "us" else 1)

    def _named(self, type_: str, **more: Any) -> dict[str, Any]:
        self._names += 1
        return {"type": type_, "name": f"N{self._names}", **more}
