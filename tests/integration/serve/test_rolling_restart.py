"""Two readers behind nginx with deploy/nginx.conf: a restart of each in turn under load, the cache, the streams."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.ports import HOST
from ranker.connect.redis import connect
from tests.support.http import Answer, ask
from tests.support.nginx import Nginx
from tests.support.published_scripts import BLOCK
from tests.support.reader import GENERATION, LIST
from tests.support.reader_process import ReaderProcess, reader_process
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish

FindTool = Callable[[str, str], Path]
SITES = ("demo", "more")
WINDOWS = ("24h", "7d")
VIEWS = [(site, f"/{i}", "view", i + 1) for site in SITES for i in range(300)]
TARGETS = [f"/v1/{site}/popular/read/{window}?limit={k}" for site in SITES for window in WINDOWS for k in (5, 50)]
DRAIN_S = 1.5
CYCLE = """\
local targets = {{{targets}}}
local turn = 0
request = function()
  turn = turn % #targets + 1
  return wrk.format("GET", targets[turn])
end
"""


@dataclass
class Fleet:
    """Two readers and the nginx before them."""

    readers: list[ReaderProcess]
    nginx: Nginx

    def get(self, target: str, **headers: str) -> Answer:
        return ask(self.nginx.port, target, **headers)


@contextmanager
def fleet(redis_url: str, directory: Path, nginx: Path, *, caching: bool, limited: bool = False) -> Iterator[Fleet]:
    with ExitStack() as stack:
        readers = [stack.enter_context(reader_process(redis_url, directory, DRAIN_S)) for _ in range(2)]
        ports = [reader.port for reader in readers]
        balancer = Nginx.before(nginx, directory / "nginx", ports, caching=caching, limited=limited)
        stack.callback(balancer.stop)
        balancer.start()
        for reader in readers:
            reader.until_ready()
        yield Fleet(readers, balancer)


@pytest.fixture
async def counted(redis_url: str) -> str:
    """A Redis with lists of two sites."""
    async with connect(redis_at(redis_url)) as client:
        await publish(client, GENERATION, 2, VIEWS, time.time_ns() // 1_000_000)
    return redis_url


@contextmanager
def load(wrk: Path, port: int, directory: Path, connections: int = 16) -> Iterator[subprocess.Popen[str]]:
    """Requests without pause until SIGINT, at which wrk says what it saw."""
    script = directory / "cycle.lua"
    script.write_text(CYCLE.format(targets=", ".join(f'"{target}"' for target in TARGETS)))
    argv: list[str | Path] = [wrk, "-t1", f"-c{connections}", "-d120s", "-s", script, f"http://{HOST}:{port}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "caching",
    [pytest.param(False, id="every request to a reader"), pytest.param(True, id="cached", marks=pytest.mark.long)],
)
def test_a_restart_of_each_reader_in_turn_fails_no_request(
    counted: str, tmp_path: Path, find_tool: FindTool, *, caching: bool
) -> None:
    """SIGTERM, end, start, ready, the next one: every answer is 200, and no connection breaks."""
    nginx, wrk = find_tool("nginx", "nginx-light"), find_tool("wrk", "wrk")
    with fleet(counted, tmp_path, nginx, caching=caching) as running, load(wrk, running.nginx.port, tmp_path) as client:
        for reader in running.readers:
            reader.child.process.send_signal(signal.SIGTERM)
            assert reader.until_ended(20.0) == 0
            reader.start()
            reader.until_ready()
        assert client.poll() is None
        client.send_signal(signal.SIGINT)
        said = client.communicate(timeout=10)[0]
    requests = re.search(r"(\d+) requests in", said)
    assert requests is not None
    assert int(requests[1]) > 1_000
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said
    assert running.nginx.log.read_text().count("no live upstreams") == 0


def test_a_reader_that_is_killed_fails_nobody_either(counted: str, tmp_path: Path, find_tool: FindTool) -> None:
    """kill -9 under load: what it had not answered goes to the other one."""
    nginx, wrk = find_tool("nginx", "nginx-light"), find_tool("wrk", "wrk")
    with fleet(counted, tmp_path, nginx, caching=False) as running, load(wrk, running.nginx.port, tmp_path) as client:
        waiting.until("Load", lambda: served(running.readers[0]) > 500, 20.0)
        running.readers[0].child.kill()
        before = served(running.readers[1])
        waiting.until("Load on the other one", lambda: served(running.readers[1]) > before + 500, 20.0)
        client.send_signal(signal.SIGINT)
        said = client.communicate(timeout=10)[0]
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said


def sample(reader: ReaderProcess, pattern: str) -> float:
    """The sum of a reader's metrics whose name and labels match."""
    said = reader.admin("/metrics")
    assert said is not None
    return sum(map(float, re.findall(rf"^{pattern} (\S+)$", said.body.decode(), re.MULTILINE)))


def served(reader: ReaderProcess) -> float:
    """Lists that a reader has answered with 200, as of its last refresh."""
    return sample(reader, r'ranker_requests_total\{.*status="200".*\}')


