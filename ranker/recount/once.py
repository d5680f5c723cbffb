"""What counts once: every event against the earlier ones of its partition, by the definitions that are published.

An event counts as its type, or as `!duplicate`, `!bot`, `!internal` or `!repeat`, looked at in this order.
"""

from __future__ import annotations

from xxhash import xxh3_64_digest

from ranker.recount.definition import Definition
from ranker.recount.events import Event


class Once:
    """What the events so far mean for the next one.

    An earlier event is known by 8 bytes, as the definition has it: XXH3-64 of its fields, the generation as the seed.
    """

    def __init__(self, definition: Definition) -> None:
        self._drops = definition.drops
        self._types = definition.types
        self._per_ms, self._grace_ms = definition.per_ms, definition.grace_ms
        self._max_keys = definition.max_keys
        self._seed = int(definition.generation, 16)
        self.latest_ms = 0
        """The largest event time so far."""
        self.first = 0
        """The first bucket that was not given up."""
        self.live: dict[int, set[bytes]] = {}
        self._keys = 0

    def outcome(self, event: Event) -> str:
        """What an event counts as that is not late; afterwards it is an earlier one."""
        bucket = self._live_bucket(event.occurred_ms) if self._per_ms else None
        names = f"{event.site}\0{event.article}\0{event.event_type}\0"
        has_id = bucket is not None and "duplicate" in self._drops and event.event_id
        if has_id and not self._add(bucket, f"{names}event {event.event_id}"):
            return "!duplicate"
        if event.agent_class in ("bot", "internal") and event.agent_class in self._drops:
            return f"!{event.agent_class}"
        has_reader = bucket is not None and event.reader and event.value == 1 and event.event_type in self._types
        if has_reader and not self._add(bucket, f"{names}reader {event.reader}"):
            return "!repeat"
        return event.event_type

    def passed(self, occurred_ms: int) -> None:
        """After each event that was not rejected, late ones too: what is settled by it is forgotten, or too much."""
        if not self._per_ms:
            return
        if occurred_ms > self.latest_ms:
            self.latest_ms = occurred_ms
            while self.live and self._settles_ms(min(self.live)) < occurred_ms:
                self._forget(min(self.live))
        while self._keys > self._max_keys:
            self.first = min(self.live) + 1
            self._forget(min(self.live))

    def _live_bucket(self, occurred_ms: int) -> int | None:
        """None if no rule looks at events of this time any more."""
        bucket = occurred_ms // self._per_ms
        return None if bucket < self.first or self._settles_ms(bucket) < self.latest_ms else bucket

    def _settles_ms(self, bucket: int) -> int:
        return (bucket + 1) * self._per_ms + self._grace_ms

    def _add(self, bucket: int | None, what: str) -> bool:
        """Whether no earlier event of the bucket has these fields."""
        assert bucket is not None
        keys = self.live.setdefault(bucket, set())
        key = xxh3_64_digest(what.encode(), self._seed)
        if key in keys:
            return False
        keys.add(key)
        self._keys += 1
        return True

    def _forget(self, bucket: int) -> None:
        self._keys -= len(self.live.pop(bucket))
