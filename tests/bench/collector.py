"""A collector under measurement: its process, its port, its metrics; and a client process that posts events to it."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deploy.local import children, waiting
from deploy.local.children import Child
from deploy.local.ports import HOST, free_port
from tests.bench import processes
from tests.bench.stack import Stack

KEY = "bench-" + "k" * 32
CONFIG = """
[sites.demo]
origins = ["https://www.demo.example"]
[collect]
client_events_s = 1000000
client_burst = 1000000
key_events_s = 10000000
new_articles_per_minute = 1000000
new_articles_burst = 1000000
repeats_kb_per_minute = 1000000
spool_mb = 1024
"""


@dataclass
class Collector:
    """How to start one, again and again, on the same ports and the same spool."""

    argv: list[str]
    port: int
    admin_port: int
    log: Path
    env: dict[str, str]

    @contextlib.contextmanager
    def running(self) -> Iterator[Child]:
        """A process that answers, for as long as the block."""
        with processes.running("producers collect", self.argv, self.log, self.env) as child:

            def answers() -> bool:
                processes.check(child)
                with contextlib.suppress(OSError):
                    self.metrics()
                    return True
                return False

            waiting.until("The start of the collector", answers, 60.0)
            yield child

    def metrics(self) -> dict[str, float]:
        """Values by name, labels left out: the sum of all series of a name."""
        with urllib.request.urlopen(f"http://{HOST}:{self.admin_port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found


def collector(stack: Stack, topic: str, *, writes: bool = True) -> Collector:
    """A collector for `topic`; with `writes` false the same server, which answers 202 and writes nothing."""
    env = {**stack.configure(topic, CONFIG), "RANKER_WRITE_KEYS": f"demo={KEY}"}
    port, admin_port = free_port(), free_port()
    words = ["--port", str(port), "--admin-port", str(admin_port), "--name", "bench", "--log-level", "warning"]
    words += ["--spool", str(stack.directory / f"spool-{topic}-{port}")]
    argv = processes.producers("collect", *words) if writes else processes.module("tests.bench.swallowing", *words)
    return Collector(argv, port, admin_port, stack.directory / f"collect-{topic}.log", env)


@dataclass(frozen=True)
class Posted:
    """What a client of `tests.bench.posting` saw. `accepted` are the numbers of the requests answered with 202."""

    seconds: float
    away_s: float
    p50_ms: float
    p99_ms: float
    accepted: Sequence[int]
    refused: int
    unanswered: int


def posting(port: int, events: int, connections: int, requests: int, seconds: float, log: Path) -> Child:
    """Start a client that posts requests of so many events each, until so many were accepted or the time is over."""
    log.unlink(missing_ok=True)
    words = (str(port), KEY, str(events), str(connections), str(requests), str(seconds))
    return children.start("the client", processes.module("tests.bench.posting", *words), log, processes.environment())


def posted(client: Child, within_s: float) -> Posted:
    """Wait for its end, and what it saw."""
    try:
        waiting.until("The end of the client", lambda: client.returncode() is not None, within_s)
    finally:
        client.kill()
    if client.returncode() != 0:
        raise RuntimeError(f"the client failed: {client.tail()}")
    return Posted(**json.loads(client.log.read_text()))
