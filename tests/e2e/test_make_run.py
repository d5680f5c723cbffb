"""`make run` keeps its word to somebody who has just cloned the project."""

import asyncio
import contextlib
import http.client
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import waiting
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.options import COLLECTOR_PORT
from deploy.local.ports import is_listening
from deploy.local.redis import RedisServer
from ranker.log import admin
from tests.support.kafka_at import kafka_at
from tests.support.make_run import CHECKOUT, TWO_MINUTES_S, Run, all_gone, fetch, make_run, needs_ranker, total
from tests.support.tracked_site import AGENT

pytestmark = needs_ranker

MEMORY_BYTES = 1_500_000_000


def has_ten(page: str, path: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return len(fetch(page, path)["items"]) == 10
    return False


def best_of_weeks(page: str) -> Any:
    """The latest week's document, once there are two: readers see them a moment after they are made."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        if fetch(page, "v1/demo/best-of?kind=week")["periods"] == 2:
            return fetch(page, "v1/demo/best-of/week/latest")
    return None


def collected(run: Run) -> int:
    """How many events the collector has accepted."""
    url = run.says(r"Collector +ready; metrics: (\S+)$")[1]
    with urllib.request.urlopen(url, timeout=5.0) as reply:
        found = re.findall(r"^collector_events_total{.*} (\S+)$", reply.read().decode(), re.MULTILINE)
    return int(sum(map(float, found)))


async def recount(bootstrap: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every event of the log, to its end, and those that no rule drops."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition("page-views", p) for p in consumer.partitions_for_topic("page-views") or ()]
        consumer.assign(partitions)
        found: dict[TopicPartition, list[dict[str, Any]]] = {partition: [] for partition in partitions}
        # The embedded broker's end offsets can lag one batch: it is at its end when nothing comes.
        while records := await consumer.getmany(*partitions, timeout_ms=2_000):
            for partition, batch in records.items():
                found[partition] += [orjson.loads(record.value) for record in batch]
        log = [event for events in found.values() for event in events]
        return log, [event for events in found.values() for event in counted(events)]
    finally:
        await consumer.stop()


def counted(events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of one partition that preset press counts; they come in the order of time, so that none is settled."""
    seen: set[tuple[object, ...]] = set()
    for event in events:
        hour = event["site_id"], event["article_id"], event["event_type"], event["occurred_at"] // 3_600_000
        event_key, reader_key = (*hour, "event", event["event_id"]), (*hour, "reader", event.get("repeat_key"))
        again = event_key in seen
        seen.add(event_key)
        if again or event.get("agent_class") in ("bot", "internal"):
            continue
        if event["event_type"] == "view" and event.get("repeat_key"):
            if reader_key in seen:
                continue
            seen.add(reader_key)
        yield event


def memory_bytes(pids: list[int]) -> int:
    """Return the memory of the processes, what they share counted in shares."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return found


def test_a_newcomer_sees_lists_that_move(tmp_path: Path) -> None:
    """In under two minutes and 1.5 GB: three lists of ten for both windows, which go on counting; Ctrl-C ends it all.

    And the best of two whole weeks, and of each of their days and those since.
    """
    began = time.monotonic()
    with make_run(tmp_path) as run:
        page = run.page()
        assert time.monotonic() - began < TWO_MINUTES_S
        assert run.said().rstrip().endswith(f"Page: {page}")
        with urllib.request.urlopen(page, timeout=5.0) as reply:
            text = reply.read().decode()
            assert "Articles populaires" in text
            assert "Le Journal de démonstration" in text
        for board in ("read", "commented", "shared"):
            for window in ("24h", "7d"):
                path = f"v1/demo/popular/{board}/{window}"
                waiting.until(f"Ten places of {path}", partial(has_ten, page, path), 30.0)
        assert 14 <= int(run.says(r"Best of +2 weeks and (\d+) days frozen$")[1]) <= 21
        latest = waiting.until("The best of two weeks", partial(best_of_weeks, page), 30.0)
        assert len(latest["items"]) > 50
        assert {item["movement"] for item in latest["items"]} >= {"up", "down", "new"}
        assert (latest["period"]["zone"], latest["complete"], latest["late"]) == ("Europe/Paris", True, 0)
        week = "v1/demo/popular/read/7d"
        waiting.until("A week of views", lambda: total(page, week) > 60_000, 60.0)
        before = total(page, week)
        waiting.until("Live views counted", lambda: total(page, week) > before, 10.0)
        waiting.until("Events by the collector", lambda: collected(run) > 0, 10.0)
        pids = list(run.below())
        assert memory_bytes([run.process.pid, *pids]) < MEMORY_BYTES
        run.interrupt()
        all_gone(pids)
    assert "Traceback" not in run.said()
    assert not list(tmp_path.glob("popularity-ranker*")), "the run's directory is left"


@pytest.mark.long
async def test_a_share_of_the_traffic_goes_by_the_collector(tmp_path: Path) -> None:
    """Of the live events about a tenth; with them the lists are the recount of the log, and none of its numbers is missing."""
    with make_run(tmp_path) as run:
        page = await asyncio.to_thread(run.page)
        await asyncio.to_thread(waiting.until, "A hundred events by the collector", lambda: collected(run) >= 100, 60.0)
        # No events any more, and those under way arrive: the recount has an end.
        os.kill(run.pid_of("producers simulate"), signal.SIGSTOP)
        log, kept = await recount(run.says(r"Kafka +(\S+)")[1])
        by_http = [event for event in log if event.get("producer_id", "").startswith("collect")]
        assert len(by_http) == collected(run)
        assert sorted(event["sequence"] for event in by_http) == list(range(len(by_http)))
        live = [event for event in log if event.get("producer_id", "").startswith("simulate/")]
        assert 0.08 < len(by_http) / (len(by_http) + len(live)) < 0.12
        assert 0.8 < len(kept) / len(log) < 0.92
        for board, kind in (("read", "view"), ("commented", "comment"), ("shared", "share")):
            path = f"v1/demo/popular/{board}/7d?limit=1000"

            def agrees(path: str = path, kind: str = kind) -> bool:
                answer = fetch(page, path)
                from_ms = datetime.fromisoformat(answer["window"]["from"]).timestamp() * 1000
                counts = Counter(
                    event["article_id"]
                    for event in kept
                    if event["event_type"] == kind and event["occurred_at"] >= from_ms
                )
                return bool(counts) and {item["article_id"]: item["count"] for item in answer["items"]} == counts

            await asyncio.to_thread(waiting.until, f"{path} as the log has it", agrees, 30.0)


@pytest.mark.parametrize("port", [pytest.param(COLLECTOR_PORT, marks=pytest.mark.long), None])
@pytest.mark.long
def test_the_collector_is_there_without_traffic(tmp_path: Path, port: int | None) -> None:
    """A page and a server of one's own are counted, on the port that is printed; also if the page has the usual one."""
    key = "a-write-key-of-ones-own"
    wishes = {"TRAFFIC": "0", "RANKER_WRITE_KEYS": f"demo={key}"} | ({} if port is None else {"PORT": str(port)})
    with make_run(tmp_path, **wishes) as run:
        page = run.page()
        collector = run.says(r"Collector +takes events of site demo: (\S+)/v1/events")[1]
        if port is not None:
            assert run.says(rf"Port {port} is taken by the page; taking (\d+)")[1] in collector
        # Python's own word for itself is a bot's.
        headers = {"Origin": "http://localhost:8000", "Content-Type": "text/plain", "User-Agent": AGENT}
        body = b'{"article_id":"/mine","event_type":"comment"}'
        asked = urllib.request.Request(f"{collector}/v1/events", body, headers)
        with urllib.request.urlopen(asked, timeout=5.0) as reply:
            assert reply.status == 202
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"{collector}/v1/events", body, headers)
        with urllib.request.urlopen(asked, timeout=5.0) as reply:
            assert reply.status == 202
        path = "v1/demo/popular/commented/24h"
        waiting.until("Both comments counted", lambda: total(page, path) == 2, 30.0)


