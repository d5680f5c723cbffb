"""Requests per second of the reader's lists, beside a bare ASGI application and nginx, which serve the same bytes.

nginx takes part twice: with the list as a static file, and, as deploy/nginx.conf has it, with its cache before the reader.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from tests.bench import load, processes, served
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.served import FORMATS, PATH, SECTIONS, Served, first_body
from tests.bench.stack import Stack
from tests.bench.traffic import ARTICLES
from tests.support.nginx import Nginx, balancing

CONNECTIONS = (32, 512)
OURS, BARE, STATIC, CACHED = (
    "ranker serve",
    "bare application",
    "nginx, static file",
    "nginx, cache before ranker serve",
)
FILTERED = [
    f"{PATH}?section={section}&format={format_}&limit={limit}"
    for section, format_, limit in itertools.product(SECTIONS, FORMATS, (5, 7, 10, 15, 20))
]
_STATIC = """
server {{
    listen {host}:{port};
    open_file_cache max=2000 inactive=60s;
    keepalive_requests 10000;
    location / {{ root {root}; default_type application/json; try_files /answer.json =404; }}
}}
"""


@dataclass(frozen=True)
class Turn:
    """What the client saw in some seconds, and what the server spent."""

    per_s: float
    p50_ms: float
    p99_ms: float
    faults: int
    cpu_us: float


@dataclass(frozen=True)
class Target:
    """One server that gets requests: its port, and the processes whose CPU is its cost."""

    port: int
    pids: tuple[int, ...]


def run(stack: Stack, repeats: int, quick: bool, progress: Progress) -> Part:
    """All servers take turns; ratios are taken turn by turn, their median is the figure."""
    rounds, seconds = (1, 1) if quick else (repeats + 2, 2)
    part = Part("reader")
    with contextlib.ExitStack() as running:
        reader = running.enter_context(served.reader(stack, ARTICLES, more="client_lists_s = 100000\n", named=True))
        targets = dict(running.enter_context(_servers(stack, reader)))
        done = running.enter_context(progress.task("lists: reader, bare, nginx", len(CONNECTIONS) * rounds + 3))
        for target in targets.values():
            load.run(target.port, [PATH], CONNECTIONS[0], 1, stack.directory)
        for connections in CONNECTIONS:
            measured: dict[str, list[Turn]] = {name: [] for name in targets}
            for _ in range(rounds):
                for name, target in targets.items():
                    measured[name].append(_turn(target, [PATH], connections, seconds, stack.directory))
                done(1)
            _hot(part, connections, measured)
        ours = targets[OURS]
        tag = _tag(reader.port)
        known = [_turn(ours, [PATH], each, seconds, stack.directory, [f"If-None-Match: {tag}"]) for each in CONNECTIONS]
        if _tag(reader.port) != tag:
            raise RuntimeError("the list of the bench moved while it should stand still")
        done(1)
        for path in FILTERED[:: len(FILTERED) // 20]:
            if b'"rank":5' not in served.fetch(reader.port, path)[1]:
                raise RuntimeError(f"a filter of the bench finds too little: {path}")
        filtered = [_turn(ours, FILTERED, each, 3 * seconds, stack.directory) for each in CONNECTIONS]
        done(2)
    for what, turns in (("304", known), (f"{len(FILTERED):,} filtered lists", filtered)):
        for connections, turn in zip(CONNECTIONS, turns, strict=True):
            _row(part, f"{what}, {connections} connections", [turn])
    part.notes.append(
        f"{len(reader.body):,} bytes of body, {rounds} turns of {seconds} s each, client: {load.tool()} in one thread. The reader "
        f"refreshes all the while and has {ARTICLES:,} articles in its catalogue; client and servers share the cores. nginx "
        "runs one worker; for a kept list it makes a key, reads a file's head before its body and sends longer headers than for "
        "a static file. The filters (section, format and limit) are asked for in turn, and each is made anew after each "
        "refresh."
    )
    if CACHED not in targets:
        part.notes.append("nginx is not on this machine (Debian: apt-get install nginx-light).")
    if load.tool() != "wrk":
        part.notes.append("wrk is not on this machine: the client is the slower half (Debian: apt-get install wrk).")
    return part


@contextlib.contextmanager
def _servers(stack: Stack, reader: Served) -> Iterator[dict[str, Target]]:
    """The reader, and beside it what serves the same bytes."""
    with contextlib.ExitStack() as running:
        targets = {OURS: Target(reader.port, (reader.child.pid,))}
        answer = stack.directory / "answer.json"
        answer.write_bytes(reader.body)
        port = free_port()
        argv = processes.module("tests.bench.bare", str(port), str(answer))
        bare = running.enter_context(processes.running("the bare application", argv, stack.directory / "bare.log", {}))
        first_body(bare, port)
        targets[BARE] = Target(port, (bare.pid,))
        if (binary := shutil.which("nginx")) is not None:
            port, cached = free_port(), free_port()
            directory = stack.directory / "nginx"
            static = _STATIC.format(host=HOST, port=port, root=stack.directory)
            servers = balancing(cached, [reader.port] * 2, directory) + static
            nginx = Nginx(Path(binary), directory, servers, port)
            running.callback(nginx.stop)
            nginx.start()
            workers = tuple(
                waiting.until("nginx' worker", lambda: processes.children_of(nginx.pid, "worker process"), 10.0)
            )
            targets |= {STATIC: Target(port, workers), CACHED: Target(cached, (*workers, reader.child.pid))}
        yield targets


def _turn(
    target: Target, paths: Sequence[str], connections: int, seconds: int, directory: Path, headers: Sequence[str] = ()
) -> Turn:
    cpu = sum(map(processes.cpu_s, target.pids))
    seen = load.run(target.port, paths, connections, seconds, directory, headers)
    if seen.faults:
        raise RuntimeError(f"{seen.faults} requests of the bench were not answered as they should be")
    spent = sum(map(processes.cpu_s, target.pids)) - cpu
    return Turn(seen.per_s, seen.p50_ms, seen.p99_ms, seen.faults, 1e6 * spent / (seen.per_s * seconds))


def _hot(part: Part, connections: int, measured: dict[str, list[Turn]]) -> None:
    for name, turns in measured.items():
        _row(part, f"{name}, {connections} connections", turns)
    for ours, other, target in ((OURS, BARE, ">= 0.9"), (OURS, STATIC, ""), (CACHED, STATIC, ">= 0.8")):
        if ours in measured and other in measured:
            pairs = list(zip(measured[ours], measured[other], strict=True))
            ratios = [one.per_s / two.per_s for one, two in pairs]
            spread = f"turn by turn: {', '.join(f'{ratio:.3g}' for ratio in sorted(ratios))}"
            what = f"{ours} / {other}, {connections} connections"
            part.add(f"requests, {what}", statistics.median(ratios), "times", target, spread)
            cpu = statistics.median(two.cpu_us / one.cpu_us for one, two in pairs)
            part.add(f"requests per CPU second, {what}", cpu, "times")
    part.details[f"{connections} connections"] = {
        name: [asdict(turn) for turn in each] for name, each in measured.items()
    }


def _row(part: Part, what: str, turns: Sequence[Turn]) -> None:
    part.add(f"{what}: requests", statistics.median(turn.per_s for turn in turns), "per s")
    part.add(f"{what}: p50", statistics.median(turn.p50_ms for turn in turns), "ms")
    part.add(f"{what}: p99", statistics.median(turn.p99_ms for turn in turns), "ms")
    part.add(f"{what}: CPU per request", statistics.median(turn.cpu_us for turn in turns), "us")


def _tag(port: int) -> str:
    """The list's ETag; it must be known to be answered with 304."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=10.0)) as connection:
        connection.request("GET", PATH)
        reply = connection.getresponse()
        reply.read()
        tag = str(reply.getheader("etag"))
    if served.fetch(port, PATH, If_None_Match=tag)[0] != 304:
        raise RuntimeError("the list of the bench is not answered with 304")
    return tag
