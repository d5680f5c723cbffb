"""Records that aim at every boundary of a history's configuration, and producers that stamp them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from ranker.core.home import home
from tests.property.history import ARTICLES, SITES, TYPES, Drawn

_BROKEN: tuple[bytes | None, ...] = (
    None,
    b"",
    b"{",
    b"nonsense",
    b'{"site_id":"p"',
    b',"article_id":"a"}',
    b"{}\n{}",
    b"[]",
    b"null",
    b"\xff\xfe",
)


class Stamps:
    """Producers that stamp events: they skip, send again, jump, start anew, fall silent and come back."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._next = {f"p/{number}": number * rng.choice((0, 7, 40)) for number in range(rng.randint(1, 4))}
        self._working = list(self._next)

    def stamped(self, value: bytes | None) -> bytes | None:
        """An event with its producer's name and number, if it is an event at all."""
        rng = self.rng
        if value is None or not value.startswith(b'{"event_id"') or rng.random() < 0.2:
            return value
        if rng.random() < 0.03:
            self._working = rng.sample(sorted(self._next), rng.randint(1, len(self._next)))
        if rng.random() < 0.03:
            name = f"q/{rng.randrange(8)}"
            self._next.setdefault(name, 0)
            self._working.append(name)
        name = rng.choice(self._working)
        step = rng.choice((1, 1, 1, 1, 1, 1, 2, 3, 0, -1, -4, -30, 25))
        self._next[name] = max(0, self._next[name] + step)
        sequence: int | None = self._next[name]
        if rng.random() < 0.02:
            sequence = rng.choice((None, 2**53, 2**53 - 1, 2**62, 0))
        return value[:-1] + f', "producer_id": "{name}", "sequence": {json.dumps(sequence)}}}'.encode()


def record(
    rng: random.Random,
    drawn: Drawn,
    append_ms: int,
    partitions: int,
    floors_of: Callable[[int], tuple[int, ...] | None],
) -> tuple[int, bytes, bytes | None]:
    """(partition, key, value) of a new record; `floors_of` gives the floors that a partition's shard has now."""
    site, article = rng.choice(SITES), rng.choice(ARTICLES[: drawn.profile.articles])
    key = f"{site}/{article}".encode()
    partition = rng.randrange(partitions) if rng.random() < drawn.miskeyed else home(key, partitions)
    if rng.random() < drawn.broken:
        return partition, key, rng.choice(_BROKEN) if rng.random() < 0.5 else _invalid(rng, site, article, append_ms)
    event: dict[str, Any] = {
        "event_id": f"e{rng.randrange(1 << 30)}",
        "event_type": rng.choice(TYPES),
        "site_id": site,
        "article_id": article,
        "occurred_at": max(0, _occurred(rng, drawn, append_ms, floors_of(partition))),
    }
    if rng.random() < drawn.negative:
        event["value"] = rng.choice((-1, -1, -2, 5, 1000, -1000))
    if rng.random() < 0.1:
        event["agent_class"] = rng.choice(("bot", "person"))
    if rng.random() < 0.1:
        event["unknown"] = [1, {"a": None}]
    return partition, key, json.dumps(event, ensure_ascii=rng.random() < 0.5).encode()


def _occurred(rng: random.Random, drawn: Drawn, append_ms: int, floors: tuple[int, ...] | None) -> int:
    """An event time: mostly now, often at a boundary, to the millisecond."""
    if floors is not None and rng.random() < drawn.profile.leaving:
        floor, (_, _, grain) = rng.choice(list(zip(floors, drawn.rules.windows, strict=True)))
        return (floor // drawn.rules.lanes + rng.choice((-1, 0, 0, 0, 1))) * grain + rng.randrange(grain)
    if rng.random() >= drawn.profile.boundary:
        return append_ms - rng.choice((0, 0, 1, 400, 1_500, 3_000))
    aim = rng.random()
    if aim < 0.15:
        return append_ms + drawn.future_ms + rng.choice((-1, 0, 1, -500))
    name, length, grain = rng.choice(drawn.rules.windows)
    del name
    if aim < 0.65:
        return (
            append_ms
            - length
            + rng.choice((0, -1, 1, grain, -grain, rng.randrange(-grain, grain), -rng.randrange(2 * grain)))
        )
    if aim < 0.9:
        return append_ms - rng.randrange(length + grain)
    boundary = (append_ms - length) // grain * grain  # the end of a slice, exactly at the longest window or not
    return boundary + rng.choice((-1, 0, 1)) - rng.choice((0, grain))


def _invalid(rng: random.Random, site: str, article: str, append_ms: int) -> bytes:
    event: dict[str, Any] = {
        "event_id": "e",
        "event_type": "view",
        "site_id": site,
        "article_id": article,
        "occurred_at": append_ms,
    }
    event.update(
        rng.choice(
            (
                {"event_type": "!bot"},
                {"event_type": "View"},
                {"site_id": "P"},
                {"article_id": ""},
                {"article_id": "a b"},
                {"article_id": "\n"},
                {"value": 0},
                {"value": 1001},
                {"value": "1"},
                {"occurred_at": None},
                {"occurred_at": -1},
                {"event_id": ""},
                {"agent_class": "cat"},
            )
        )
    )
    return json.dumps(event).encode()