@pytest.mark.parametrize("given", ["", pytest.param("demo=a-key-of-ones-own-0123456789", marks=pytest.mark.long)])
@pytest.mark.long
def test_another_terminal_speaks_to_the_run(tmp_path: Path, given: str) -> None:
    """After sourcing the file that is printed: the documented example, an event with the write key, yours or the run's."""
    with make_run(tmp_path, TRAFFIC="0", RANKER_WRITE_KEYS=given) as run:
        page = run.page()
        file = Path(run.says(r"Commands +in another terminal: \. (\S+)$")[1])
        assert file.stat().st_mode & 0o777 == 0o600
        key = run.says(r"Write key +(\S+)$")[1] if not given else given.partition("=")[2]
        collector = run.says(r"Collector +takes events of site demo: (\S+)/v1/events")[1]
        plain = {"PATH": os.environ["PATH"], "TERM": "dumb"}

        def sourced(words: str) -> subprocess.CompletedProcess[str]:
            words = f". {file} && {words}"
            return subprocess.run(
                ["sh", "-c", words], cwd=CHECKOUT, env=plain, capture_output=True, text=True, check=False
            )

        done = sourced('python docs/producers/example.py && echo "key ${RANKER_WRITE_KEYS#*=}"')
        assert done.returncode == 0, done.stderr
        assert "5 events of example/" in done.stdout
        assert f"key {key}\n" in done.stdout
        body = b'{"article_id":"/mine","event_type":"comment","value":3}'
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "User-Agent": AGENT}
        with urllib.request.urlopen(urllib.request.Request(f"{collector}/v1/events", body, headers)) as reply:
            assert reply.status == 202
        waiting.until("Three comments counted", lambda: total(page, "v1/demo/popular/commented/24h") == 3, 30.0)
        assert fetch(page, "v1/demo")["title"] == "demo", "the title is the demonstration's"
        # A partition of a young run may not have begun yet, which `check` rightly calls a fault.
        waiting.until("`ranker check` finds no fault", lambda: sourced("ranker check").returncode == 0, 30.0)
        run.interrupt()
    assert not file.exists()


