"""`ranker compare` on real brokers equals the rules' own definition over the same records, read plainly; without Redis."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from ranker.core.generation import FUTURE_MS
from ranker.operate.compare import Period
from ranker.operate.compare_document import document
from tests.integration.consume.traffic import Readers
from tests.property import chunks
from tests.support.checking import now_ms
from tests.support.compared import PARTITIONS, Log, check, counted
from tests.support.recount import Raw, Rules

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HEAD = """
topic = "{topic}"
lanes = 8
[boards.read]
view = 1
[boards.engaged]
view = 1
comment = 3
share = 5
[windows.long]
length_s = {length_s}
grain_s = {grain_s}
[rules]
"""
DEFINITIONS = {
    "press": HEAD.format(topic="{topic}", length_s=7200, grain_s=600)
    + 'preset = "press"\nrepeat_per_s = 1800\ngrace_s = 1200\n',
    "bound": HEAD.format(topic="{topic}", length_s=7200, grain_s=600)
    + 'preset = "press"\nbots = "count"\nrepeat_types = ["view", "share"]\ngrace_s = 1200\nmax_keys = 1000\n',
    "longer": HEAD.format(topic="{topic}", length_s=14400, grain_s=60) + 'duplicate = "drop"\ngrace_s = 300\n',
    "none": HEAD.format(topic="{topic}", length_s=7200, grain_s=600) + 'preset = "none"\n',
}
"""With buckets of half an hour and an hour, a memory that gives up, other windows: what is late differs."""


def history(seed: int, begins_ms: int) -> list[Raw]:
    """Some ten hours of one partition: late, future, invalid, sent again, taken back, bots; with several sites."""
    rng = random.Random(seed)
    found: list[Raw] = []
    for raw in chunks.records(rng):
        event = json.loads(raw.value or b"")
        event["occurred_at"] += begins_ms - chunks.BEGIN
        event["site_id"] = "t" if rng.random() < 0.05 else "s"
        value = rng.choice((None, b"{", b"[]")) if rng.random() < 0.03 else json.dumps(event).encode()
        found.append(Raw(raw.offset, raw.timestamp + begins_ms - chunks.BEGIN, None, value))
    return found


@pytest.fixture(params=["kafka_apache", pytest.param("kafka_embedded", marks=pytest.mark.long)])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    broker = request.getfixturevalue(request.param)
    apache = isinstance(broker, ApacheKafka)
    return Log(broker.bootstrap if apache else broker, tmp_path, DEFINITIONS, exact=apache)


@pytest.fixture
async def apache(kafka_apache: ApacheKafka, tmp_path: Path) -> Log:
    return Log(kafka_apache.bootstrap, tmp_path, DEFINITIONS)


async def test_counts_are_what_the_rules_say(log: Log) -> None:
    """Four definitions, stretches that begin and end amid the log: reading begins where the largest bucket needs it."""
    begins_ms = (now_ms() - 24 * HOUR_MS) // HOUR_MS * HOUR_MS
    await log.create()
    await log.write({partition: history(7 + partition, begins_ms) for partition in range(PARTITIONS)})
    rules = {name: Rules.read(log.config(name)) for name in DEFINITIONS}
    records = await log.records(rules["none"])
    met: Counter[str] = Counter()
    for from_min, to_min in ((-60, 1200), (70, 190), (90, 100), (170, 300)):
        stretch = Period(begins_ms + from_min * MINUTE_MS, begins_ms + to_min * MINUTE_MS)
        found = await log.compare(stretch, list(DEFINITIONS))
        assert (found.stretch, found.create_time) == (stretch, True)
        read = [[r for r in records[part.partition] if part.start <= r.offset < part.end] for part in found.parts]
        since_ms = stretch.from_ms // HOUR_MS * HOUR_MS - FUTURE_MS
        assert all(raw.timestamp < since_ms for part in found.parts for raw in records[part.partition][: part.start])
        if log.exact:
            assert all(part and part[0].timestamp >= since_ms for part in read)
        assert found.records == sum(map(len, read))
        assert [part.end for part in found.parts] == [len(records[partition]) for partition in range(PARTITIONS)]
        content = document(found, ["read", "engaged"], 3)
        for name, its in rules.items():
            expected = counted(read, its, *stretch)
            check(content, name, expected)
            met.update({"late": expected.late, "settled": expected.settled})
            met += Counter(outcome for outcomes in expected.outcomes.values() for outcome in outcomes)
        met["begins later"] += any(part.start for part in found.parts)
    assert {"late", "settled", "!duplicate", "!bot", "!internal", "!repeat"} <= met.keys()
    assert bool(met["begins later"]) == log.exact


async def test_the_command_needs_no_redis(log: Log) -> None:
    """Presets over the ranker.toml in effect beside another file, on live traffic with everything in it."""
    await log.create(message_timestamp_type="LogAppendTime")
    await Readers(log.bootstrap, log.name, idempotent=False).send(3_600)
    toml = DEFINITIONS["press"].format(topic=log.name)
    paths = {"press": log.directory / "press", "none": log.directory / "none", "other": log.config("bound")}
    paths["press"].write_text(toml)
    paths["none"].write_text(toml.replace('"press"', '"none"'))
    words = ["--rules", "press", "--rules", "none", "--config", str(paths["other"]), "--since", "10m", "--places", "5"]
    done = await log.ranker(*words, "--json", config=paths["none"])
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert [one["definition"] for one in content["definitions"]] == ["press", "none", str(paths["other"])]
    records = await log.records(Rules.read(paths["none"]))
    read = [
        [raw for raw in records[part["partition"]] if part["from_offset"] <= raw.offset < part["to_offset"]]
        for part in content["partitions"]
    ]
    assert sum(map(len, read)) == content["records"] > 3_400
    for name, path in paths.items():
        expected = counted(read, Rules.read(path), _ms(content["from"]), _ms(content["to"]))
        assert expected.dead
        assert bool(expected.given_up) == (name == "other")
        check(content, name if name != "other" else str(path), expected)
    shown = await log.ranker(*words, "--site", "demo", "--board", "read", config=paths["none"])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "le-courrier" not in shown.stdout
    assert "press and none: Kendall's tau-b" in shown.stdout


def _ms(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)


@pytest.mark.long
async def test_a_log_that_begins_later(apache: Log) -> None:
    """What retention has deleted shortens the stretch, to whole buckets; with nothing left of it, that is the answer."""
    begins_ms = (now_ms() - 24 * HOUR_MS) // HOUR_MS * HOUR_MS
    await apache.create()
    await apache.write({partition: history(7 + partition, begins_ms) for partition in range(PARTITIONS)})
    stretch = Period(begins_ms + 70 * MINUTE_MS, begins_ms + 360 * MINUTE_MS)
    rules = {name: Rules.read(apache.config(name)) for name in ("press", "none")}
    records = await apache.records(rules["none"])

    before = next(raw.offset for raw in records[1] if raw.timestamp >= begins_ms + 10 * MINUTE_MS)
    await apache.delete(1, before)
    assert (await apache.compare(stretch, ["press", "none"])).stretch == stretch

    first = next(raw for raw in records[1] if raw.timestamp >= begins_ms + 100 * MINUTE_MS)
    await apache.delete(1, first.offset)
    found = await apache.compare(stretch, ["press", "none"])
    half_hour = 30 * MINUTE_MS
    assert found.stretch == Period(-(-(first.timestamp + FUTURE_MS) // half_hour) * half_hour, stretch.to_ms)
    assert found.parts[1] == (1, first.offset, len(records[1]), True, first.timestamp)
    content = document(found, ["read", "engaged"], 3)
    assert content["from"] > content["requested_from"]
    read = [records[0][found.parts[0].start :], records[1][first.offset :]]
    for name, its in rules.items():
        check(content, name, counted(read, its, *found.stretch))

    last = Raw(len(records[1]), now_ms(), None, b"{}")
    await apache.write({1: [last]})
    await apache.delete(1, last.offset)
    done = await apache.ranker(*(f"--config={apache.config(name)}" for name in rules), "--since", "24h")
    assert (done.returncode, "the log begins too late" in done.stderr) == (1, True), done.stderr

    await apache.delete(1, last.offset + 1)  # whether what it had would count cannot be known
    for end in (last.offset + 1, last.offset + 2):
        done = await apache.ranker(*(f"--config={apache.config(name)}" for name in rules), "--since", "24h")
        assert (done.returncode, f"partition 1 begins at offset {end}:" in done.stdout) == (0, True), done
        await apache.write({1: [Raw(end, now_ms() // 1000, None, b"{}")]})  # nor by a record in seconds


async def test_a_topic_that_does_not_exist(apache: Log) -> None:
    """It is not created, and the message has the command that creates it."""
    done = await apache.ranker(*(f"--config={apache.config(name)}" for name in ("press", "none")))
    assert (done.returncode, "ranker topics apply" in done.stderr) == (1, True), done.stderr
