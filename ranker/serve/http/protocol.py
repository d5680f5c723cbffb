"""The public port's server: uvicorn with the fast parser and loop, and limits on what one client may take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ranker.serve.http.problems import ProblemError, answer
from ranker.serve.http.response_cache import App, Headers, lines
from ranker.service.connections import Connections, Leave
from ranker.service.listener import bind

MAX_HEAD_BYTES = 16_384
HEAD_S = 10.0
"""A client may take this long to send a request's head, and at most twice as long."""
KEEP_ALIVE_S = 75
"""Longer than the usual 60 s of a load balancer, so that it is the balancer who closes an idle connection."""
MAX_PIPELINED = 16
"""Requests of one connection that wait for the answers before them; a client that sends more and reads none is cut off.
Each that waits is memory."""
LINGER_S = 1.0
"""How long is read on, and thrown away, after a refusal, so that the client sees the answer and not a reset."""
STOP_S = 5
"""How long answers under way may take when the process ends."""

AtOnce = Callable[[bytes, Headers], tuple[bytes, bytes] | None]
"""Target and headers of a GET to its answer: the status line, and what follows the server's own header lines."""


def _last_answer(problem: ProblemError) -> bytes:
    """The problem as the last bytes of its connection."""
    response = answer(problem)
    return (
        STATUS_LINE[problem.status]
        + lines([*response.raw_headers, (b"connection", b"close")])
        + b"\r\n"
        + response.body
    )


_TOO_LARGE = _last_answer(ProblemError(431, f"The head is longer than {MAX_HEAD_BYTES} bytes."))
_TOO_MANY = _last_answer(
    ProblemError(
        503,
        "There are too many connections, of this address or in all. A proxy before this reader has to be named in "
        "[serve] proxies.",
        headers={"Retry-After": "10"},
    )
)


def _nothing_ready(_: bytes, __: Headers) -> None:
    return None


class _Protocol(HttpToolsProtocol):
    """Uvicorn's protocol with a limit on a request's head, and a way past ASGI for answers that stand ready."""

    at_once: AtOnce
    draining: asyncio.Event
    places: Connections
    refused: Callable[[], None]
    _leave: Leave | None
    _deaf = False  # nothing more is read
    _head_bytes = 0
    _answered = False
    _running: Any = None

    @property
    def waits_for(self) -> object:
        """What names the head that has not arrived in full; None where a request is whole."""
        if self.scope is None:  # nothing has arrived yet
            return self
        return self.scope if "raw_path" not in self.scope else None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._leave = self.places.enter(self.client[0] if self.client else None)
        if self._leave is not None:
            return
        self._deaf = True
        self.refused()
        self._leave = self.places.refuse()
        if self._leave is None:
            transport.abort()
            return
        transport.write(_TOO_MANY)
        transport.write_eof()
        self.loop.call_later(LINGER_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        super().data_received(data)
        scope = self.scope
        if scope is None or "raw_path" in scope:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    @property
    def holds_back(self) -> object:
        """What names an answer that its client does not take; None where nothing waits to be sent."""
        waiting = self.transport.get_write_buffer_size()
        return (waiting, "not taken") if waiting and (self.flow.write_paused or self.transport.is_closing()) else None

    def on_message_begin(self) -> None:
        if not self._deaf:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._deaf:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._deaf:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._answered = self._is_refused() or (self._stands_alone() and self._answer_at_once())
        if not self._answered:
            self._unset_keepalive_if_required()  # of an answer in the same segment: a stream must outlive it
            super().on_headers_complete()
            if self.draining.is_set() or self._has_body():
                self.cycle.keep_alive = False  # the answer says `Connection: close`
            # Nothing behind the connection's last request is wanted: no body, trailer or further request, which have
            # no end while a stream is open.
            self._deaf = not self.cycle.keep_alive

    def _is_refused(self) -> bool:
        """Cuts off who sends too much; the rest of what has arrived of a connection that ends is passed over."""
        if self.transport.is_closing():
            return True
        if len(self.pipeline) >= MAX_PIPELINED:
            self.transport.abort()
            return True
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            return True
        return False

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in self.headers
        )

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: so is what it still waited for, the answer under way included."""
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        if self._leave is not None:
            self._leave()
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        """No request has one that is wanted."""

    def on_message_complete(self) -> None:
        if not self._answered:
            super().on_message_complete()

    def _stands_alone(self) -> bool:
        """Whether nothing is special: a plain GET, no answer under way before it, a client that takes what we send."""
        parser = self.parser
        return (
            not self.draining.is_set()
            and parser.get_method() == b"GET"
            and (self.cycle is None or self.cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self._has_body()
        )

    def _answer_at_once(self) -> bool:
        answer = self.at_once(self.url, self.headers)
        if answer is None:
            return False
        status, rest = answer
        self.scope["raw_path"] = b""  # the head is whole, as `waits_for` sees it
        usual = b"".join(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers)
        self.transport.write(b"".join((status, usual, rest)))
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        return True


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the command has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def cut_off_slow(self) -> None:
        """Ends connections that have waited for the rest of one head for HEAD_S, or whose client takes nothing."""
        before: dict[int, object] = {}
        while True:
            await asyncio.sleep(HEAD_S)
            now: dict[int, object] = {}
            for connection in list(self.server_state.connections):
                if not isinstance(connection, _Protocol):
                    continue
                held, waits_for = connection.holds_back, connection.waits_for
                if held is not None:
                    if before.get(id(connection)) == held:
                        connection.transport.abort()  # closing would wait until it is taken
                    now[id(connection)] = held
                elif waits_for is not None:
                    if before.get(id(connection)) is waits_for:
                        connection.transport.close()
                    now[id(connection)] = waits_for
            before = now


@contextlib.asynccontextmanager
async def serving(
    app: App,
    host: str,
    port: int,
    *,
    at_once: AtOnce = _nothing_ready,
    draining: asyncio.Event | None = None,
    places: Connections | None = None,
    refused: Callable[[], None] = lambda: None,
) -> AsyncIterator[int]:
    """Serves `app`, or `at_once` where it has an answer, while the block runs.

    `places` bounds the connections; `refused` is called for each one beyond.

    Yields the port bound (useful when `port` is 0: any free one). Once `draining` is set, each answer is the last of
    its connection: whoever wants more connects anew, and a balancer does so elsewhere.
    Raises PortTakenError before the block starts. Answers under way when it ends are finished, for up to 5 s.
    """
    listener = bind(host, port, "--port")
    way = {
        "at_once": staticmethod(at_once),
        "draining": draining or asyncio.Event(),
        "places": places or Connections(),
        "refused": staticmethod(refused),
    }
    config = uvicorn.Config(
        _untyped(app),
        http=type("_Public", (_Protocol,), way),
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",  # its warnings are about single requests
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )
    server = _Server(config)
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]), name="public"),
        asyncio.create_task(server.cut_off_slow(), name="slow clients"),
    ]
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await tasks[0]
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()


def _untyped(app: App) -> Any:
    """Uvicorn's own types of messages are narrower than ASGI's dictionaries."""
    return app
