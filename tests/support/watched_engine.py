"""Every process that Prometheus scrapes, under traffic: two consumers, two readers, a collector, results of `ranker verify`."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.children import Child
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from deploy.local.supervisor import Supervisor
from tests.bench import processes
from tests.support.http import ask
from tests.support.prometheus import Prometheus

KEY = "key-of-demo-0123456789"
ORIGIN = "https://www.demo.example"
CONFIG = """
topic = "page-views"
[rules]
preset = "press"
[kafka]
session_timeout_ms = 6000
[consume]
dead_stretch = {dead_stretch}
[collect]
new_articles_per_minute = 100
[sites.demo]
origins = ["https://www.demo.example"]
hosts = ["stats.demo.example"]
visitors = true
[sites.demo.beacons]
matomo = 3
goatcounter = "stats.demo.example"
"""
ODD = ("--bot", ".08", "--late", ".01", "--future", ".005", "--duplicate", ".02", "--broken", ".003")
"""Shares of the traffic that give every count of the producers' screen something to show."""
READY_S = 60.0


class WatchedEngine:
    """`start` returns when all are ready. Each consumer and reader has its number; Redis has a limit of 256 MiB."""

    def __init__(
        self,
        directory: Path,
        prometheus: Path,
        *,
        rules: Sequence[Path] = (),
        interval_s: float = 1.0,
        dead_stretch: int = 1000,
    ) -> None:
        """`prometheus` is the program, which scrapes and evaluates `rules` each `interval_s`; `dead_stretch` as in ranker.toml."""
        self.directory = directory
        self.config = directory / "ranker.toml"
        self.config.write_text(CONFIG.format(dead_stretch=dead_stretch))
        self.kafka = ApacheKafka(directory / "kafka", starts_soon=True)
        self.redis = RedisServer(directory / "redis", extra=("--maxmemory", "256mb"))
        environment = {
            **processes.environment(),
            "RANKER_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "RANKER_REDIS_URL": self.redis.url,
            "RANKER_CONFIG": str(self.config),
            "RANKER_WRITE_KEYS": f"demo={KEY}",
        }
        self.supervisor = Supervisor(directory, environment)
        self.readers = [free_port(), free_port()]
        self.collector = free_port()
        self._verified = free_port()
        self._admin = {name: free_port() for name in ("consumer 1", "consumer 2", "reader 1", "reader 2", "collector")}
        self._random = random.Random(1)
        self._children: dict[str, Child] = {}
        targets = {
            "ranker-consume": [self._address("consumer 1"), self._address("consumer 2")],
            "ranker-serve": [self._address("reader 1"), self._address("reader 2")],
            "ranker-collect": [self._address("collector")],
            "node": [f"{HOST}:{self._verified}"],
        }
        self.prometheus = Prometheus(prometheus, directory / "prometheus", targets, rules, interval_s)

    def _address(self, name: str) -> str:
        return f"{HOST}:{self._admin[name]}"

    def start(self) -> None:
        for server in (self.kafka, self.redis):
            self.supervisor.add(server)
        self.supervisor.run("topics", [*processes.ranker("topics", "apply")])
        for name in self._admin:
            self.launch(name)
        for name, child in self._children.items():
            self.supervisor.until_ready(child, self._admin[name], READY_S)
        # What node_exporter would serve of its textfile directory.
        files = self.directory / "textfile"
        files.mkdir()
        argv = [sys.executable, "-m", "http.server", "--bind", HOST, "--directory", str(files), str(self._verified)]
        self.supervisor.start("textfile", [*argv])
        self.prometheus.start()

    def launch(self, name: str) -> None:
        """Starts one of the processes, again if it was ended."""
        admin = ["--admin-port", str(self._admin[name])]
        kind, _, number = name.partition(" ")
        if kind == "consumer":
            argv = processes.ranker("consume", *admin)
        elif kind == "reader":
            port = self.readers[int(number) - 1]
            argv = processes.ranker("serve", *admin, "--host", HOST, "--port", str(port), "--drain-s", "0")
        else:
            where = ["--host", HOST, "--port", str(self.collector), "--spool", str(self.directory / "spool")]
            argv = processes.producers("collect", *admin, *where)
        self._children[name] = self.supervisor.start(name, [*argv], may_end=True)

    def end(self, name: str) -> None:
        """Ends one of the processes as an operator would."""
        self._children[name].stop(10.0)

    def simulate(self, *more: str) -> None:
        """Live traffic of many kinds, a fifth of it through the collector, until the end."""
        way = ["--collector", f"http://{HOST}:{self.collector}", "--collector-share", ".2"]
        argv = processes.producers("simulate", "--demo", *way, *ODD, *more)
        self.supervisor.start("traffic", [*argv])

    def verify(self) -> int:
        """Recounts the log; its metrics are scraped from then on. Returns its exit code: 1 if there are differences."""
        file = self.directory / "textfile" / "metrics"
        child = self.supervisor.start("verify", [*processes.ranker("verify", "--metrics", str(file))], may_end=True)
        return child.process.wait(120)

    def stop(self) -> None:
        self.prometheus.kill()
        self.supervisor.stop(5.0)

    # what pages and readers do

    def odd_requests(self) -> None:
        """To the collector: some that are refused, with an event that is not taken, prefetched, or beacons of others."""
        page = {"Origin": ORIGIN, "Content_Type": "text/plain"}
        view = {"event_type": "view", "article_id": f"/{self._random.randrange(20)}"}
        elsewhere = page | {"Origin": "https://elsewhere.example"}
        url = f"https%3A%2F%2Fwww.demo.example{view['article_id']}"
        requests: list[tuple[float, str, str | None, dict[str, str]]] = [
            (0.2, "/v1/events", json.dumps(view), elsewhere),
            (0.3, "/v1/events", json.dumps([view, view | {"event_type": "?"}]), page),
            (0.5, "/v1/events", json.dumps(view), page | {"Sec_Purpose": "prefetch"}),
            (0.9, f"/matomo.php?idsite=3&rec=1&url={url}", None, {"Referer": f"{ORIGIN}/"}),
            (0.4, f"/matomo.php?idsite=3&rec=1&e_c=video&e_a=play&url={url}", None, {"Referer": f"{ORIGIN}/"}),
            (0.7, f"/count?p={view['article_id']}", None, {"Host": "stats.demo.example"}),
        ]
        for share, target, body, headers in requests:
            if self._random.random() < share:
                self._collect(target, body, **headers)

    def _collect(self, target: str, body: str | None, **headers: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(self.collector, target, "GET" if body is None else "POST", body, **headers)

    @contextmanager
    def read(self, pause_s: float, streams: int = 3) -> Iterator[None]:
        """Pages that ask for lists of both readers each `pause_s`, and `streams` open at each; they begin again if cut."""
        ended = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(pause_s, ended))]
        threads += [
            threading.Thread(target=_stream, args=(port, ended)) for port in self.readers for _ in range(streams)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _ask(self, pause_s: float, ended: threading.Event) -> None:
        targets = ["popular/read/24h", "popular/shared/24h", "popular/read/7d?limit=5", "popular/nothing/24h"]
        number = 0
        while not ended.wait(pause_s):
            number += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(self.readers[number % 2], f"/v1/demo/{targets[number // 2 % 4]}")


def _stream(port: int, ended: threading.Event) -> None:
    while not ended.wait(0.5):
        connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/v1/demo/popular/read/24h/stream")
            reply = connection.getresponse()
            assert connection.sock is not None
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    if not reply.read1():
                        break


@contextmanager
def watched(directory: Path, prometheus: Path, rules: Sequence[Path], interval_s: float) -> Iterator[WatchedEngine]:
    engine = WatchedEngine(directory, prometheus, rules=rules, interval_s=interval_s)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
