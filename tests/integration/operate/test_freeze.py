"""`ranker freeze` on real brokers: a document is what the rules say of the log, by any maker, and never changes."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import orjson
import pytest

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from ranker.core.best_of import TOPIC, Key, digest
from ranker.core.generation import FUTURE_MS
from ranker.core.periods import LATE_MS
from tests.support import checking
from tests.support.compared import PARTITIONS, counted
from tests.support.frozen import DAY_MS, HOUR_MS, FrozenSite, records
from tests.support.recount import Raw, Rules, ranked
from tests.support.topics import read


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


WEEK = ms("2026-03-28T00:00:00+01:00"), ms("2026-04-04T00:00:00+02:00")
"""Of 167 hours: summer time begins on its Sunday."""
CLOSE = WEEK[1] + 6 * HOUR_MS
EDGES = (*WEEK, CLOSE, CLOSE + LATE_MS)


def history(site: str, seed: int = 1) -> dict[int, list[Raw]]:
    """Three days before the week until two behind it."""
    return {
        n: records(seed + n, site, WEEK[0] - 3 * DAY_MS, WEEK[1] + 2 * DAY_MS, edges=EDGES) for n in range(PARTITIONS)
    }


@pytest.fixture(params=["kafka_apache", pytest.param("kafka_embedded", marks=pytest.mark.long)])
async def site(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> FrozenSite:
    broker = request.getfixturevalue(request.param)
    apache = isinstance(broker, ApacheKafka)
    return FrozenSite(broker.bootstrap if apache else broker, redis_url, tmp_path, exact=apache)


@pytest.fixture
async def apache(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> FrozenSite:
    return FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path)


async def test_a_week_is_what_the_rules_say(site: FrozenSite) -> None:
    """Recounted by other means, of the offsets that the document names; and these are those that it promises."""
    await site.begin(history(site.site))
    made = await site.made("--kind", "week", "--period", "2026-03-28")
    assert [one["key"] for one in made] == [f"{site.site}/week/2026-03-28/{board}/1" for board in ("read", "engaged")]
    rules = Rules.read(site.config("press"))
    log = await site.records(rules)
    late: Counter[str] = Counter()
    for board, weights in rules.boards.items():
        document = await site.document("week", "2026-03-28", board)
        parts = document["made_of"]["partitions"]
        assert [part["partition"] for part in parts] == list(range(PARTITIONS))
        for part in parts:
            whole = log[part["partition"]]
            since_ms = WEEK[0] // (HOUR_MS // 2) * (HOUR_MS // 2) - FUTURE_MS
            if site.exact:
                assert part["from"] == next(raw.offset for raw in whole if raw.timestamp >= since_ms)
            assert part["to"] == next(raw.offset for raw in whole if raw.timestamp >= CLOSE)
            assert part["late_to"] == next(raw.offset for raw in whole if raw.timestamp >= CLOSE + LATE_MS)
        expected = counted([log[p["partition"]][p["from"] : p["to"]] for p in parts], rules, *WEEK)
        behind = counted([log[p["partition"]][p["from"] : p["late_to"]] for p in parts], rules, *WEEK)
        counts, outcomes = expected.lists[site.site, board], expected.outcomes[site.site]
        assert [(item["article_id"], item["count"]) for item in document["items"]] == ranked(counts)[:12]
        assert (document["total"], document["complete"], document["lost"]) == (sum(counts.values()), True, 0)
        assert {f"!{rule}": count for rule, count in document["dropped"].items()} == {
            name: outcomes[name] for name in ("!duplicate", "!bot", "!internal", "!repeat")
        }
        behind.outcomes[site.site].subtract(outcomes)
        late[board] = sum(behind.outcomes[site.site][outcome] for outcome in weights)
        assert document["late"] == late[board]
        assert document["period"]["hours"] == 167
        assert document["sha256"] == digest(document)
        met = Counter(outcome for outcome, count in outcomes.items() if count)
        assert met.keys() >= {"view", "share", "comment", "!duplicate", "!bot", "!internal", "!repeat"}
        assert expected.late  # by the generation: counted nowhere
    assert late["engaged"]
    shares = [item["share"] for item in document["items"]]
    assert shares == [round(item["count"] / document["total"], 6) for item in document["items"]]


@pytest.mark.long
async def test_all_in_one_pass_as_each_alone(apache: FrozenSite) -> None:
    """A week and its first day, and both together: the same bytes. The Sunday has 23 hours."""
    await apache.begin(history(apache.site))
    for kind, day in (("week", 28), ("day", 28), ("day", 29)):
        await apache.freeze("--kind", kind, "--period", f"2026-03-{day}")
    alone = await apache.documents()
    assert b'"hours":23' in alone.pop(Key(apache.site, "day", date(2026, 3, 29), "read"))
    await apache.forget()
    assert len(await apache.made("--period", "2026-03-28")) == 4
    together = await apache.documents()
    assert len(together) == 4
    assert together.items() <= alone.items()


async def test_it_is_made_once(apache: FrozenSite) -> None:
    """A second run finds it there. Another machine, hour, zone and hash seed give the same bytes."""
    await apache.begin(history(apache.site))
    await apache.freeze("--kind", "week", "--period", "2026-03-28")
    first = await apache.documents()
    _, errors = await apache.freeze("--kind", "week", "--period", "2026-03-28", code=1)
    assert "is there; to correct it: --revise 2026-03-28" in errors
    assert await apache.documents() == first
    await apache.forget()
    assert not await apache.documents()
    other = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "LC_ALL": "C"}
    await apache.freeze("--kind", "week", "--period", "2026-03-28", environ=other)
    assert await apache.documents() == first


@pytest.mark.long
async def test_two_makers_at_once_and_kills(apache: FrozenSite) -> None:
    """Each key has one record, with the bytes that a quiet run gives; nothing of a killed run is seen."""
    await apache.begin(history(apache.site))
    words = ("--kind", "week", "--period", "2026-03-28")
    await apache.freeze(*words)
    quiet = await apache.documents()
    await apache.forget()
    before = len(await read(apache.bootstrap, TOPIC, 1))
    rng = random.Random(3)
    for _ in range(6):
        process = apache.start(*words)
        await asyncio.to_thread(_kill_after, process, rng.uniform(0.3, 2.5))
    several = [apache.start(*words) for _ in range(3)]
    ends = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in several))
    codes = [process.returncode for process in several]
    assert set(codes) <= {0, 1}, ends  # 1: another has begun, or made it
    if quiet.keys() - (await apache.documents()).keys():
        await apache.freeze(*words)
    assert await apache.documents() == quiet
    written = (await read(apache.bootstrap, TOPIC, 1))[before:]
    of_site = [record.key for record in written if record.key.startswith(apache.site.encode()) and record.value]
    assert sorted(of_site) == sorted(str(key).encode() for key in quiet)


def _kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


@pytest.mark.long
async def test_a_late_event_changes_nothing_but_late(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> None:
    """Appended a minute behind the close, it is counted as such; ten minutes behind it, not even that."""
    made, name = [], f"s{os.urandom(4).hex()}"
    for more_ms in (None, CLOSE + 60_000, CLOSE + 10 * 60_000):
        site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, site=name)
        log = {
            n: [raw for raw in some if not CLOSE <= raw.timestamp < CLOSE + LATE_MS]
            for n, some in history(name).items()
        }
        if more_ms:
            event = {"event_id": "late", "event_type": "view", "site_id": name, "article_id": "/1"}
            value = orjson.dumps(event | {"occurred_at": WEEK[1] - HOUR_MS})
            at = next(n for n, raw in enumerate(log[1]) if raw.timestamp >= more_ms)
            log[1].insert(at, Raw(0, more_ms, None, value))
        await site.begin(log)
        await site.freeze("--kind", "week", "--period", "2026-03-28")
        document = await site.document("week", "2026-03-28")
        await site.forget()
        made.append(document)
    plain, late, later = made
    assert (plain["late"], late["late"], later["late"]) == (0, 1, 0)
    for document in made:
        del document["late"], document["sha256"]
        del document["made_of"]["topic"], document["made_of"]["generation"]
        for part in document["made_of"]["partitions"]:
            del part["late_to"]
    assert plain == late == later


@pytest.mark.long
async def test_what_is_due(apache: FrozenSite) -> None:
    """All that is over and in the log; a day or week that the log does not wholly have is left, and named."""
    now_ms = checking.now_ms()
    log = {n: records(n, apache.site, now_ms - 10 * DAY_MS, now_ms, 500) for n in range(PARTITIONS)}
    await apache.begin(log)
    await apache.delete(0, 40)
    out, errors = await apache.freeze("--kind", "day")
    keys = await apache.documents()
    days = sorted({key.first for key in keys})
    assert (days[-1] - days[0]).days + 1 == len(days) >= 6
    assert f"Not made, since Kafka has deleted its records: {apache.site} day" in errors
    assert out.count("\n") == 2 * len(days)
    assert (await apache.freeze("--kind", "day"))[0] == "Nothing to make: all that is over is there.\n"
    document = await apache.document("day", str(days[1]))
    assert document["previous"] == str(days[0])
    assert {item["movement"] for item in document["items"]} <= {"up", "down", "same", "new"}
    before = str(date.fromordinal(days[0].toordinal() - 1))
    await apache.freeze("--kind", "day", "--period", before)
    cut = await apache.document("day", before)
    assert (cut["complete"], cut["lost"]) == (False, 0)
    assert (await apache.document("day", str(days[0])))["previous"] is None  # it stays as it was made


def metrics_of(file: Path) -> dict[str, str]:
    """What a run has written, without the time."""
    lines = (line.removeprefix("ranker_freeze_").split() for line in file.read_text().splitlines() if line[0] != "#")
    return {name: value for name, value in lines if "timestamp" not in name}


@pytest.mark.long
async def test_a_hole_is_an_error(apache: FrozenSite, tmp_path: Path) -> None:
    """Once there are documents, a period that can no longer be made whole needs somebody's attention; metrics say so."""
    file = tmp_path / "ranker_freeze.prom"
    metrics = ("--kind", "day", "--metrics", str(file))
    now_ms = checking.now_ms()
    log = {n: records(n, apache.site, now_ms - 10 * DAY_MS, now_ms, 500) for n in range(PARTITIONS)}
    await apache.begin(log)
    first = datetime.fromtimestamp((now_ms - 8 * DAY_MS) / 1000, UTC).date()
    await apache.freeze("--kind", "day", "--period", str(first))
    cut = next(raw.offset for raw in log[0] if raw.timestamp > now_ms - 6 * DAY_MS)
    await apache.delete(0, cut)
    _, errors = await apache.freeze(*metrics, code=1)
    assert "have the topic keep its records for longer" in " ".join(errors.split())
    made = len(await apache.documents())
    assert made > 6  # the others are made
    assert metrics_of(file) == {"failed": "0.0", "missing": "1.0", "made": f"{made - 2}.0"}
    assert (await apache.freeze(*metrics))[0].startswith("Nothing to make")  # reported once
    assert metrics_of(file) == {"failed": "0.0", "missing": "0.0", "made": "0.0"}
    await apache.freeze(*metrics, code=1, environ={"RANKER_REDIS_URL": f"redis://{HOST}:{free_port()}/0"})
    assert metrics_of(file) == {"failed": "1.0", "missing": "NaN", "made": "NaN"}
    _, errors = await apache.freeze("--metrics", str(tmp_path / "none" / "file"), code=2)
    assert "a file in a folder that exists" in " ".join(errors.split())
