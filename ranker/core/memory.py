"""What rules remember of earlier events: the keys of each live bucket, a function of the log like the counts.

A record is *settled* if its bucket's end and the grace lie before `latest_ms`, the largest event time of the records
before it, or if its bucket was given up because more than `max_keys` keys were live (the oldest bucket goes first).
Nothing looks at a settled record, and nothing remembers it. What is forgotten is decided after each record: at the end
of a step it would depend on where steps end. What was folded and is not in the store yet is *pending*.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ranker.core.key_set import KEY_BYTES, KeySet, keys_of
from ranker.core.rules import Rules

_NEVER_MS = 1 << 62
_KEYS_OF_RECORD = 2
"""One of the event and one of its reader, at most."""


@dataclass(slots=True)
class MemoryChange:
    """What a stretch of records changed: new keys by bucket, buckets that are gone, and where it left the rest.

    `keys` are `KEY_BYTES` each, one behind the other, in the order in which they came up. `first` is the first bucket
    that was not given up. `given_up` is the number of buckets that this stretch gave up, `settled` the number of its
    records that no rule with a memory looked at.
    """

    latest_ms: int = 0
    first: int = 0
    keys: dict[int, bytearray] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    given_up: int = 0
    settled: int = 0

    def add(self, later: MemoryChange) -> None:
        """Adds a later stretch; `later` must not be used afterwards."""
        for bucket, keys in later.keys.items():
            self.keys.setdefault(bucket, bytearray()).extend(keys)
        for bucket in later.gone:
            self.keys.pop(bucket, None)
        self.latest_ms, self.first = later.latest_ms, later.first
        self.gone += later.gone
        self.given_up += later.given_up
        self.settled += later.settled

    @property
    def size(self) -> int:
        """How many keys it adds."""
        return sum(map(len, self.keys.values())) // KEY_BYTES


class Memory:
    """The memory of one shard in the process. `at` is the (lineage, n) of what the store has of it."""

    def __init__(self, rules: Rules, at: tuple[str, int] | None = None, latest_ms: int = 0, first: int = 0) -> None:
        self.at = at
        self._per_ms, self._grace_ms, self._most = rules.per_ms, rules.grace_ms, rules.max_keys
        self._stored = self._latest_ms, self._first = latest_ms, first
        self._live: dict[int, KeySet] = {}
        self._forgotten: dict[int, KeySet] = {}
        """Buckets that are gone by what is pending."""
        self._pending: dict[int, list[bytes]] = {}
        self._change = MemoryChange()
        self._sent: tuple[MemoryChange | None, tuple[str, int]] | None = None
        self._next_settles_ms = _NEVER_MS
        """When the oldest live bucket is settled."""
        self._unchecked = 0
        """So many records cannot exceed the bound."""
        self._last: tuple[int, int, KeySet | None] = _NEVER_MS, 0, None
        """The live bucket of the last record: its begin, its end, its keys. Most records follow one of their bucket."""

    def expect(self, bucket: int, keys: int) -> None:
        """Makes a live bucket that will have about so many keys."""
        self._live[bucket] = KeySet(keys)
        self._find_next()

    def hold(self, bucket: int, keys: bytes) -> None:
        """Takes over keys of one live bucket, one behind the other, from the store, which has each of them once."""
        self._begin(bucket).take(keys_of(keys))
        self._unchecked = 0

    def keys_at(self, occurred_ms: int) -> KeySet | None:
        """The live keys of this event time, to which rules add; None if it is settled."""
        begins, ends, keys = self._last
        if begins <= occurred_ms < ends:
            return keys
        bucket = occurred_ms // self._per_ms
        if bucket < self._first or self._settles_ms(bucket) < self._latest_ms:
            self._change.settled += 1
            return None
        keys = self._live.get(bucket) or self._begin(bucket)
        self._last = bucket * self._per_ms, (bucket + 1) * self._per_ms, keys
        return keys

    def passed(self, occurred_ms: int) -> None:
        """After each record that was not rejected: forgets what is settled by it, or too much."""
        if occurred_ms > self._latest_ms:
            self._latest_ms = occurred_ms
            while self._next_settles_ms < occurred_ms:
                self._forget(min(self._live))
        self._unchecked -= 1
        if self._unchecked < 0:
            while self.size > self._most:
                oldest = min(self._live)
                self._change.given_up += bool(self._live[oldest])  # one without keys is no part of the state
                self._forget(oldest)
                self._first = oldest + 1
            self._unchecked = (self._most - self.size) // _KEYS_OF_RECORD

    def take_change(self) -> MemoryChange:
        """What the records since the last call changed: it is pending until it is `stored`."""
        change, self._change = self._change, MemoryChange()
        change.latest_ms, change.first = self._latest_ms, self._first
        for bucket, keys in self._live.items():
            if keys.fresh:
                change.keys[bucket] = bytearray().join(keys.fresh)
                self._pending.setdefault(bucket, []).extend(keys.fresh)
                keys.fresh = []
        return change

    def sent(self, change: MemoryChange | None, at: tuple[str, int]) -> None:
        """A step to this version with this change is on its way, and its reply may be lost."""
        self._sent = change, at

    def is_at(self, at: tuple[str, int]) -> bool:
        """Whether this is the memory of the version that the store has, be it by the step that was sent last."""
        if self._sent is not None and self._sent[1] == at:
            self.stored(*self._sent)
        return self.at == at

    def stored(self, change: MemoryChange | None, at: tuple[str, int]) -> None:
        """The store is at this version, and has this change, the oldest that is pending."""
        self.at, self._sent = at, None
        if change is None:
            return
        for bucket, keys in change.keys.items():
            del self._pending[bucket][: len(keys) // KEY_BYTES]
        for bucket in change.gone:
            self._forgotten.pop(bucket, None)
            self._pending.pop(bucket, None)
        self._stored = change.latest_ms, change.first

    def drop_pending(self) -> None:
        """Forgets what was folded since `at`: its records are folded again, here or elsewhere."""
        self.take_change()
        self._live |= self._forgotten
        for bucket, keys in self._pending.items():
            self._live[bucket].discard(keys)
        self._live = {bucket: keys for bucket, keys in self._live.items() if keys}
        self._forgotten, self._pending, self._sent = {}, {}, None
        self._latest_ms, self._first = self._stored
        self._unchecked = 0
        self._find_next()

    @property
    def size(self) -> int:
        """How many keys are live, pending ones included."""
        return sum(map(len, self._live.values()))

    @property
    def bytes(self) -> int:
        """Bytes that the keys take here."""
        return sum(keys.bytes for buckets in (self._live, self._forgotten) for keys in buckets.values())

    def _begin(self, bucket: int) -> KeySet:
        if bucket not in self._live:  # an empty one is false
            self.expect(bucket, len(self._live.get(bucket - 1, ())))
        return self._live[bucket]

    def _settles_ms(self, bucket: int) -> int:
        return (bucket + 1) * self._per_ms + self._grace_ms

    def _forget(self, bucket: int) -> None:
        keys = self._forgotten[bucket] = self._live.pop(bucket)
        self._pending.setdefault(bucket, []).extend(keys.fresh)
        keys.fresh = []
        self._change.gone.append(bucket)
        self._find_next()

    def _find_next(self) -> None:
        """After buckets have come or gone."""
        self._last = _NEVER_MS, 0, None
        self._next_settles_ms = self._settles_ms(min(self._live)) if self._live else _NEVER_MS
