"""`make run` keeps its word to somebody who has just cloned the project."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local import children, waiting
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.options import COLLECTOR_PORT, DEFAULT_PORT
from deploy.local.ports import HOST, free_port, is_free, is_listening
from deploy.local.redis import RedisServer
from tests.support.tracked_site import AGENT

CHECKOUT = Path(__file__).parents[2]
OURS = ("KAFKA", "PORT", "TRAFFIC", "LOG", "PATTERN", "SITE", "RANKER_CONFIG")
SERVERS = ("RANKER_KAFKA_BOOTSTRAP", "RANKER_REDIS_URL", "RANKER_WRITE_KEYS")
TWO_MINUTES_S = 120.0
MEMORY_BYTES = 1_500_000_000

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("ranker").exists(),
    reason="ranker is not installed beside this Python: make test",
)


@dataclass
class Run:
    """A launcher under test; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def says(self, words: str, deadline_s: float = 30.0) -> re.Match[str]:
        """Wait for a line that begins with `words`, a regular expression."""

        def shown() -> re.Match[str] | None:
            assert self.process.poll() is None, f"it ended:\n{self.said()}"
            return re.search(f"^{words}", self.said(), re.MULTILINE)

        found = waiting.until(f"The line {words!r}", shown, deadline_s)
        assert found is not None
        return found

    def page(self) -> str:
        """Wait for the last start-up line and return the address in it."""
        return self.says(r"Page: (http://\S+)$", TWO_MINUTES_S)[1]

    def interrupt(self) -> int:
        """Press Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(10)

    def below(self) -> dict[int, str]:
        return children.descendants(self.process.pid)

    def pid_of(self, words: str) -> int:
        (pid,) = (pid for pid, command in self.below().items() if words in command)
        return pid


@contextlib.contextmanager
def make_run(tmp_path: Path, *before: str, **wishes: str) -> Iterator[Run]:
    """Start `make run`, or what it runs where the tests run from another environment than the checkout's.

    `before` is a command that runs what is appended to it.
    """
    ours = Path(sys.prefix) == CHECKOUT / ".venv"
    argv = ["make", "run"] if ours else [sys.executable, "-m", "deploy.local"]
    environment = {name: value for name, value in os.environ.items() if name not in (*OURS, *SERVERS)}
    environment |= {"TMPDIR": str(tmp_path), "PORT": str(free_port())} | wishes
    output = tmp_path / "said"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*before, *argv],
            cwd=CHECKOUT,
            env={name: value for name, value in environment.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Run(process, output)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ends_with(run: Run, deadline_s: float = 60.0) -> str:
    """Wait until the launcher has failed, and return what it said, which is no traceback."""
    assert waiting.until("The launcher's end", lambda: run.process.poll() is not None, deadline_s)
    assert run.process.returncode != 0
    assert "Traceback" not in run.said()
    return run.said()


def fetch(page: str, path: str) -> Any:
    with urllib.request.urlopen(f"{page}{path}", timeout=5.0) as reply:
        return json.load(reply)


def total(page: str, path: str) -> int:
    """Return the total of a list, 0 where there is none yet."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return int(fetch(page, path)["total"])
    return 0


