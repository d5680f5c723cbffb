"""Requests per second and p99 of the reader's list, beside a bare ASGI application on the same server options."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local import waiting
from deploy.local.children import Child
from deploy.local.ports import free_port
from ranker import settings
from ranker.core.generation import Generation
from ranker.store.connection import connect
from tests.bench import ids, load, processes
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.shards import begin, homes
from tests.bench.stack import Stack
from tests.bench.traffic import ARTICLES, SITE

CONNECTIONS = 32
PARTITIONS = 4
PATH = f"/v1/{SITE}/popular/read/24h"
FRESH = "[serve]\nstale_after_s = 3600\ngone_after_s = 7200\n"
"""No consumer moves the clock of the made-up counts: without this they would turn stale while they are measured."""


@dataclass(frozen=True)
class Turn:
    """What the client saw in some seconds, and what the server spent."""

    per_s: float
    p99_ms: float
    faults: int
    cpu_us: float


def run(stack: Stack, repeats: int, quick: bool, progress: Progress) -> Part:
    """Reader and bare application take turns, `2 * repeats + 1` times; the ratio is taken pair by pair."""
    pairs, seconds = (2, 1) if quick else (2 * repeats + 1, 4)
    stack.empty_redis()
    env = stack.configure("bench-reader", FRESH)
    asyncio.run(_fill(stack.redis.url, settings.load(env["RANKER_CONFIG"], env).generation))
    log, answer = stack.directory / "client.log", stack.directory / "answer.json"
    with contextlib.ExitStack() as running, progress.task("the reader beside a bare application", pairs) as done:
        port, bare_port = free_port(), free_port()
        argv = processes.ranker("serve", "--port", str(port), "--admin-port", "0")
        served = running.enter_context(processes.running("ranker serve", argv, stack.directory / "serve.log", env))
        content = _first_body(served, port)
        answer.write_bytes(content)
        argv = processes.module("tests.bench.bare", str(bare_port), str(answer))
        bare = running.enter_context(processes.running("the bare application", argv, stack.directory / "bare.log", {}))
        _first_body(bare, bare_port)
        urls = [f"http://127.0.0.1:{each}{PATH}" for each in (port, bare_port)]
        for url in urls:
            load.run(url, CONNECTIONS, 1, log)
        measured: list[tuple[Turn, Turn]] = []
        for _ in range(pairs):
            ours, theirs = (_turn(url, child, seconds, log) for url, child in zip(urls, (served, bare), strict=True))
            measured.append((ours, theirs))
            done(1)
    stack.empty_redis()
    return _part(measured, len(content), seconds)


def _turn(url: str, child: Child, seconds: int, log: Path) -> Turn:
    cpu = processes.cpu_s(child.pid)
    seen = load.run(url, CONNECTIONS, seconds, log)
    return Turn(seen.per_s, seen.p99_ms, seen.faults, 1e6 * (processes.cpu_s(child.pid) - cpu) / (seen.per_s * seconds))


def _part(measured: list[tuple[Turn, Turn]], size: int, seconds: int) -> Part:
    faults = sum(one.faults for pair in measured for one in pair)
    if faults:
        raise RuntimeError(f"{faults} requests of the bench were not answered as they should be")
    part = Part("reader")
    ratios = [ours.per_s / bare.per_s for ours, bare in measured]
    for index, name in enumerate(("ranker serve", "bare application")):
        each = [pair[index] for pair in measured]
        part.add(f"{name}: requests", statistics.median(one.per_s for one in each), "per s")
        part.add(f"{name}: p99", statistics.median(one.p99_ms for one in each), "ms")
        part.add(f"{name}: CPU per request", statistics.median(one.cpu_us for one in each), "us")
    spread = f"pair by pair: {', '.join(f'{ratio:.3g}' for ratio in sorted(ratios))}"
    part.add("requests, reader / bare", statistics.median(ratios), "times", ">= 0.9", spread)
    part.add("p99, reader / bare", statistics.median(ours.p99_ms / bare.p99_ms for ours, bare in measured), "times")
    cpu = statistics.median(bare.cpu_us / ours.cpu_us for ours, bare in measured)
    part.add("requests per CPU second, reader / bare", cpu, "times", beside="what other processes take is not in it")
    part.notes.append(
        f"{CONNECTIONS} connections, {size:,} bytes of body, {len(measured)} pairs of {seconds} s in turn, client: "
        f"{load.tool()}. The reader refreshes once a second meanwhile and sends an ETag and Cache-Control as well; client "
        "and server share the cores."
    )
    if load.tool() != "wrk":
        part.notes.append("wrk is not on this machine: the client is the slower half (Debian: apt-get install wrk).")
    part.details["pairs"] = [[asdict(turn) for turn in pair] for pair in measured]
    return part


async def _fill(url: str, generation: Generation) -> None:
    now_ms = int(time.time() * 1000)
    articles = ids.article_ids(ARTICLES, "7")
    at = homes(articles, PARTITIONS)
    counts = ids.expected(ARTICLES, 1_000_000)
    async with connect(url) as client:
        for number, shard in enumerate(await begin(client, generation, PARTITIONS, now_ms)):
            here = [(rank, article) for rank, article in enumerate(articles) if at[article] == number]
            of_kind = {kind: {article: each[rank] for rank, article in here} for kind, each in counts.items()}
            await shard.count(now_ms // generation.windows[0].grain_ms, of_kind)


def _first_body(child: Child, port: int) -> bytes:
    def body() -> bytes:
        processes.check(child)
        return _body(port)

    return waiting.until(f"the first answer of {child.name}", body, 60.0)


def _body(port: int) -> bytes:
    """The answer to PATH, empty while there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    with contextlib.suppress(OSError), contextlib.closing(connection):
        connection.request("GET", PATH)
        response = connection.getresponse()
        content = response.read()
        return content if response.status == 200 else b""
    return b""
