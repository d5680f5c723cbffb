"""The naive recount: the raw log counted again, record by record, with plain json. It imports nothing of the engine.

What was seen of producers is in sequences.py.

What a shard has to hold is a function of the records below n (less the lost ones) and of the floors; `recount` is
that function written down once more, as slowly and plainly as it can be. The rules are read from the same ranker.toml.
"""

from __future__ import annotations

import json
import re
import tomllib
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

from tests.property.sequences import BOUNDS, Bounds, Heard
from tests.support.once import Once, State, look

Count = tuple[str, str, str]
"""(site, outcome, article)."""


class Raw(NamedTuple):
    """A record of the log. `timestamp` is its append time in ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True)
class Rules:
    """What decides counts. `windows` are (name, length_ms, grain_ms), shortest first."""

    windows: tuple[tuple[str, int, int], ...]
    boards: Mapping[str, Mapping[str, int]]
    lanes: int
    once: Once
    sites: tuple[str, ...] | None
    future_ms: int = 5 * 60 * 1000
    bounds: Bounds = BOUNDS
    begin: State = field(default_factory=State, compare=False, repr=False)
    """Before the first record."""

    @classmethod
    def read(cls, config: Path) -> Rules:
        table = tomllib.loads(config.read_text())
        rules = table.get("rules", {})
        windows = [(name, w["length_s"] * 1000, w["grain_s"] * 1000) for name, w in table["windows"].items()]
        return cls(
            tuple(sorted(windows, key=lambda window: window[1])),
            table["boards"],
            table["lanes"],
            Once.read(rules),
            tuple(table["sites"]) if rules.get("unknown_sites") == "reject" else None,
        )


@dataclass
class Expected:
    """What a shard has to hold; zeros are left out everywhere."""

    slices: dict[tuple[int, int], dict[Count, int]] = field(default_factory=dict)
    totals: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    """(window, site, board) to article counts."""
    sums: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(site, window, outcome)."""
    late: int = 0
    future: int = 0
    dead: int = 0
    dead_offsets: set[int] = field(default_factory=set)
    last: Raw | None = None
    remembered: State = field(default_factory=State)
    """What the records since n0 come to."""
    heard: Heard = field(default_factory=Heard)


class Verdict(NamedTuple):
    """`what` is count, late, future or dead; the rest is set for count."""

    what: str
    occurred_ms: int = 0
    named: Count = ("", "", "")
    value: int = 0
    lane: int = 0