def has_ten(page: str, path: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return len(fetch(page, path)["items"]) == 10
    return False


def collected(run: Run) -> int:
    """How many events the collector has accepted."""
    url = run.says(r"Collector +ready; metrics: (\S+)$")[1]
    with urllib.request.urlopen(url, timeout=5.0) as reply:
        found = re.findall(r"^collector_events_total{.*} (\S+)$", reply.read().decode(), re.MULTILINE)
    return int(sum(map(float, found)))


async def recount(bootstrap: str) -> list[dict[str, Any]]:
    """Every event of the log, to its end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition("page-views", p) for p in consumer.partitions_for_topic("page-views") or ()]
        consumer.assign(partitions)
        found: list[dict[str, Any]] = []
        # The embedded broker's end offsets can lag one batch: it is at its end when nothing comes.
        while records := await consumer.getmany(*partitions, timeout_ms=2_000):
            found += [orjson.loads(record.value) for batch in records.values() for record in batch]
        return found
    finally:
        await consumer.stop()


def memory_bytes(pids: list[int]) -> int:
    """Return the memory of the processes, what they share counted in shares."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return found


def all_gone(pids: list[int]) -> None:
    waiting.until("The end of every process", lambda: not any(map(children.is_running, pids)), 5.0)


def test_a_newcomer_sees_lists_that_move(tmp_path: Path) -> None:
    """In under two minutes and 1.5 GB: three lists of ten for both periods, which go on counting; Ctrl-C ends it all."""
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
        week = "v1/demo/popular/read/7d"
        waiting.until("A week of views", lambda: total(page, week) > 500_000, 60.0)
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
        log = await recount(run.says(r"Kafka +(\S+)")[1])
        by_http = [event for event in log if event.get("producer_id", "").startswith("collect")]
        assert len(by_http) == collected(run)
        assert sorted(event["sequence"] for event in by_http) == list(range(len(by_http)))
        live = [event for event in log if event.get("producer_id", "").startswith("simulate/")]
        assert 0.08 < len(by_http) / (len(by_http) + len(live)) < 0.12
        for board, kind in (("read", "view"), ("commented", "comment"), ("shared", "share")):
            path = f"v1/demo/popular/{board}/7d?limit=1000"

            def agrees(path: str = path, kind: str = kind) -> bool:
                answer = fetch(page, path)
                from_ms = datetime.fromisoformat(answer["window"]["from"]).timestamp() * 1000
                counts = Counter(
                    event["article_id"]
                    for event in log
                    if event["event_type"] == kind and event["occurred_at"] >= from_ms
                )
                return bool(counts) and {item["article_id"]: item["count"] for item in answer["items"]} == counts

            await asyncio.to_thread(waiting.until, f"{path} as the log has it", agrees, 30.0)


@pytest.mark.parametrize("port", [pytest.param(COLLECTOR_PORT, marks=pytest.mark.long), None])
def test_the_collector_is_there_without_traffic(tmp_path: Path, port: int | None) -> None:
    """A page and a server of one's own are counted, on the port that is told; also where the page has the usual one."""
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
def test_another_terminal_speaks_to_the_run(tmp_path: Path, given: str) -> None:
    """After sourcing the file that is told: the documented example, an event with the write key, yours or the run's."""
    with make_run(tmp_path, TRAFFIC="0", RANKER_WRITE_KEYS=given) as run:
        page = run.page()
        file = Path(run.says(r"Commands +in another terminal: \. (\S+)$")[1])
        assert file.stat().st_mode & 0o777 == 0o600
        key = run.says(r"Write key +(\S+)$")[1] if not given else given.partition("=")[2]
        collector = run.says(r"Collector +takes events of site demo: (\S+)/v1/events")[1]
        words = f'. {file} && python docs/producers/example.py && echo "key ${{RANKER_WRITE_KEYS#*=}}" && ranker check'
        plain = {"PATH": os.environ["PATH"], "TERM": "dumb"}
        done = subprocess.run(["sh", "-c", words], cwd=CHECKOUT, env=plain, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "5 events of example/" in done.stdout
        assert f"key {key}\n" in done.stdout
        body = b'{"article_id":"/mine","event_type":"comment","value":3}'
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "User-Agent": AGENT}
        with urllib.request.urlopen(urllib.request.Request(f"{collector}/v1/events", body, headers)) as reply:
            assert reply.status == 202
        waiting.until("Three comments counted", lambda: total(page, "v1/demo/popular/commented/24h") == 3, 30.0)
        assert fetch(page, "v1/demo")["title"] == "demo", "the title is the demonstration's"
        run.interrupt()
    assert not file.exists()


def test_a_run_in_the_background_of_a_script_is_stopped_by_sigint(tmp_path: Path) -> None:
    """A shell without job control starts what it puts behind `&` with SIGINT ignored; it counts all the same."""
    with make_run(tmp_path, "sh", "-c", 'trap "" INT; exec "$@"', "sh", TRAFFIC="0") as run:
        run.says("Redis ")
        pids = list(run.below())
        assert run.interrupt() == 0
        all_gone(pids)


@pytest.mark.parametrize("killed", ["the launcher", "make"])
def test_a_killed_launcher_takes_its_processes_along(tmp_path: Path, killed: str) -> None:
    """kill -9 of the launcher, or of the make that runs it, and every process it started ends."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.page()
        pids = list(run.below())
        # Redis, the broker, the consumer, the reader and the collector, at least.
        assert len(pids) >= 5
        by_make = Path(sys.prefix) == CHECKOUT / ".venv"
        pid = run.pid_of("-m deploy.local") if by_make and killed == "the launcher" else run.process.pid
        os.kill(pid, signal.SIGKILL)
        all_gone(pids)


def test_a_dead_program_is_named_and_ends_the_run(tmp_path: Path) -> None:
    """One sentence says which process died; the others are ended; the exit code is not 0."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.page()
        pids = list(run.below())
        os.kill(run.pid_of("ranker consume"), signal.SIGKILL)
        assert "make run: The consumer was killed (signal 9)" in ends_with(run)
        all_gone(pids)


def test_a_server_that_dies_while_others_start_is_named(tmp_path: Path) -> None:
    """A death is noticed while something else is waited for, and does not become that one's failure."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.says("Topics ")
        (store,) = (pid for pid, command in run.below().items() if re.search("redis-server|valkey-server", command))
        os.kill(store, signal.SIGKILL)
        assert re.search(r"make run: The (Redis|Valkey) server was killed \(signal 9\)", ends_with(run))


def test_a_port_asked_for_and_taken_is_an_error_with_the_fix(tmp_path: Path) -> None:
    """PORT= that is taken: the sentence names the port and how to choose another; nothing was started."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with make_run(tmp_path, PORT=str(port)) as run:
            said = ends_with(run)
            assert f"Port {port} is taken" in said
            assert "PORT=" in said


def test_the_default_port_taken_is_said_and_another_chosen(tmp_path: Path) -> None:
    """Nobody asked for 8080: where it is taken, a free port does. Ctrl-C while it starts ends it all the same."""
    with contextlib.ExitStack() as stack:
        if is_free(DEFAULT_PORT):
            stack.enter_context(socket.create_server((HOST, DEFAULT_PORT)))
        with make_run(tmp_path, TRAFFIC="0", PORT="") as run:
            chosen = run.says(rf"Port {DEFAULT_PORT} is taken by another program; taking (\d+)")[1]
            assert is_free(int(chosen))
            run.says("Kafka ")
            pids = list(run.below())
            run.interrupt()
            all_gone(pids)


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"KAFKA": "rabbit"}, "KAFKA=rabbit is not known: it is embedded or apache"),
        ({"PORT": "http"}, "PORT=http is no port"),
        ({"SITE": "Le Site"}, "SITE=Le Site is no site"),
        ({"LOG": "no-such.log", "PATTERN": "/(.+)"}, "LOG=no-such.log is not a file"),
        ({"LOG": "Makefile"}, "LOG needs PATTERN"),
        ({"LOG": "Makefile", "PATTERN": "(open"}, "PATTERN=(open is no regular expression"),
        ({"RANKER_WRITE_KEYS": "demo=short"}, "RANKER_WRITE_KEYS: entry 1 is not site=secret"),
        ({"RANKER_WRITE_KEYS": f"other={'k' * 16}"}, "RANKER_WRITE_KEYS: site 'other' has no [sites.other] table"),
    ],
)
def test_an_impossible_wish_is_refused_in_a_sentence(tmp_path: Path, wishes: dict[str, str], sentence: str) -> None:
    """What cannot be is said before anything starts."""
    with make_run(tmp_path, **wishes) as run:
        assert sentence in ends_with(run)


