"""What rules look at: events sent again, readers, backfilled stretches, and times at every edge of a bucket."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from typing import Any

from tests.property.history import Drawn


class Senders:
    """Alters the events of a history that has rules; `rng` is its own, so that the others stay what they are."""

    def __init__(self, rng: random.Random, drawn: Drawn) -> None:
        self.rng = rng
        self._once, self._future_ms = drawn.rules.once, drawn.future_ms
        self._recent: dict[int, deque[dict[str, Any]]] = {}
        self._latest_ms: dict[int, int] = {}
        self._backfill: dict[int, Iterator[int]] = {}

    def altered(self, number: int, append_ms: int, value: bytes | None) -> bytes | None:
        """The value that partition `number` gets instead, if it is an event at all."""
        if self._once.quiet or value is None or not value.startswith(b'{"event_id"'):
            return value
        rng, recent = self.rng, self._recent.setdefault(number, deque(maxlen=24))
        event = json.loads(value)
        if len(event["event_id"]) < 2:
            return value  # it is invalid
        if recent and rng.random() < 0.35:
            event = dict(rng.choice(recent))
            if rng.random() < 0.5:
                event["event_id"] = f"again{rng.randrange(1 << 30)}"
        elif (at_ms := self._time(number, append_ms)) is not None:
            event["occurred_at"] = max(0, at_ms)
        if rng.random() < 0.5:
            event[rng.choice(("repeat_key", "repeat_key", "visitor_id"))] = rng.choice(("u", "v", "v", "", None))
        if rng.random() < 0.2:
            event["agent_class"] = rng.choice(("internal", "bot", "person", "unknown"))
        if rng.random() < 0.05:
            event["value"] = rng.choice((1, 2, -1))
        recent.append(event)
        if event["occurred_at"] <= append_ms + self._future_ms:
            self._latest_ms[number] = max(event["occurred_at"], self._latest_ms.get(number, 0))
        return json.dumps(event).encode()

    def _time(self, number: int, append_ms: int) -> int | None:
        """Another event time, or None."""
        rng, per_ms, grace_ms = self.rng, self._once.per_ms or 1_000, self._once.grace_ms
        if number in self._backfill:
            at_ms = next(self._backfill[number], None)
            if at_ms is not None:
                return at_ms
            del self._backfill[number]
        what = rng.random()
        if what < 0.04:
            times = [append_ms - rng.randrange(40_000) for _ in range(rng.randrange(4, 24))]
            if rng.random() < 0.6:
                times.sort()
            self._backfill[number] = iter(times)
        elif what < 0.3:
            bucket = self._latest_ms.get(number, append_ms) // per_ms - rng.choice((0, 0, 1, 1, 2, 3))
            at_ms = bucket * per_ms + rng.choice((-1, 0, 0, 1, per_ms // 2))
            return at_ms if rng.random() < 0.7 else at_ms + grace_ms
        return None
