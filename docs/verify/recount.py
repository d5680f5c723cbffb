"""Recounts the list of a receipt from Kafka, in plain Python: recount.py RECEIPT DEFINITION BOOTSTRAP.

It shares no line with the engine and needs one package, aiokafka. docs/verify explains each step. It reads topics in
the engine's own format; for a topic that [source] maps, use `ranker verify`.
"""

import asyncio
import hashlib
import json
import re
import sys
import zlib
from collections import Counter
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

AHEAD_MS = 5 * 60 * 1000
TEXTS = "visitor_id", "repeat_key", "producer_id"
SHAPES = {"event_id": ".{1,128}", "event_type": "[a-z][a-z0-9_]{0,31}", "site_id": "[a-z0-9._-]{1,64}"}
SCHEMA = Path(__file__).parents[2] / "schemas" / "page-view.schema.json"
UNFIT = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["article_id"]["not"]["pattern"]


def no_number(name):
    raise ValueError(name)  # NaN and Infinity are no JSON


def event_of(value):
    """The event in a record, None if the contract (schemas/page-view.schema.json) does not allow it."""
    try:
        event = json.loads((value or b"").decode(), parse_constant=no_number)
        json.dumps(event, ensure_ascii=False).encode()  # fails for half a surrogate pair, wherever it stands
        event = {"value": 1, "agent_class": "unknown", **event}
        sound = (
            all(re.fullmatch(shape, event[name], re.DOTALL) for name, shape in SHAPES.items())
            and 1 <= len(event["article_id"].encode()) <= 512
            and not re.search(UNFIT, event["article_id"])
            and (type(event["occurred_at"]), type(event["value"])) == (int, int)
            and 0 <= event["occurred_at"] <= 4_102_444_800_000
            and -1000 <= event["value"] <= 1000
            and event["value"] != 0
            and event["agent_class"] in ("person", "bot", "internal", "unknown")
            and all(event.get(name) is None or len(event[name] + "") <= 128 for name in TEXTS)
            and (event.get("sequence") is None or (type(event["sequence"]) is int and event["sequence"] >= 0))
            and len(value) <= 1 << 20
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return event if sound else None


class Count:
    """One partition's part of the list: which events count, and which of them are in the window."""

    def __init__(self, definition, receipt, floors):
        self.windows, self.lanes, self.floors = definition["windows"], definition["lanes"], floors
        self.tiers = [window["name"] for window in self.windows].index(receipt["window"]) + 1
        self.weights, self.site = definition["boards"][receipt["board"]], receipt["site"]
        self.sites, self.bots, self.rules = definition["sites"], definition["bots"], definition.get("rules", {})
        self.bucket_ms = self.rules.get("per_ms", 1)
        self.seen, self.latest, self.first = {}, 0, 0
        self.articles = Counter()

    def begins(self):
        """The earliest append time that matters: of the oldest slice's bucket, less 5 minutes."""
        tiers = list(zip(self.floors, self.windows, strict=True))[: self.tiers]
        oldest = min(floor // self.lanes * window["grain_ms"] for floor, window in tiers)
        return oldest // self.bucket_ms * self.bucket_ms - AHEAD_MS

    def outcome(self, event):
        """What an event counts as: its type, or the rule that drops it."""
        bucket = event["occurred_at"] // self.bucket_ms
        live = self.bucket_ms > 1 and bucket >= self.first and self.settles(bucket) >= self.latest
        what = event["site_id"], event["article_id"], event["event_type"]
        if live and self.rules.get("duplicate") and not self.is_new(bucket, *what, "event", event["event_id"]):
            return "!duplicate"
        if event["agent_class"] == "bot" and self.bots == "drop":
            return "!bot"
        if event["agent_class"] == "internal" and self.rules.get("internal"):
            return "!internal"
        reader = event.get("repeat_key") or event.get("visitor_id")
        once = reader and event["event_type"] in self.rules.get("types", ()) and event["value"] == 1
        if live and once and not self.is_new(bucket, *what, "reader", reader):
            return "!repeat"
        return event["event_type"]

    def settles(self, bucket):
        return (bucket + 1) * self.bucket_ms + self.rules.get("grace_ms", 0)

    def is_new(self, bucket, *fields):
        keys, key = self.seen.setdefault(bucket, set()), hashlib.sha256("\0".join(fields).encode()).digest()[:16]
        size = len(keys)
        keys.add(key)
        return len(keys) > size

    def forget(self, occurred_at):
        """What is settled by this event time, and the oldest buckets if there are too many keys."""
        self.latest = max(self.latest, occurred_at)
        self.seen = {bucket: keys for bucket, keys in self.seen.items() if self.settles(bucket) >= self.latest}
        while sum(map(len, self.seen.values())) > self.rules.get("max_keys", 0):
            self.first = min(self.seen) + 1
            del self.seen[min(self.seen)]

    def in_window(self, occurred_at, article):
        """Whether the event's slice, and its article's lane in it, lie at or above the floor of a tier."""
        lane = zlib.crc32(article.encode()) % self.lanes
        places = list(zip(self.floors, self.windows, strict=True))[: self.tiers]
        return any(occurred_at // window["grain_ms"] * self.lanes + lane >= floor for floor, window in places)

    def add(self, record):
        event, appended, (*_, longest) = event_of(record.value), record.timestamp, self.windows
        if event is None or (self.sites is not None and event["site_id"] not in self.sites):
            return
        occurred_at, article = event["occurred_at"], event["article_id"]
        if not 946_684_800_000 <= appended <= 4_102_444_800_000 or occurred_at > appended + AHEAD_MS:
            return
        slice_end = (occurred_at // longest["grain_ms"] + 1) * longest["grain_ms"]
        if slice_end >= appended - longest["length_ms"]:  # else it came too late for every window
            weight = self.weights.get(self.outcome(event), 0)
            if weight and event["site_id"] == self.site and self.in_window(occurred_at, article):
                self.articles[article] += weight * event["value"]
        self.forget(occurred_at)


async def counted(consumer, definition, receipt, part):
    """Article to count in one partition."""
    count, end = Count(definition, receipt, part["floors"]), part["n"]
    where = TopicPartition(definition["topic"], part["partition"])
    first = (await consumer.beginning_offsets([where]))[where]
    found = (await consumer.offsets_for_times({where: max(count.begins(), 0)}))[where]
    position = min(found.offset, end) if found else end
    if part["n0"] < first and position <= first:
        sys.exit(f"partition {where.partition} begins at offset {first} now: the list cannot be recounted any more")
    if position < end:
        consumer.assign([where])
        consumer.seek(where, position)
    silent = 0
    while position < end:
        before = position
        for record in (await consumer.getmany(where, timeout_ms=1000)).get(where, []):
            if record.offset < end:
                count.add(record)
        position = await consumer.position(where)
        silent = silent + 1 if position == before else 0
        if silent == 30:
            sys.exit(f"partition {where.partition} ends at offset {position}: is this the receipt's Kafka?")
    return count.articles


async def recounted(definition, receipt, bootstrap):
    """Article to count, over all partitions of the receipt."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="none")
    await consumer.start()
    try:
        parts = [await counted(consumer, definition, receipt, part) for part in receipt["partitions"]]
    finally:
        await consumer.stop()
    articles = Counter()
    for part in parts:
        for article, count in part.items():
            articles[receipt["aliases"].get(article, article)] += count
    return articles


def main(receipt_file, definition_file, bootstrap):
    answer = json.loads(Path(receipt_file).read_text(encoding="utf-8"))
    receipt, definition = answer.get("receipt", answer), Path(definition_file).read_bytes().strip()
    if hashlib.sha256(definition).hexdigest()[:12] != receipt["generation"]:
        sys.exit("this is not the definition of the receipt's generation")
    articles = asyncio.run(recounted(json.loads(definition), receipt, bootstrap))
    rows = sorted(
        ([a, c] for a, c in articles.items() if c > 0), key=lambda row: (row[1], row[0].encode()), reverse=True
    )
    rows = rows[: receipt["rows"]]
    found = hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
    print("equal" if found == receipt["sha256"] else "different", found)
    for place, (article, count) in enumerate(rows[:10], 1):
        print(f"{place:4} {count:9} {article}")
    return int(found != receipt["sha256"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
