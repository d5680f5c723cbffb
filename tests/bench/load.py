"""Requests over kept connections: by wrk if it is installed, else by `python -m tests.bench.load`, which is slower itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from deploy.local import children
from tests.bench import processes
from tests.bench.figures import percentile

_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_CYCLE = """\
local targets = {%s}
local turn = 0
init = function()
  for i, target in ipairs(targets) do targets[i] = wrk.format("GET", target) end
end
request = function()
  turn = turn %% #targets + 1
  return targets[turn]
end
"""


@dataclass(frozen=True)
class Load:
    """What a client saw."""

    per_s: float
    p50_ms: float
    p99_ms: float
    faults: int


def tool() -> str:
    return "wrk" if shutil.which("wrk") else "asyncio"


def run(
    port: int, targets: Sequence[str], connections: int, seconds: int, directory: Path, headers: Sequence[str] = ()
) -> Load:
    """Ask for the targets in turn over so many connections, each as soon as it is answered, for so many seconds.

    `headers` are whole lines. What is written goes into `directory`.
    """
    log = directory / "client.log"
    log.unlink(missing_ok=True)
    if tool() == "wrk":
        argv: list[str | Path] = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
        argv += [word for header in headers for word in ("-H", header)]
        if len(targets) > 1:
            script = directory / "targets.lua"
            script.write_text(_CYCLE % ", ".join(json.dumps(target) for target in targets))
            argv += ["-s", script]
        argv.append(f"http://127.0.0.1:{port}{targets[0]}")
    else:
        listed = directory / "targets.json"
        listed.write_text(json.dumps({"targets": targets, "headers": headers}))
        argv = [sys.executable, "-m", "tests.bench.load", str(port), str(listed), str(connections), str(seconds)]
    child = children.run("the client", argv, log, processes.environment(), seconds + 30.0)
    said = log.read_text()
    if child.returncode() != 0:
        raise RuntimeError(f"the client failed: {said}")
    return _of_wrk(said) if tool() == "wrk" else Load(**json.loads(said))


def _of_wrk(said: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    took = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s))", said))
    if rate is None or len(took) < 2:
        raise RuntimeError(f"wrk did not say what it measured: {said}")
    bad = re.findall(r"(?:Non-2xx or 3xx responses:|connect|read|write|timeout)\s+(\d+)", said)
    return Load(float(rate[1]), _ms(took["50"]), _ms(took["99"]), sum(map(int, bad)))


def _ms(text: str) -> float:
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _UNITS_MS[unit]


class Connection:
    """One kept connection. `get` answers status, ETag and body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def get(self, path: str, etag: str = "", headers: Sequence[str] = ()) -> tuple[int, str, bytes]:
        lines = [f"GET {path} HTTP/1.1", "host: bench", *([f"if-none-match: {etag}"] if etag else []), *headers]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        said = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(said.get("content-length", 0)))
        return int(status.split()[1]), said.get("etag", ""), body

    def close(self) -> None:
        self._writer.close()


async def main(port: str, wanted: dict[str, list[str]], connections: str, seconds: str) -> None:
    """Print a Load as JSON."""
    targets = itertools.cycle(wanted["targets"])
    took: list[float] = []
    faults = 0
    began = time.perf_counter()
    end = began + float(seconds)

    async def ask() -> None:
        nonlocal faults
        connection = await Connection.to(int(port))
        while (asked := time.perf_counter()) < end:
            status, _, _ = await connection.get(next(targets), headers=wanted["headers"])
            took.append((time.perf_counter() - asked) * 1000)
            faults += status not in {200, 304}
        connection.close()

    await asyncio.gather(*(ask() for _ in range(int(connections))))
    per_s = len(took) / (time.perf_counter() - began)
    load = Load(per_s, percentile(took, 0.50), percentile(took, 0.99), faults)
    sys.stdout.write(json.dumps(asdict(load)) + "\n")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), *sys.argv[3:]))
