"""Distributions of everything that has a histogram, under load, in fine steps: what the buckets are chosen from.

`python -m tests.bench.buckets SECONDS RATE` prints a table; `python -m tests.bench.buckets run PROGRAM WORDS…` is one process
with fine buckets instead of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deploy.local import children, waiting
from deploy.local.children import Child
from deploy.local.directories import run_directory
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port
from deploy.local.redis import RedisServer
from tests.bench import processes
from tests.support.http import ask

FINE = tuple(10 ** (-4 + step / 24) for step in range(24 * 11))
"""Each 10 % above the last: 0.1 ms to a day, or 1 to ten million."""
SHARES = (0.5, 0.9, 0.99)
READ = (
    "popular/read/24h?limit=20",
    "popular/read/7d",
    "popular/shared/24h",
    "article?id=/1",
    "popular/read/24h/feed.rss",
)
READS_PER_S = 50


def run(program: str, words: list[str]) -> None:
    """A command with fine buckets."""
    from dataclasses import replace

    from ranker.service import metrics

    own = metrics.Declared.made

    def fine(declared: metrics.Declared, registry: object) -> object:
        return own(replace(declared, buckets=FINE) if declared.buckets else declared, registry)  # type: ignore[arg-type]

    metrics.Declared.made = fine  # type: ignore[method-assign,assignment]
    if program == "ranker":
        from ranker.commands import main
    else:
        from producers.commands import main
    main(args=words, prog_name=program)


def _start(env: dict[str, str], directory: Path, program: str, command: str, *words: str) -> tuple[Child, int]:
    admin = free_port()
    argv = [sys.executable, "-m", "tests.bench.buckets", "run", program, command, "--admin-port", str(admin), *words]
    log = directory / f"{command}.log"
    return children.start(command, argv, log, {**processes.environment(), **env}), admin


def distributions(text: str) -> Iterator[tuple[str, int, dict[float, float]]]:
    """Name with its route, number, and the bound of each share, of the histograms that have observed anything."""
    for family in text_string_to_metric_families(text):
        if family.type != "histogram":
            continue
        rows: dict[str, list[tuple[float, float]]] = {}
        for one in family.samples:
            if one.name.endswith("_bucket"):
                rows.setdefault(one.labels.get("route", ""), []).append((float(one.labels["le"]), one.value))
        for route, row in rows.items():
            number = row[-1][1]
            if number:
                found = {share: next(bound for bound, count in row if count >= share * number) for share in SHARES}
                yield f"{family.name} {route}".strip(), int(number), found


def _kept(name: str) -> tuple[float, ...]:
    from tests.support.metrics_page import declared

    return next(one.buckets for one in declared() if one.name == name.partition(" ")[0])


def table(texts: list[str]) -> Iterator[str]:
    yield "| histogram | observations | p50 | p90 | p99 | buckets that they are in |"
    yield "|---|---|---|---|---|---|"
    for name, number, found in itertools.chain.from_iterable(map(distributions, texts)):
        bounds = _kept(name)
        within = [next((bound for bound in bounds if bound >= value), float("inf")) for value in found.values()]
        values = " | ".join(f"{value:.3g}" for value in found.values())
        yield f"| `{name}` | {number} | {values} | {', '.join(f'≤ {bound:g}' for bound in within)} |"


async def _read(port: int, seconds: float) -> None:
    """Some lists, some of them with an ETag's worth of misses: each request on a connection of its own."""
    until = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > until:
            return
        target = f"/v1/demo/{READ[number % len(READ)]}" + (f"&offset={number % 50}" if number % 5 == 0 else "")
        await asyncio.to_thread(ask, port, target)
        await asyncio.sleep(1 / READS_PER_S)


def measure(seconds: float, rate: float) -> list[str]:
    with run_directory() as directory, ExitStack() as running:
        kafka, redis = ApacheKafka(directory / "kafka"), RedisServer(directory / "redis")
        for server in (kafka, redis):
            running.callback(server.stop)
            server.start()
        config = directory / "ranker.toml"
        config.write_text("[sites.demo]\n")
        env = {
            "RANKER_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "RANKER_REDIS_URL": redis.url,
            "RANKER_CONFIG": str(config),
            "RANKER_WRITE_KEYS": "demo=key-of-demo-0123456789",
        }
        installed = {**os.environ, **processes.environment(), **env}
        subprocess.run(processes.ranker("topics", "apply"), env=installed, check=True, capture_output=True)
        port, collecting = free_port(), free_port()
        consumer, consumed = _start(env, directory, "ranker", "consume")
        reader, served = _start(env, directory, "ranker", "serve", "--port", str(port), "--drain-s", "0")
        spool = ("--spool", str(directory / "spool"))
        gate, collected = _start(env, directory, "producers", "collect", "--port", str(collecting), *spool)
        for child in (consumer, reader, gate):
            running.callback(child.kill)
        for admin in (consumed, served, collected):
            waiting.until("Readiness", lambda at=admin: _ready(at), 120.0)  # type: ignore[misc]
        words = ("--demo", "--rate", str(rate), "--duration", f"{seconds}s")
        simulate = processes.producers("simulate", *words, "--collector", f"http://127.0.0.1:{collecting}")
        traffic = children.start("simulate", simulate, directory / "simulate.log", {**processes.environment(), **env})
        running.callback(traffic.kill)
        try:
            waiting.until("The first list", lambda: ask(port, f"/v1/demo/{READ[0]}").status == 200, 120.0, pause_s=0.5)
        except waiting.NotInTime as late:
            tails = [child.tail() for child in (consumer, reader, gate, traffic)]
            raise waiting.NotInTime("\n".join([str(late), *tails])) from late
        asyncio.run(_read(port, seconds))
        return [ask(admin, "/metrics").body.decode() for admin in (consumed, served, collected)]


def _ready(admin: int) -> bool:
    try:
        return ask(admin, "/readyz").status in (200, 503) and ask(admin, "/metrics").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3:])
    else:
        print("\n".join(table(measure(float(sys.argv[1]), float(sys.argv[2])))))
