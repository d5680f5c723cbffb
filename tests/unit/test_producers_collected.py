"""A share of simulated traffic goes over HTTP: whole, within the collector's bounds, and a refusal is reported."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from producers.simulate.collector_sender import CollectorError, CollectorSender, is_address
from producers.simulate.popularity import article_models, invented
from producers.simulate.traffic import Record, Traffic

KEY = "a-write-key-of-the-test"


class Server(ThreadingHTTPServer):
    """Answers each POST with `status`, and keeps body, path, key and connection."""

    status = 202

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[bytes, str, str | None, Any]] = []
        self.hangs_up = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((body, self.path, self.headers["Authorization"], self.client_address))
        said = b'{"detail":"as the test wants it"}'
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
        # As a server does whose patience with an idle connection is over: without a word.
        self.close_connection = self.server.hangs_up

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def way(server: Server, share: float = 0.1) -> CollectorSender:
    traffic = Traffic(1, "demo", article_models(random.Random(1), invented(random.Random(1), 3, 0, 1)), run="r")
    return CollectorSender(f"http://127.0.0.1:{server.server_address[1]}", KEY, share, traffic)


def records(count: int, size: int = 150) -> list[Record]:
    return [(b"demo/a", json.dumps({"n": n, "pad": ""}).ljust(size).encode()) for n in range(count)]


@pytest.mark.parametrize(("count", "size", "requests"), [(0, 100, 0), (1, 100, 1), (1201, 100, 3), (100, 1000, 2)])
def test_requests_keep_within_the_bounds_of_the_collector(count: int, size: int, requests: int) -> None:
    """At most 500 events and 64 KiB in one, in order, on one connection, with the key."""

    async def send(server: Server) -> int:
        async with way(server) as collected:
            await collected.send(records(count, size))
        return collected.accepted

    with serving() as server:
        assert asyncio.run(send(server)) == count
    bodies = [json.loads(body) for body, *_ in server.received]
    assert [event["n"] for body in bodies for event in body] == list(range(count))
    assert len(bodies) == requests
    assert all(len(body) <= 65_536 for body, *_ in server.received)
    assert all(len(body) <= 500 for body in bodies)
    assert {(path, key) for _, path, key, _ in server.received} <= {("/v1/events", f"Bearer {KEY}")}
    assert len({connection for *_, connection in server.received}) <= 1


@pytest.mark.parametrize("status", [200, 207, 401, 503])
def test_another_answer_than_202_is_a_fault_in_a_sentence(status: int) -> None:
    """With the address, the status and the collector's message."""

    async def send(server: Server) -> None:
        async with way(server) as collected:
            await collected.send(records(1))

    with serving() as server:
        server.status = status
        with pytest.raises(CollectorError, match=rf":\d+ answered {status} instead of 202: .*as the test wants it"):
            asyncio.run(send(server))


def test_a_connection_that_was_closed_while_idle_is_opened_again() -> None:
    """The server closes after each answer without saying so before; every event arrives once."""

    async def send(server: Server) -> None:
        async with way(server) as collected:
            for record in records(3):
                await collected.send([record])

    with serving() as server:
        server.hangs_up = True
        asyncio.run(send(server))
    assert [json.loads(body)[0]["n"] for body, *_ in server.received] == [0, 1, 2]


def test_nobody_there_is_reported_with_the_fix() -> None:
    """The sentence names the address and the command."""

    async def send(collected: CollectorSender) -> None:
        async with collected:
            await collected.send(records(1))

    with serving() as server:
        collected = way(server)
    server.server_close()
    with pytest.raises(CollectorError, match=r"does not answer .*producers collect"):
        asyncio.run(send(collected))


def test_the_share_is_kept_in_the_long_run() -> None:
    """Ticks of few events give whole numbers whose sum is the share."""
    with serving() as server:
        collected = way(server, share=0.15)
    assert sum(collected.part_of(1 + tick % 3) for tick in range(3000)) in (899, 900)


def test_what_is_no_address_is_known() -> None:
    assert is_address("https://compteur.example.org")
    assert not any(map(is_address, ("", "127.0.0.1:8081", "ftp://a", "http://", "http://a:port")))