def test_a_missing_tool_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    """Without Java, KAFKA=apache says what to install."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("make", "sh", "cat", "cksum", "dirname", "pwd", "grep", "python3", "setpriv"):
        with contextlib.suppress(FileExistsError, StopIteration):
            found = next(path for path in map(Path, (f"/usr/bin/{tool}", f"/bin/{tool}")) if path.exists())
            (bare / tool).symlink_to(found)
    with make_run(tmp_path, KAFKA="apache", PATH=str(bare), JAVA_HOME="") as run:
        said = ends_with(run)
        assert "needs Java" in said
        assert "apt-get install" in said


def test_a_log_of_ones_own_on_servers_of_ones_own(tmp_path: Path, redis_url: str) -> None:
    """LOG and PATTERN make a list of that log; named servers are used, and none started."""
    line = '192.0.2.{} - - [23/Nov/2026:10:00:0{} +0000] "GET /essays/{} HTTP/1.1" 200 10 "-" "Mozilla/5.0"\n'
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
def test_it_runs_on_apache_kafka(tmp_path: Path, kafka_apache: object, redis_server: RedisServer) -> None:
    """KAFKA=apache starts Apache Kafka instead of the embedded broker."""
    assert kafka_apache, "the fixture says whether this machine can"
    assert redis_server.running
    with make_run(tmp_path, KAFKA="apache", TRAFFIC="0") as run:
        run.page()
        assert "(Apache Kafka broker)" in run.said()
        assert any("kafka.Kafka" in command for command in run.below().values())
        run.interrupt()
