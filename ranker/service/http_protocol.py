"""A connection to a public port: uvicorn's protocol with llhttp, as strict as it is, and bounds on what a client takes.

Bounded are the bytes of a head and of a body, the time until a request has arrived, the requests that wait for an
answer, and the connections of an address and in all. The application gets a request when it is whole; a plain GET may
be answered before that, without any of ASGI.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ranker.service.connections import Leave
from ranker.service.problems import Headers, ProblemError
from ranker.service.public_port import PublicPort

MAX_HEAD_BYTES = 16_384
PATIENCE_S = 10.0
"""From a request's first byte (or the connection's beginning) to its last one. An answer of which nothing is taken ends
its connection after one to two times as long."""
LINGER_S = 1.0
"""How long is read on, and thrown away, after a refusal, so that the client sees the answer and not a reset."""


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol with these bounds."""

    def __init__(self, port: PublicPort, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Anew: uvicorn has asked it to be lenient with what follows the last request.
        self.parser = httptools.HttpRequestParser(self)
        self._port = port
        self._leave: Leave | None = None
        self._deaf = False  # nothing more is read
        self._begun = False  # a request has begun, and has not arrived in full
        self._in_head = False
        self._head_bytes = 0  # of its parsed lines
        self._arriving_bytes = 0  # of what has just come, as far as it may be this request's
        self._arrived_bytes = 0
        self._has_body = self._upgrades = self._keeps_open = False
        self._method = self._version = b""
        self._content = bytearray()
        self._deadline: asyncio.TimerHandle | None = None
        self._running: Any = None  # the cycle whose answer is being given; `cycle` is the last one that waits
        self._untaken_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._leave = self._port.connections.enter(self.client[0] if self.client else None)
        if self._leave is not None:
            self._deadline = self.loop.call_later(PATIENCE_S, self._too_slow)
            return
        self._leave = self._port.connections.refuse()
        if self._leave is None:
            self._port.refused(503, "connections")
            transport.abort()
            return
        detail = (
            "There are too many connections, of this address or in all. A proxy before this server has to be named "
            "under `proxies` of its settings."
        )
        self._refuse("connections", ProblemError(503, detail, headers={"retry-after": "10"}))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: so is what it still waited for, the answer under way included."""
        self._no_deadline()
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        if self._leave is not None:
            self._leave()
        super().connection_lost(exc)

    def cut_off_untaken(self) -> None:
        """Ends a connection that has taken nothing of an answer since the last call."""
        untaken = self.transport.get_write_buffer_size()
        if not (self.flow.write_paused or self.transport.is_closing()):
            untaken = 0
        if untaken and untaken == self._untaken_bytes:
            self.transport.abort()  # closing would wait until it is taken
        self._untaken_bytes = untaken

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._arriving_bytes = len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self._malformed()
        if self._begun and not self._deaf:
            self._still_arriving()

    def _feed(self, data: bytes) -> bytes:
        """Parses `data`; returns what is to be parsed then.

        If a request has an Upgrade, llhttp leaves its body to the other protocol. There is none here: the request is
        parsed again without that header, which Java's HttpClient adds to each request (Upgrade: h2c).
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._deaf:
                self.parser = httptools.HttpRequestParser(self)
                lines = [b"%b %b HTTP/%b" % (self._method, self.url, self._version)]
                lines += [b"%b: %b" % pair for pair in self.headers if pair[0] not in (b"connection", b"upgrade")]
                lines += [] if self._keeps_open else [b"connection: close"]
                return b"\r\n".join([*lines, b"", b""]) + data[upgrade.args[0] :]
        return b""

    def _still_arriving(self) -> None:
        self._arrived_bytes += self._arriving_bytes
        if self._in_head:
            if self._arrived_bytes > MAX_HEAD_BYTES:
                self._head_too_long()
        elif self._arrived_bytes > MAX_HEAD_BYTES + 2 * self._port.body_bytes:  # with all between and behind its chunks
            self._too_large()
        if not self._deaf and self._deadline is None:
            self._deadline = self.loop.call_later(PATIENCE_S, self._too_slow)

    def on_message_begin(self) -> None:
        if self._under_way() and len(self.pipeline) >= self._port.waiting:
            self._last()
        if self._deaf:
            return
        self._unset_keepalive_if_required()  # not before: empty lines between requests are none
        self.url = b""
        self.headers = []
        self._begun = self._in_head = True
        self._head_bytes = self._arrived_bytes = 0
        self._content = bytearray()

    def on_url(self, url: bytes) -> None:
        if not self._deaf:
            self.url += url
            self._head_bytes += len(url)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._head_too_long()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._deaf:
            return
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._head_too_long()
        elif self._in_head:  # a trailer is none: a proxy has not looked at it
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._in_head = False
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            self._method, self._version = self.parser.get_method(), self.parser.get_http_version().encode()
            self._keeps_open = self.parser.should_keep_alive()
            if self._method == b"CONNECT":
                self._malformed()
            return
        once, single, codings, length, expects = self._port.once, [], [], 0, False
        for name, value in self.headers:
            if name in once:
                single.append(name)
            elif name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                codings.append(value.lower())
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
        self._has_body = bool(length or codings)
        nameless = b"host" not in single and self.parser.get_http_version() == "1.1"
        if nameless or len(single) != len(set(single)) or codings not in ([], [b"chunked"]):
            self._malformed()
        elif self._has_body and not self._port.body_bytes:
            self._arrived(last=True)
        elif length > self._port.body_bytes:
            self._too_large()
        elif expects and self._has_body:  # without one it would stand in an answer under way
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._content += body
        if len(self._content) > self._port.body_bytes:
            self._too_large()

    def on_message_complete(self) -> None:
        if not self._deaf and not self._upgrades:
            self._arrived(last=False)

    def _arrived(self, *, last: bool) -> None:
        """Only now is there a request for uvicorn: its own handling of the head and of the whole body."""
        self._unset_keepalive_if_required()  # of an answer that ended while this head came
        self._begun = False
        self._arriving_bytes = 0  # what else has come is the next one's
        self._no_deadline()
        if not last and self._stands_alone() and self._answer_at_once():
            return
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers += headers
        super().on_headers_complete()
        if last or self._port.draining.is_set():
            self.cycle.keep_alive = False  # the answer says `Connection: close`
        # Nothing behind the connection's last request is wanted: no body, trailer or further request, which have no end
        # while a stream is open.
        self._deaf = not self.cycle.keep_alive
        self.cycle.body = self._content
        super().on_message_complete()

    def _stands_alone(self) -> bool:
        """Whether nothing is special: a plain GET, no answer under way before it, a client that takes what we send."""
        parser = self.parser
        return (
            not self._port.draining.is_set()
            and parser.get_method() == b"GET"
            and not self._has_body
            and not self._under_way()
            and not self.flow.write_paused
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
        )

    def _answer_at_once(self) -> bool:
        answer = self._port.at_once(self.url, self.headers)
        if answer is None:
            return False
        status, rest = answer
        self.transport.write(b"".join((status, _lines(self.server_state.default_headers), rest)))
        self.server_state.total_requests += 1
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        return True

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _under_way(self) -> bool:
        """Whether an answer is still to be given."""
        return self.cycle is not None and not self.cycle.response_complete

    def _last(self) -> None:
        """What follows is not read, and the last answer under way ends the connection."""
        self._deaf = True
        self._no_deadline()
        if self._under_way():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _malformed(self) -> None:
        self._refuse("http", ProblemError(400, "This is no request that HTTP/1.1 allows."))

    def _head_too_long(self) -> None:
        self._refuse("head", ProblemError(431, f"The head is longer than {MAX_HEAD_BYTES} bytes."))

    def _too_large(self) -> None:
        detail = f"The body is longer than {self._port.body_bytes} bytes: send fewer events at once."
        self._refuse("too_large", ProblemError(413, detail))

    def _too_slow(self) -> None:
        if self._begun:
            detail = f"The request has not arrived within {PATIENCE_S:.0f} seconds."
            self._refuse("slow", ProblemError(408, detail))
        else:
            self.transport.close()

    def _refuse(self, reason: str, problem: ProblemError) -> None:
        """Answer without the application, and end the connection, the rest of the request unread."""
        if self._deaf or self.transport.is_closing():
            return
        if self._under_way():
            self._last()
            return
        self._deaf = True
        self._no_deadline()
        self._port.refused(problem.status, reason)
        content = problem.content
        end = [(b"content-length", b"%d" % len(content)), (b"connection", b"close")]
        headers = [*self.server_state.default_headers, *problem.raw_headers, *self._port.refusal_headers, *end]
        self.transport.write(STATUS_LINE[problem.status] + _lines(headers) + b"\r\n" + content)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _lines(headers: Headers) -> bytes:
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers)
