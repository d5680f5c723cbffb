"""A log that is folded in chunks, dropped, folded again and loaded at random, against what counts once by its definition.

Counting begins at any moment, as a gate begins it: what the log has before must not decide what is in a window.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ranker.core.floors import first_append_ms, floors_at
from ranker.core.fold import Fold
from ranker.core.generation import FUTURE_MS, Generation, Window
from ranker.core.key_set import KEY_BYTES
from ranker.core.memory import Memory, MemoryChange
from ranker.core.partial_counts import PartialCounts
from ranker.core.rules import Rules
from tests.support import once
from tests.support.once import Once
from tests.support.recount import Raw, Verdict, verdict
from tests.support.recount import Rules as RecountRules
from tests.support.stretches import stretches

if TYPE_CHECKING:
    from ranker.kernel._kernel import Columns

MINUTE = 60_000
BEGIN = 20_000 * 24 * 60 * MINUTE
WINDOW, GRAIN = 120 * MINUTE, 10 * MINUTE
PER, GRACE = 30 * MINUTE, 20 * MINUTE
RECORDS = 160


def records(rng: random.Random) -> list[Raw]:
    """Events now, late, backfilled, ahead, in the future and invalid; one of four is sent again, not always as it was."""
    log: list[Raw] = []
    events: list[dict[str, Any]] = []
    now, readers = BEGIN, rng.choice((1, 1, 0.1))
    for offset in range(RECORDS):
        now += rng.choice((0, 0, 1, 2, 3, 7)) * MINUTE if rng.random() < 0.96 else rng.randint(20, 90) * MINUTE
        if events and rng.random() < 0.3:
            event = dict(rng.choice(events[-12:]))
            event.update(rng.choice(({}, {}, {"event_id": f"e{offset}"}, {"agent_class": "bot"}, {"value": 2})))
        else:
            late = rng.choice((0, 0, 0, 1, -1, rng.randint(0, 60), rng.randint(60, 200), -rng.randint(2, 9)))
            edge = rng.choice((0, 0, 0, 1, -1)) + (PER - (now - late * MINUTE) % PER if rng.random() < 0.2 else 0)
            event = {
                "event_id": f"e{offset}",
                "event_type": rng.choice(("view", "view", "view", "share")),
                "site_id": "s",
                "article_id": rng.choice("ab"),
                "occurred_at": now - late * MINUTE + edge,
                "agent_class": rng.choice(("person", "person", "person", "bot", "internal")),
                "value": rng.choice((1, 1, 1, 1, 2, -1, 0)),
                "repeat_key": rng.choice((None, None, "", "u", "v")) if rng.random() < readers else None,
                "visitor_id": rng.choice((None, "u", "v")) if rng.random() < readers else None,
            }
        events.append(event)
        log.append(Raw(offset, now, None, json.dumps(event).encode()))
    return log


@dataclass
class Store:
    """What is stored at `n`."""

    n: int
    latest_ms: int = 0
    first: int = 0
    buckets: dict[int, bytearray] = field(default_factory=dict)
    settled: int = 0
    given_up: int = 0

    def apply(self, change: MemoryChange, n: int) -> None:
        self.n, self.latest_ms, self.first = n, change.latest_ms, change.first
        for bucket in change.gone:
            self.buckets.pop(bucket, None)
        for bucket, keys in change.keys.items():
            self.buckets.setdefault(bucket, bytearray()).extend(keys)
        self.settled += change.settled
        self.given_up += change.given_up

    def loaded(self, rules: Rules, new: type[Memory]) -> Memory:
        memory = new(rules, ("", self.n), self.latest_ms, self.first)
        for bucket, keys in self.buckets.items():
            for at in range(0, len(keys), 24):
                memory.hold(bucket, bytes(keys[at : at + 24]))
        return memory


def _drawn(rng: random.Random) -> tuple[Generation, RecountRules]:
    duplicate, repeat = rng.choice(((True, True), (True, True), (True, False), (False, True)))
    bots, internal = rng.random() < 0.8, rng.random() < 0.7
    types = rng.choice((("view",), ("share", "view"))) if repeat else ()
    most = rng.choice((1_000_000_000, 40, 25, 12, 3))
    names = "duplicate@1" if duplicate else "", "internal@1" if internal else "", "repeat@1" if repeat else ""
    windows, boards = (Window("w", WINDOW, GRAIN),), {"read": {"view": 1}}
    rules = Rules(*names, types, PER, GRACE, most)
    generation = Generation("page-views", windows, boards, 1, "drop" if bots else "count", rules=rules)
    same = Once(duplicate, bots, internal, types, PER, GRACE, most)
    return generation, RecountRules((("w", WINDOW, GRAIN),), boards, 1, same, None, FUTURE_MS)


def _walk(log: list[Raw], rules: RecountRules) -> tuple[list[Verdict], list[once.State]]:
    said, states = [], [rules.begin]
    for raw in log:
        one, state = verdict(raw, rules, states[-1])
        said.append(one)
        states.append(state)
    return said, states


def _counts(said: list[Verdict], floor: int) -> Counter[tuple[int, str, str]]:
    counts: Counter[tuple[int, str, str]] = Counter()
    for one in said:
        if one.what == "count" and one.occurred_ms // GRAIN >= floor:
            counts[one.occurred_ms // GRAIN, one.named[1], one.named[2]] += one.value
    return Counter({key: count for key, count in counts.items() if count})


def _folded(partial: PartialCounts, floor: int) -> dict[tuple[int, str, str], int]:
    counts = partial.counts
    if partial.columns is not None:
        counts = cast("Columns", partial.columns).as_dicts()
    return {
        (slice_, outcome, article): count
        for (slice_, _, outcome), articles in counts.items()
        for article, count in articles.items()
        if slice_ >= floor and count
    }


def _whole(fold: Any, chunk: list[Raw], memory: Memory) -> PartialCounts:
    ((end, partial),) = fold.raw(stretches(chunk), memory, 1 << 62)
    assert end == chunk[-1].offset + 1
    return cast("PartialCounts", partial)


def check(seed: int, new_fold: type[Fold] = Fold, new_memory: type[Memory] = Memory) -> None:
    """Raises AssertionError if what is folded or stored differs from what the log says.

    `new_fold` may be the kernel's, whose memory has to be its own.
    """
    rng = random.Random(seed)
    log, (generation, recounted) = records(rng), _drawn(rng)
    assert isinstance(generation.rules, Rules)
    said, _ = _walk(log, recounted)
    floors = floors_at(generation, log[rng.randrange(40, 120)].timestamp)
    since = first_append_ms(generation, floors, FUTURE_MS)
    n0 = next(raw.offset for raw in log if raw.timestamp >= since)
    _, states = _walk(log[n0:], recounted)
    store, fold = Store(n0), new_fold(generation)
    memory, n = store.loaded(generation.rules, new_memory), n0
    pending: deque[tuple[MemoryChange, int]] = deque()
    while store.n < len(log):
        what = rng.random()
        if what < 0.6 and n < len(log):
            chunk = log[n : n + rng.choice((1, 2, 5, 13))]
            partial = fold(chunk, memory) if new_fold is Fold else _whole(fold, chunk, memory)
            assert _folded(partial, floors[0]) == _counts(said[n : n + len(chunk)], floors[0]), f"offsets from {n} on"
            assert partial.memory is not None
            n += len(chunk)
            if pending and rng.random() < 0.4:
                pending[-1][0].add(partial.memory)
                pending[-1] = pending[-1][0], n
            else:
                pending.append((partial.memory, n))
        elif what < 0.9 and pending:
            change, end = pending.popleft()
            memory.sent(change, ("", end))
            lost = rng.random() < 0.2
            if not lost:
                memory.stored(change, ("", end))
            if not lost or rng.random() < 0.5:
                store.apply(change, end)
            if lost:  # the reply, or the step itself: what is held has to be the store's either way
                pending.clear()
                n = store.n
                assert memory.is_at(("", n))
                memory.drop_pending()
            want = states[store.n - n0]
            held = {bucket: len(keys) // KEY_BYTES for bucket, keys in store.buckets.items()}
            assert held == want.keys, f"keys at {store.n}"
            got = store.latest_ms, store.first, store.settled, store.given_up
            assert got == (want.latest_ms, want.first, want.settled, want.given_up), f"at {store.n}"
        elif what > 0.94:
            pending.clear()
            n = store.n
            if rng.random() < 0.5:
                memory = store.loaded(generation.rules, new_memory)
            memory.drop_pending()
            assert memory.size == sum(map(len, store.buckets.values())) // KEY_BYTES
