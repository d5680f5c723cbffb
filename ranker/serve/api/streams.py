"""Lists as server-sent events: the whole list on connect, and again whenever it has changed.

Equal requests share one channel, whose event is made once for each change. A client that reads slowly
holds up nobody and misses nothing that still matters: it goes on with the latest list. Plain lists are made at every
refresh; those with filters beside them, in a bounded share of the time, so that many of them hold up each other alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ranker.core.generation import ListName
from ranker.metrics import ReaderMetrics
from ranker.serve.api.clients import PROXY, Clients
from ranker.serve.api.list_request import ListRequest
from ranker.serve.api.lists import Lists
from ranker.serve.api.query import Query
from ranker.serve.http.problems import ProblemError
from ranker.serve.http.response_cache import Receive, Scope, Send, allowed_origin
from ranker.serve.live.board import Board
from ranker.service.buckets import is_beyond_share

log = logging.getLogger(__name__)

MAX_STREAMS = 6_000
MAX_CHANNELS = 200
"""Different plain lists that are streamed at once, and as many with filters: each is made anew at every refresh."""
CLIENT_SHARE = 0.1
"""One client may cause this part of those that others leave."""
FILTERED_SHARE = 0.2
"""Of the time, what making streamed lists with filters may take."""
BEAT_S = 15.0
"""Proxies close what is silent for 30 to 60 s."""
RETRY_MS = 2_000

Key = tuple[ListName, Query, bool]
"""A streamed list: its name, the query, and whether counts are shown."""
_NO_OTHER_LIST = {"as_of", "window", "total", "dropped", "behind"}
_TOO_MANY = "Too many streams are open here."
_TOO_DIFFERENT = f"This address asks for too many different streams, while others stream many. {PROXY}"
_RETRY = {"Retry-After": "10"}


class _Channel:
    """One list as it is streamed. `id` names what it holds; `event` and `beat` are ready to be sent."""

    def __init__(self, client: bytes) -> None:
        self.client = client  # which has caused it
        self.id = ""
        self.content: dict[str, Any] | None = None
        self.event = b""
        self.beat = b""
        self.changed = asyncio.Event()
        self.readers = 0

    def take(self, content: dict[str, Any]) -> None:
        """Takes the list as it is now; wakes the readers if it is another one."""
        self.content = content
        # fields that only show how current it is make no other list
        essence = {name: value for name, value in content.items() if name not in _NO_OTHER_LIST}
        current = hashlib.sha256(orjson.dumps(essence)).hexdigest()[:24]
        state = {name: content[name] for name in ("as_of", "complete", "stale", "behind") if name in content}
        self.beat = b"event: beat\ndata: %b\n\n" % orjson.dumps(state)
        if current != self.id:
            self.id = current
            self.event = b"id: %b\nevent: list\ndata: %b\n\n" % (current.encode(), orjson.dumps(content))
            self.changed.set()
            self.changed = asyncio.Event()


class _Channels:
    """Those of one kind. `share` of the time, at most, is spent on making their lists; the rest is for other work."""

    def __init__(self, lists: Lists, share: float = 1.0) -> None:
        self._lists = lists
        self._pause = 1 / share - 1
        self.channels: dict[Key, _Channel] = {}

    @contextmanager
    def reading(self, key: Key, content: dict[str, Any], client: bytes) -> Iterator[_Channel]:
        """The channel of a list, there while somebody reads it; a new one begins with `content`.

        503 for too many, 429 for too many that one client has caused.
        """
        channel = self.channels.get(key)
        if channel is None:
            if len(self.channels) >= MAX_CHANNELS:
                raise ProblemError(503, _TOO_MANY, headers=_RETRY)
            own = sum(each.client == client for each in self.channels.values())
            if is_beyond_share(own, len(self.channels) - own, MAX_CHANNELS, CLIENT_SHARE):
                raise ProblemError(429, _TOO_DIFFERENT, headers=_RETRY)
            channel = self.channels[key] = _Channel(client)
            channel.take(content)
        channel.readers += 1
        try:
            yield channel
        finally:
            channel.readers -= 1
            if not channel.readers:
                self.channels.pop(key, None)

    async def run(self, board: Board) -> None:
        """After each refresh every channel takes its list anew, one at a time, between other work."""
        revision = board.revision
        while True:
            revision = await board.newer(revision)
            for key, channel in list(self.channels.items()):
                began = time.perf_counter()
                if channel.readers:
                    self._make(key, channel)
                await asyncio.sleep(self._pause * (time.perf_counter() - began))

    def _make(self, key: Key, channel: _Channel) -> None:
        name, query, counts = key
        try:
            content = self._lists.content(name, query, counts=counts)
            if content is not None:
                channel.take(content)
        except Exception:  # of one list; the others' readers must not wait for it
            log.exception("a list cannot be streamed", extra={"list": name})


class Streams:
    """All open streams of this process."""

    def __init__(self, lists: Lists, board: Board, clients: Clients, metrics: ReaderMetrics) -> None:
        self._lists = lists
        self._board = board
        self._clients = clients
        self._plain, self._filtered = _Channels(lists), _Channels(lists, FILTERED_SHARE)
        self._open = 0
        self._closed = False
        metrics.streams.set_function(lambda: self._open)

    async def run(self) -> None:
        """Makes what is streamed anew after each refresh, until it is cancelled."""
        await asyncio.gather(self._plain.run(self._board), self._filtered.run(self._board))

    def close(self) -> None:
        """Ends every stream: the clients come back, to another process."""
        self._closed = True
        for channel in (*self._plain.channels.values(), *self._filtered.channels.values()):
            channel.changed.set()

    async def answer(self, request: Request, list_request: ListRequest, deadline_s: float) -> Response:
        """The answer that goes on, from the list as it is now. Raises ProblemError."""
        name, query, counts, client = list_request
        self._clients.check_stream(client)
        key = name, query, counts
        channel = self._channels(key).channels.get(key)
        content = channel.content if channel else None
        if content is None:
            if query.is_own:
                self._clients.charge(client)
            content, _ = await self._lists.answer(list_request, deadline_s)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}
        allowed, varies = allowed_origin(self._board.site(name.site).cors, request.headers.get("origin"))
        if allowed is not None:
            headers["access-control-allow-origin"] = allowed
        if varies:
            headers["vary"] = "origin"
        if request.scope["http_version"] == "1.0":
            raise ProblemError(505, "A stream needs HTTP/1.1.")
        if request.method == "HEAD":
            head = Response(headers=headers, media_type="text/event-stream")
            del head.headers["content-length"]  # nobody knows it
            return head
        last = request.headers.get("last-event-id") or query.last_event_id
        return _Streamed(
            self._place(client, key, content),
            lambda channel: StreamingResponse(
                self._events(channel, last), headers=headers, media_type="text/event-stream"
            ),
        )

    @contextmanager
    def _place(self, client: bytes, key: Key, content: dict[str, Any]) -> Iterator[_Channel]:
        """A stream's, taken when it begins; 503 if there are too many already, 429 for too many of one client."""
        with self._clients.streaming(client):
            if self._open >= MAX_STREAMS:
                raise ProblemError(503, _TOO_MANY, headers=_RETRY)
            with self._channels(key).reading(key, content, client) as channel:
                self._open += 1
                try:
                    yield channel
                finally:
                    self._open -= 1

    def _channels(self, key: Key) -> _Channels:
        return self._filtered if key[1].filtered else self._plain

    async def _events(self, channel: _Channel, last: str) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS
        while not self._closed:
            changed = channel.changed  # before the comparison: what changes after it sets this one
            if channel.id != last:
                last = channel.id
                yield channel.event
                continue
            try:
                async with asyncio.timeout(BEAT_S):
                    await changed.wait()
            except TimeoutError:
                yield channel.beat


class _Streamed(Response):
    """Has its place from before anything of it is sent until its end, whichever: hundreds may begin at one moment."""

    def __init__(
        self, place: AbstractContextManager[_Channel], answered: Callable[[_Channel], StreamingResponse]
    ) -> None:
        super().__init__()
        self._place = place
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place as channel:
            await self._answered(channel)(scope, receive, send)