def until_refreshed(readers: list[ReaderProcess]) -> None:
    """Wait until each has begun and ended a refresh."""
    for reader in readers:
        before = sample(reader, "ranker_refresh_duration_seconds_count")

        def refreshed(reader: ReaderProcess = reader, before: float = before) -> bool:
            return sample(reader, "ranker_refresh_duration_seconds_count") >= before + 2

        waiting.until("Two refreshes", refreshed, 10.0)


def test_what_nginx_keeps_and_what_it_hands_on(counted: str, tmp_path: Path, find_tool: FindTool) -> None:
    """Few requests reach the readers; both forms are right; a token's answer is not kept; no version is in the answer."""
    with fleet(counted, tmp_path, find_tool("nginx", "nginx-light"), caching=True) as running:
        plain, packed = running.get(LIST), running.get(LIST, Accept_Encoding="br, gzip;q=0.5")
        assert (plain.status, plain.headers.get("content-encoding")) == (200, None)
        assert (packed.status, packed.headers["content-encoding"]) == (200, "gzip")
        assert "accept-encoding" in packed.headers["vary"]
        assert plain.headers["etag"] != packed.headers["etag"]
        assert plain.headers["server"] == "nginx"
        assert running.get(LIST, If_None_Match=plain.headers["etag"]).status == 304
        until_refreshed(running.readers)
        before = sum(map(served, running.readers))
        often, end = 0, time.monotonic() + 4.0
        while time.monotonic() < end:
            kept = running.get(LIST, Origin=f"https://{often}.example")  # which no answer names
            assert (kept.status, kept.headers["access-control-allow-origin"]) == (200, "*")
            often += 1
        until_refreshed(running.readers)
        asked = sum(map(served, running.readers)) - before
        assert often > 100
        assert 0 < asked <= 5, "of 4 s of requests, one a second may reach a reader"
        assert running.get(LIST, Authorization="Bearer no-such").status in {200, 401}
        assert running.get("/v1/nobody/popular/read/24h").headers["content-type"] == "application/problem+json"


def test_one_client_is_limited(counted: str, tmp_path: Path, find_tool: FindTool) -> None:
    """Beyond it 429 with when to come again, whatever is requested; others are served meanwhile."""
    nginx, wrk = find_tool("nginx", "nginx-light"), find_tool("wrk", "wrk")
    with fleet(counted, tmp_path, nginx, caching=True, limited=True) as running:
        port = running.nginx.port
        with load(wrk, port, tmp_path):

            def refused() -> Answer | None:
                answer = running.get(LIST)
                return answer if answer.status == 429 else None

            refusal = waiting.until("A refusal", refused, 20.0)
            assert refusal is not None
            assert refusal.headers["content-type"] == "application/problem+json"
            assert int(refusal.headers["retry-after"]) >= 1
            assert refusal.json["status"] == 429
            assert {ask(port, LIST, source="127.0.0.9").status for _ in range(20)} == {200}
            assert ask(port, "/block.js", source="127.0.0.9").status == 200


def test_lists_outlive_the_readers_for_as_long_as_they_say(counted: str, tmp_path: Path, find_tool: FindTool) -> None:
    """With both readers gone, what was requested before is served on: a list by stale-if-error, a script for ever."""
    with fleet(counted, tmp_path, find_tool("nginx", "nginx-light"), caching=True) as running:
        shown, script = running.get(LIST), running.get(BLOCK.address)
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        for reader in running.readers:
            reader.child.kill()
        end = time.monotonic() + 3.0  # beyond max-age
        while time.monotonic() < end:
            kept = running.get(LIST)
            assert (kept.status, kept.body) == (200, shown.body)
        assert running.get(f"{LIST}?limit=7").status == 502
        assert (running.get(BLOCK.address).status, running.get("/block.unknown.js").status) == (200, 502)


def test_a_stream_comes_through_at_once_and_goes_on_elsewhere(
    counted: str, tmp_path: Path, find_tool: FindTool
) -> None:
    """The first event arrives unbuffered; when its reader ends, so does the stream, in order; the next has another."""
    with fleet(counted, tmp_path, find_tool("nginx", "nginx-light"), caching=True) as running:
        with streaming(running.nginx.port) as (stream, received):
            assert b"text/event-stream" in received
            (reader,) = (each for each in running.readers if sample(each, "ranker_streams") == 1)
            reader.child.process.send_signal(signal.SIGTERM)
            rest = b""
            while not rest.endswith(b"0\r\n\r\n"):
                more = stream.recv(65_536)
                assert more, "the stream broke off"
                rest += more
            assert reader.until_ended(20.0) == 0
        (left,) = (each for each in running.readers if each is not reader)
        with streaming(running.nginx.port) as (_, received):
            assert received.count(b"event: list") == 1
            assert sample(left, "ranker_streams") == 1


@contextmanager
def streaming(port: int) -> Iterator[tuple[socket.socket, bytes]]:
    """A stream's connection, and what has arrived with its first list."""
    with socket.create_connection((HOST, port), timeout=10) as stream:
        stream.sendall(f"GET {LIST}/stream HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        received = b""
        while b"event: list" not in received:
            more = stream.recv(65_536)
            assert more, received
            received += more
        yield stream, received
