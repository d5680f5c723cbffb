"""Two readers and a collector behind Caddy with deploy/Caddyfile, over TLS: restarts under load, streams, addresses."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.local import waiting
from deploy.local.ports import free_port
from ranker.connect.redis import connect
from tests.support.caddy import COLLECTOR, READERS, Caddy
from tests.support.deploy_tools import run
from tests.support.reader import GENERATION, LIST
from tests.support.reader_process import ReaderProcess, reader_process
from tests.support.receiver import receiving
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish

FindTool = Callable[[str, str], Path]
DRAIN_S = 1.5
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(300)]
CLIENT = "127.0.0.9"
SCRIPT = f'request = function() return wrk.format("GET", "{LIST}") end\n'


@pytest.fixture
async def counted(redis_url: str) -> str:
    """A Redis with lists."""
    async with connect(redis_at(redis_url)) as client:
        await publish(client, GENERATION, 2, VIEWS, time.time_ns() // 1_000_000)
    return redis_url


@pytest.fixture
def caddy(find_tool: FindTool) -> Path:
    return find_tool("caddy", "caddy")


@contextmanager
def readers_behind(caddy: Path, redis_url: str, directory: Path) -> Iterator[tuple[Caddy, list[ReaderProcess]]]:
    with ExitStack() as stack:
        readers = [stack.enter_context(reader_process(redis_url, directory, DRAIN_S)) for _ in range(2)]
        balancer = Caddy(caddy, directory / "caddy", [reader.port for reader in readers])
        stack.callback(balancer.stop)
        balancer.start()
        for reader in readers:
            reader.until_ready()
        yield balancer, readers


def test_caddy_takes_its_configuration(caddy: Path, tmp_path: Path) -> None:
    """As it is in deploy/, written as `caddy fmt` would."""
    server = Caddy(caddy, tmp_path, [free_port(), free_port()])
    server.conf.write_text(server.text)
    run(caddy, "validate", "--config", server.conf, "--adapter", "caddyfile")
    usual = Path(__file__).parents[3] / "deploy" / "Caddyfile"
    assert run(caddy, "fmt", usual) == usual.read_text()


def test_a_restart_of_each_reader_in_turn_fails_no_request(
    counted: str, caddy: Path, find_tool: FindTool, tmp_path: Path
) -> None:
    """SIGTERM, end, start, ready, the next one; and then one is killed: every answer is 200, and no connection breaks."""
    script = tmp_path / "list.lua"
    script.write_text(SCRIPT)
    with readers_behind(caddy, counted, tmp_path) as (balancer, readers):
        argv: list[str | Path] = [find_tool("wrk", "wrk"), "-t1", "-c8", "-d120s", "-s", script]
        url = f"https://localhost:{balancer.port}"
        with subprocess.Popen([*argv, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as client:
            try:
                for reader in readers:
                    until_served(reader, 100)
                    reader.child.process.send_signal(signal.SIGTERM)
                    assert reader.until_ended(20.0) == 0
                    reader.start()
                    reader.until_ready()
                readers[0].child.kill()
                until_served(readers[1], served(readers[1]) + 300)
                assert client.poll() is None
                client.send_signal(signal.SIGINT)
                said = client.communicate(timeout=10)[0]
            finally:
                client.kill()
    requests = re.search(r"(\d+) requests in", said)
    assert requests is not None
    assert int(requests[1]) > 500
    assert "Non-2xx" not in said, said
    assert "Socket errors" not in said, said


def until_served(reader: ReaderProcess, lists: float) -> None:
    waiting.until("Load", lambda: served(reader) > lists, 20.0)


def served(reader: ReaderProcess) -> float:
    """Lists that a reader has answered with 200, as of its last refresh."""
    said = reader.admin("/metrics")
    assert said is not None
    found = re.findall(r'^ranker_requests_total\{.*status="200".*\} (\S+)$', said.body.decode(), re.MULTILINE)
    return sum(map(float, found))


def test_a_stream_comes_through_at_once_and_nothing_is_kept(counted: str, caddy: Path, tmp_path: Path) -> None:
    """The first event of a stream arrives unbuffered; with both readers gone no list is shown, however often it was before."""
    with readers_behind(caddy, counted, tmp_path) as (balancer, readers):
        with balancer.connect(READERS) as stream:
            stream.sendall(f"GET {LIST}/stream HTTP/1.1\r\nHost: {READERS}\r\n\r\n".encode())
            received = b""
            while b"event: list" not in received:
                more = stream.recv(65_536)
                assert more, received
                received += more
        assert balancer.request(READERS, LIST)[0] == 200
        for reader in readers:
            reader.child.kill()
        assert balancer.request(READERS, LIST)[0] == 502


def test_events_go_to_the_collector_with_the_client_s_address_which_no_log_has(caddy: Path, tmp_path: Path) -> None:
    """What a client says of its own address is not believed; a request that fails is not logged either."""
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "Sec-GPC": "1"}
    headers |= {"Origin": "https://www.example.org"}
    with receiving() as receiver:
        server = Caddy(caddy, tmp_path / "caddy", [free_port(), free_port()], receiver.port)
        server.start()
        try:
            event = b"x" * 65_536
            assert server.request(COLLECTOR, "/v1/events", "POST", event, headers, CLIENT)[0] == 202
            # Nobody listens for these: Caddy fails, and would say for whom.
            assert server.request(READERS, LIST, source=CLIENT)[0] == 502
        finally:
            server.stop()
    ((kept, body),) = receiver.received
    assert body == event
    assert kept["X-Forwarded-For"] == CLIENT
    assert kept["Forwarded"] is None
    assert (kept["Host"], kept["Sec-GPC"], kept["Origin"]) == (COLLECTOR, "1", "https://www.example.org")
    assert CLIENT not in server.log.read_text()
