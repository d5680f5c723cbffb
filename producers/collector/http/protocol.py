"""A connection: uvicorn's protocol with llhttp, where a request reaches the application only when it is whole.

What one client can take is bounded here: the bytes of a head and of a body, the time until a request has arrived, the
connections of an address and in all. A connection carries one request at a time: what is sent before the answer is not
read, and ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from producers.collector.http import answers
from producers.collector.http.body import MAX_BYTES
from producers.collector.http.refusal import RefusedError
from ranker.service.connections import Connections, Leave

MAX_HEAD_BYTES = 16_384
MAX_ARRIVED_BYTES = MAX_HEAD_BYTES + 2 * MAX_BYTES
"""Of a request that is not whole, with all that stands between and behind its chunks."""
REQUEST_S = 10.0
"""From a request's first byte (or the connection's beginning) to its last one."""
_ONCE = frozenset(
    (
        *(b"host", b"origin", b"referer", b"authorization", b"content-type", b"content-encoding", b"user-agent"),
        *(b"sec-fetch-site", b"sec-gpc", b"sec-purpose", b"purpose", b"x-moz"),
    )
)
"""Headers that decide what becomes of a request. One that is there twice says two things, and a proxy may have read the
other one."""
LINGER_S = 1.0
"""How long is read on, and thrown away, after a refusal, so that the client sees the answer and not a reset."""


def _unseen(_: RefusedError) -> None:
    return None


@dataclass
class PortLimits:
    """What the connections of one port share. `refused` is told of each request that ends before the application."""

    connections: Connections = field(default_factory=Connections)
    refused: Callable[[RefusedError], None] = _unseen


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol with these limits, and llhttp as strict as it is."""

    limits: PortLimits
    _leave: Leave | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Anew: uvicorn has asked it to be lenient with what follows the last request.
        self.parser = httptools.HttpRequestParser(self)
        self._deaf = False  # nothing more is read
        self._begun = False  # a request has begun, and has not arrived in full
        self._in_head = False
        self._head_bytes = 0  # of its parsed lines
        self._arrived_bytes = 0
        self._upgrades = False
        self._method = b""
        self._content = bytearray()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._leave = self.limits.connections.enter(self.client[0] if self.client else None)
        if self._leave is not None:
            self._deadline = self.loop.call_later(REQUEST_S, self._too_slow)
            return
        self._leave = self.limits.connections.refuse()
        self._refuse(RefusedError(503, "connections", "There are too many connections.", retry_s=10))
        if self._leave is None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_deadline()
        if self._leave is not None:
            self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._malformed()
        if self._begun:
            self._arrived_bytes += len(data)
            if self._in_head:
                self._check_head(self._arrived_bytes)
            elif self._arrived_bytes > MAX_ARRIVED_BYTES:
                self._too_large()
        if self._begun and not self._deaf and self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._too_slow)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._deaf:
                return
            # llhttp leaves the body to the other protocol. There is none here: the same request without the wish, which
            # Java's HttpClient adds to each one (Upgrade: h2c).
            self.parser = httptools.HttpRequestParser(self)
            lines = [b"%b %b HTTP/1.1" % (self._method, self.url)]
            lines += [name + b": " + value for name, value in self.headers if name not in (b"connection", b"upgrade")]
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]) + data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        if self._under_way():
            self._last()
        if self._deaf:
            return
        super().on_message_begin()
        self._unset_keepalive_if_required()  # not before: empty lines between requests are none
        self._begun = self._in_head = True
        self._head_bytes = self._arrived_bytes = 0
        self._content = bytearray()

    def on_url(self, url: bytes) -> None:
        if not self._deaf:
            super().on_url(url)
            self._grow_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._deaf:
            return
        if self._in_head:  # a trailer is none: a proxy has not looked at it
            super().on_header(name, value)
        self._grow_head(len(name) + len(value) + 4)

    def _grow_head(self, by: int) -> None:
        self._head_bytes += by
        self._check_head(self._head_bytes)

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._in_head = False
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            self._method = self.parser.get_method()
            if self._method == b"CONNECT":
                self._malformed()
            return
        single = [name for name, _ in self.headers if name in _ONCE]
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        nameless = b"host" not in single and self.parser.get_http_version() == "1.1"
        if nameless or len(single) != len(set(single)) or codings not in ([], [b"chunked"]):
            self._malformed()
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        if int(length) > MAX_BYTES:
            self._too_large()
        elif self.expect_100_continue and not self._deaf:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._deaf:
            return
        self._content += body
        if len(self._content) > MAX_BYTES:
            self._too_large()

    def on_message_complete(self) -> None:
        """Only now is there a request for uvicorn: its own handling of the head and of the whole body."""
        if self._deaf or self._upgrades:
            return
        self._begun = False
        self._no_deadline()
        if self.flow.write_paused:
            self.transport.abort()  # a client that asks and asks, and takes no answer
            return
        self.expect_100_continue = False
        super().on_headers_complete()
        self.cycle.body = self._content
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(REQUEST_S, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait until the answer is taken
        super().timeout_keep_alive_handler()

    def _under_way(self) -> bool:
        """Whether an answer is still to be given."""
        return self.cycle is not None and not self.cycle.response_complete

    def _last(self) -> None:
        """What follows is not read, and the answer under way is the last one."""
        self._deaf = True
        if self._under_way():
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _malformed(self) -> None:
        if self._under_way():
            self._last()
        else:
            self._refuse(RefusedError(400, "http", "This is no request that HTTP/1.1 allows."))

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD_BYTES:
            self._refuse(RefusedError(431, "head", f"The head is longer than {MAX_HEAD_BYTES} bytes."))

    def _too_large(self) -> None:
        detail = f"The body is longer than {MAX_BYTES} bytes: send fewer events at once."
        self._refuse(RefusedError(413, "too_large", detail))

    def _too_slow(self) -> None:
        if self._begun:
            self._refuse(RefusedError(408, "slow", f"The request has not arrived within {REQUEST_S:.0f} seconds."))
        else:
            self.transport.close()

    def _refuse(self, refused: RefusedError) -> None:
        """Answer without the application, and end the connection, the rest of the request unread."""
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        self._no_deadline()
        self.limits.refused(refused)
        answer = answers.problem(refused)
        headers = [
            *self.server_state.default_headers,
            *answer.headers,
            answers.VARY,
            (b"content-length", str(len(answer.body)).encode()),
            (b"connection", b"close"),
        ]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[answer.status] + head + b"\r\n" + answer.body)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _no_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