def verdict(raw: Raw, rules: Rules, before: State) -> tuple[Verdict, State]:
    """What the contract says of one record behind others, and the state behind this one."""
    event = _event(raw.value)
    if not 946_684_800_000 <= raw.timestamp <= 4_102_444_800_000:
        return Verdict("dead"), before  # a topic's timestamps are milliseconds of this century
    if event is None or (rules.sites is not None and event["site_id"] not in rules.sites):
        return Verdict("dead"), before
    occurred = event["occurred_at"]
    if occurred > raw.timestamp + rules.future_ms:
        return Verdict("future"), before
    _, length, grain = rules.windows[-1]
    slice_end = (occurred // grain + 1) * grain
    late = slice_end < raw.timestamp - length
    outcome, behind = look(before, event, rules.once, late=late)
    if late:
        return Verdict("late"), behind
    article = event["article_id"]
    named = event["site_id"], outcome, article
    return Verdict("count", occurred, named, event.get("value", 1), lane(article, rules)), behind


def _event(value: bytes | None) -> dict[str, Any] | None:
    """The event, or None if the contract does not allow it."""
    try:
        event = json.loads((value or b"").decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(event, dict):
        return None

    def text(name: str, least: int, most: int) -> bool:
        return isinstance(event.get(name), str) and least <= len(event[name]) <= most

    def number(name: str, least: int, most: int) -> bool:
        return type(event.get(name)) is int and least <= event[name] <= most

    ok = (
        text("event_id", 1, 128)
        and text("site_id", 1, 64)
        and re.fullmatch("[a-z0-9._-]+", event["site_id"]) is not None
        and text("event_type", 1, 32)
        and re.fullmatch("[a-z][a-z0-9_]*", event["event_type"]) is not None
        and text("article_id", 1, 512)
        and len(event["article_id"].encode("utf-8", "surrogatepass")) <= 512
        and event["article_id"].isprintable()
        and " " not in event["article_id"]
        and number("occurred_at", 0, 4_102_444_800_000)
        and ("value" not in event or (number("value", -1000, 1000) and event["value"] != 0))
        and ("agent_class" not in event or event["agent_class"] in ("person", "bot", "internal", "unknown"))
        and all(event.get(name) is None or text(name, 0, 128) for name in ("visitor_id", "repeat_key", "producer_id"))
        and (event.get("sequence") is None or number("sequence", 0, 2**63))
    )
    return event if ok else None


def lane(article: str, rules: Rules) -> int:
    return zlib.crc32(article.encode()) % rules.lanes


def place(occurred_ms: int, lane_: int, floors: Sequence[int], rules: Rules) -> tuple[int, int] | None:
    """(tier, slice) where a count stands above these floors; None if it has left every window."""
    for tier, (_, _, grain) in enumerate(rules.windows):
        slice_ = occurred_ms // grain
        if slice_ * rules.lanes + lane_ >= floors[tier]:
            return tier, slice_
    return None


def recount(records: Iterable[Raw], n0: int, floors: Sequence[int], rules: Rules) -> Expected:
    """S(n, F) of these records: all that are below n and not lost.

    What each counts as, all of them decide; counters and what is remembered are of those from `n0` on.
    """
    expected = Expected()
    whole = expected.remembered = rules.begin
    slices: defaultdict[tuple[int, int], Counter[Count]] = defaultdict(Counter)
    totals: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    sums: Counter[tuple[str, str, str]] = Counter()
    for raw in records:
        said, whole = _known(raw, rules, whole)
        if raw.offset >= n0:
            _, expected.remembered = _known(raw, rules, expected.remembered)
            expected.last = raw
            expected.late += said.what == "late"
            expected.future += said.what == "future"
            if said.what in ("dead", "future"):
                expected.dead += 1
                expected.dead_offsets.add(raw.offset)
        if said.what != "count":
            continue
        site, outcome, article = said.named
        where = place(said.occurred_ms, said.lane, floors, rules)
        if where is None:
            continue
        slices[where][said.named] += said.value
        for name, _, _ in rules.windows[where[0] :]:
            sums[site, name, outcome] += said.value
            for board, weights in rules.boards.items():
                if outcome in weights:
                    totals[name, site, board][article] += weights[outcome] * said.value
    expected.slices = {key: some for key, counts in slices.items() if (some := _without_zeros(counts))}
    expected.totals = {key: some for key, counts in totals.items() if (some := _without_zeros(counts))}
    expected.sums = _without_zeros(sums)
    return expected


def _without_zeros(counts: Mapping[Any, int]) -> dict[Any, int]:
    return {key: count for key, count in counts.items() if count}


def ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What is above zero, most counted first, of equals the last in order of bytes."""
    listed = [(article, count) for article, count in counts.items() if count > 0]
    return sorted(listed, key=lambda row: (row[1], row[0].encode()), reverse=True)


def home(site: str, article: str, partitions: int) -> int:
    """Where Kafka's own partitioner puts an article."""
    return int(murmur2(f"{site}/{article}".encode()) & 0x7FFFFFFF) % partitions


class Recount:
    """Reads a topic whenever it is called, and keeps what it read: retention may take it from the log."""

    def __init__(
        self, bootstrap: str, topic: str, rules: Rules, translated: Callable[[bytes | None], bytes | None] | None = None
    ) -> None:
        """`translated` makes a value of ours of one of theirs."""
        self._translated = translated or (lambda value: value)
        self._bootstrap = bootstrap
        self._topic = topic
        self.rules = rules
        self.records: dict[int, list[Raw]] = {}
        self._next: dict[int, int] = {}

    async def read(self) -> dict[int, int]:
        """Reads what is new, up to the end as it stands now; returns partition to end offset."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            partitions = await _partitions_of(consumer, self._topic)
            ends = {tp.partition: end for tp, end in (await consumer.end_offsets(partitions)).items()}
            consumer.assign(partitions)
            for tp in partitions:
                self.records.setdefault(tp.partition, [])
                consumer.seek(tp, self._next.get(tp.partition, 0))
            for tp in partitions:
                while await consumer.position(tp) < ends[tp.partition]:
                    for one in (await consumer.getmany(tp, timeout_ms=100)).get(tp, []):
                        value = self._translated(one.value)
                        self.records[tp.partition].append(Raw(one.offset, one.timestamp, one.key, value))
                self._next[tp.partition] = await consumer.position(tp)
        finally:
            await consumer.stop()
        return ends

    def count(self, partition: int, start: int, end: int, floors: Sequence[int]) -> Expected:
        """What records [start, end) come to above these floors."""
        records = (record for record in self.records[partition] if start <= record.offset < end)
        return recount(records, start, floors, self.rules)


async def _partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic that the consumer does not read yet."""
    await consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def _known(raw: Raw, rules: Rules, before: State) -> tuple[Verdict, State]:
    """A verdict never changes: it is kept, or the random histories would spend their time on json."""
    found = before.known.get(raw)
    if found is None:
        if len(before.known) > 100_000:
            before.known.clear()
        found = before.known[raw] = verdict(raw, rules, before)
    return found
