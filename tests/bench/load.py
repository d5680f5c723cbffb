"""Requests over kept connections: by wrk where it is, else by `python -m tests.bench.load`, which is slower itself."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from deploy.local import children
from tests.bench import processes
from tests.bench.figures import percentile

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Load:
    """What a client saw."""

    per_s: float
    p99_ms: float
    faults: int


def tool() -> str:
    return "wrk" if shutil.which("wrk") else "asyncio"


def run(url: str, connections: int, seconds: int, log: Path) -> Load:
    """Ask for `url` over so many connections at once, each as soon as it is answered, for so many seconds."""
    log.unlink(missing_ok=True)
    if tool() == "wrk":
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    else:
        argv = [sys.executable, "-m", "tests.bench.load", url, str(connections), str(seconds)]
    child = children.run("the client", argv, log, processes.environment(), seconds + 30.0)
    said = log.read_text()
    if child.returncode() != 0:
        raise RuntimeError(f"the client failed: {said}")
    return _of_wrk(said) if tool() == "wrk" else Load(**json.loads(said))


def _of_wrk(said: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk did not say what it measured: {said}")
    bad = re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout)\s+(\d+)", said)
    return Load(float(rate[1]), float(p99[1]) * _UNITS_MS[p99[2]], sum(map(int, bad)))


class Connection:
    """One kept connection. `get` answers status, ETag and body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def get(self, path: str, etag: str = "") -> tuple[int, str, bytes]:
        known = f"if-none-match: {etag}\r\n" if etag else ""
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n{known}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers.get("etag", ""), body

    def close(self) -> None:
        self._writer.close()


async def main(url: str, connections: str, seconds: str) -> None:
    """Print a Load as JSON."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    took: list[float] = []
    faults = 0
    began = time.perf_counter()
    end = began + float(seconds)

    async def ask() -> None:
        nonlocal faults
        connection = await Connection.to(parts.port or 80)
        while (asked := time.perf_counter()) < end:
            status, _, _ = await connection.get(path)
            took.append((time.perf_counter() - asked) * 1000)
            faults += status != 200
        connection.close()

    await asyncio.gather(*(ask() for _ in range(int(connections))))
    load = Load(len(took) / (time.perf_counter() - began), percentile(took, 0.99), faults)
    sys.stdout.write(json.dumps(asdict(load)) + "\n")


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