@pytest.mark.long
def test_a_log_of_ones_own_on_servers_of_ones_own(tmp_path: Path, redis_url: str) -> None:
    """LOG and PATTERN make a list of that log; named servers are used, and none started."""
    line = '192.0.2.{} - - [23/Nov/2026:10:00:0{} +0000] "GET /essays/{} HTTP/1.1" 200 10 "-" "Mozilla/5.0 (X11; Linux) Firefox/140.0"\n'
    log = tmp_path / "access.log"
    log.write_text("".join(line.format(n, n, article) for n, article in enumerate(["moon", "sea", "moon"])))
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    servers = {"RANKER_REDIS_URL": redis_url, "RANKER_KAFKA_BOOTSTRAP": broker.bootstrap}
    try:
        with make_run(tmp_path, LOG=str(log), PATTERN="^/essays/([a-z]+)$", SITE="blog", **servers) as run:
            page = run.page()
            path = "v1/blog/popular/read/24h"
            waiting.until("Three views counted", lambda: total(page, path) == 3, 30.0)
            assert [(item["article_id"], item["count"]) for item in fetch(page, path)["items"]] == [
                ("moon", 2),
                ("sea", 1),
            ]
            started = " ".join(run.below().values())
            assert "tansu" not in started
            assert "redis-server" not in started
            run.interrupt()
        assert is_listening(broker.port), "a server that was not ours was ended"
    finally:
        broker.stop()


@pytest.mark.long
async def test_it_runs_on_apache_kafka(tmp_path: Path, kafka_apache: object, redis_server: RedisServer) -> None:
    """KAFKA=apache starts Apache Kafka instead of the embedded broker: with the past's times, and its own behind it."""
    assert kafka_apache, "the fixture says whether this machine can"
    assert redis_server.running
    with make_run(tmp_path, KAFKA="apache") as run:
        page = await asyncio.to_thread(run.page)
        assert "(Apache Kafka broker)" in run.said()
        assert any("kafka.Kafka" in command for command in run.below().values())
        assert run.says(r"Best of +2 weeks and \d+ days frozen$")
        await asyncio.to_thread(waiting.until, "The best of two weeks", partial(best_of_weeks, page), 30.0)
        week = "v1/demo/popular/read/7d"
        await asyncio.to_thread(waiting.until, "A week of views", lambda: total(page, week) > 60_000, 60.0)
        assert fetch(page, week)["complete"] is True, "Kafka has deleted what was not read"
        async with admin.connected(kafka_at(run.says(r"Kafka +(\S+)")[1])) as log:
            topic = (await log.topics(["page-views"]))["page-views"]
        assert topic.config["message.timestamp.type"] == "LogAppendTime"
        run.interrupt()
