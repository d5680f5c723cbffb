"""The topic counted again by other means: a plain client, plain json, one record after the other.

Nothing of ranker is used here. The rules are read from the same ranker.toml, and written down a second time.
"""

from __future__ import annotations

import json
import re
import tomllib
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2

AHEAD_MS = 5 * 60 * 1000

Parse = Callable[[bytes | None], dict[str, Any] | None]
"""What is the event in a record's value, by our names; None where it cannot be counted."""


@dataclass(frozen=True)
class Rules:
    """What ranker.toml says. Windows stand shortest first, as (name, length in ms, grain in ms)."""

    windows: list[tuple[str, int, int]]
    boards: dict[str, dict[str, int]]
    lanes: int
    drop_bots: bool

    @classmethod
    def read(cls, config: Path) -> Rules:
        table = tomllib.loads(config.read_text())
        windows = [(name, w["length_s"] * 1000, w["grain_s"] * 1000) for name, w in table["windows"].items()]
        return cls(
            sorted(windows, key=lambda window: window[1]),
            table["boards"],
            table["lanes"],
            table.get("rules", {}).get("bots", "drop") == "drop",
        )


@dataclass
class Record:
    """A record of the log. `event` is None where it cannot be counted."""

    offset: int
    append_ms: int
    event: dict[str, Any] | None


@dataclass
class Counted:
    """What a shard must hold, by the names of the Redis layout; nothing that is zero.

    `totals`: (window, site, board) to article to total. `sums`: (site, window, outcome) to count.
    `slices`: (tier, slice) to (site, outcome, article) to count. `counters`: late, future, dead.
    """

    totals: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)
    sums: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    slices: dict[tuple[int, int], Counter[tuple[str, str, str]]] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)


class Recount:
    """Reads a topic whenever asked, and keeps what it read: retention may take it from the log."""

    def __init__(self, bootstrap: str, topic: str, rules: Rules, parse: Parse | None = None) -> None:
        self._parse = parse or parsed
        self._bootstrap = bootstrap
        self._topic = topic
        self.rules = rules
        self.records: dict[int, list[Record]] = {}
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
            partitions = await partitions_of(consumer, self._topic)
            ends = {tp.partition: end for tp, end in (await consumer.end_offsets(partitions)).items()}
            consumer.assign(partitions)
            for tp in partitions:
                self.records.setdefault(tp.partition, [])
                consumer.seek(tp, self._next.get(tp.partition, 0))
            for tp in partitions:
                while await consumer.position(tp) < ends[tp.partition]:
                    for record in (await consumer.getmany(tp, timeout_ms=100)).get(tp, []):
                        self.records[tp.partition].append(
                            Record(record.offset, record.timestamp, self._parse(record.value))
                        )
                self._next[tp.partition] = await consumer.position(tp)
        finally:
            await consumer.stop()
        return ends

    def count(self, partition: int, start: int, end: int, floors: tuple[int, ...]) -> Counted:
        """What records [start, end) come to above these floors."""
        counted = Counted()
        for record in self.records[partition]:
            if start <= record.offset < end:
                self._add(counted, record, floors)
        for article_counts in counted.totals.values():
            _without_zeros(article_counts)
        for counts in counted.slices.values():
            _without_zeros(counts)
        _without_zeros(counted.sums)
        counted.totals = {name: counts for name, counts in counted.totals.items() if counts}
        counted.slices = {slice_id: counts for slice_id, counts in counted.slices.items() if counts}
        return counted

    def _add(self, counted: Counted, record: Record, floors: tuple[int, ...]) -> None:
        event, rules = record.event, self.rules
        if event is None:
            counted.counters["dead"] += 1
            return
        occurred = event["occurred_at"]
        if occurred > record.append_ms + AHEAD_MS:
            counted.counters.update(("dead", "future"))
            return
        _, longest, coarsest = rules.windows[-1]
        if occurred - occurred % coarsest + coarsest < record.append_ms - longest:
            counted.counters["late"] += 1
            return
        site, article, value = event["site_id"], event["article_id"], event.get("value", 1)
        bot = rules.drop_bots and event.get("agent_class") == "bot"
        outcome = "!bot" if bot else event["event_type"]
        lane = zlib.crc32(article.encode()) % rules.lanes
        for tier, (_, _, grain) in enumerate(rules.windows):
            if occurred // grain * rules.lanes + lane >= floors[tier]:
                break
        else:
            return  # it has left every window
        place = counted.slices.setdefault((tier, occurred // grain), Counter())
        place[site, outcome, article] += value
        for name, _, _ in rules.windows[tier:]:
            counted.sums[site, name, outcome] += value
            for board, weights in rules.boards.items():
                if outcome in weights:
                    total = counted.totals.setdefault((name, site, board), Counter())
                    total[article] += weights[outcome] * value


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions of a topic that the consumer does not read yet."""
    await consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def home(site: str, article: str, partitions: int) -> int:
    """Where Kafka's own partitioner puts an article."""
    return int(murmur2(f"{site}/{article}".encode()) & 0x7FFFFFFF) % partitions


def parsed(value: bytes | None) -> dict[str, Any] | None:
    """The event in a record, None where it is none. Knows the faults that the tests make, not the whole contract."""
    try:
        event = json.loads(value or b"")
    except ValueError:
        return None
    required = {"event_id", "event_type", "site_id", "article_id", "occurred_at"}
    if not isinstance(event, dict) or not required <= event.keys():
        return None
    fine = (
        re.fullmatch("[a-z0-9._-]{1,64}", event["site_id"])
        and re.fullmatch("[a-z][a-z0-9_]{0,31}", event["event_type"])
        and re.fullmatch("[^ ]+", event["article_id"])
        and event.get("value", 1) != 0
        and event["occurred_at"] >= 0
    )
    return event if fine else None


def _without_zeros(counts: Counter[Any]) -> None:
    for key in [key for key, count in counts.items() if not count]:
        del counts[key]
