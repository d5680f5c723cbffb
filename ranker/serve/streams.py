"""Lists as server-sent events: the whole list on connect, and again whenever it has changed.

Everybody who asks the same shares one channel, whose event is made once for each change. A client that reads slowly
holds up nobody and misses nothing that still matters: it goes on with the latest list.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ranker.metrics import ReaderMetrics
from ranker.serve.lists import Lists
from ranker.serve.problems import ProblemError
from ranker.serve.query import Query
from ranker.store.question import ListName

log = logging.getLogger(__name__)

MAX_STREAMS = 6_000
MAX_CHANNELS = 200
"""Different lists that are streamed at once: each is made anew at every refresh."""
BEAT_S = 15.0
"""Proxies close what is silent for 30 to 60 s."""
RETRY_MS = 2_000

_Key = tuple[ListName, Query, bool]


class _Channel:
    """One list as it is streamed. `id` names what it holds; `event` and `beat` are ready to be sent."""

    def __init__(self) -> None:
        self.id = ""
        self.event = b""
        self.beat = b""
        self.changed = asyncio.Event()
        self.readers = 0

    def take(self, content: dict[str, Any]) -> None:
        """Takes the list as it is now; wakes the readers where it is another one."""
        # what only says how current it is makes no other list
        essence = {name: value for name, value in content.items() if name not in {"as_of", "window", "total", "behind"}}
        current = hashlib.sha256(orjson.dumps(essence)).hexdigest()[:24]
        state = {name: content[name] for name in ("as_of", "complete", "stale", "behind") if name in content}
        self.beat = b"event: beat\ndata: %b\n\n" % orjson.dumps(state)
        if current != self.id:
            self.id = current
            self.event = b"id: %b\nevent: list\ndata: %b\n\n" % (current.encode(), orjson.dumps(content))
            self.changed.set()
            self.changed = asyncio.Event()


class Streams:
    """All open streams of this process."""

    def __init__(self, lists: Lists, metrics: ReaderMetrics) -> None:
        self._lists = lists
        self._channels: dict[_Key, _Channel] = {}
        self._open = 0
        self._closed = False
        self._told = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        metrics.streams.set_function(lambda: self._open)

    def tell(self) -> None:
        """After each refresh: every channel with readers takes its list anew, one at a time, between other work."""
        self._told.set()
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="streams")

    async def _tell(self) -> None:
        while self._told.is_set():
            self._told.clear()
            for (name, query, counts), channel in list(self._channels.items()):
                try:
                    content = self._lists.content(name, query, counts=counts)
                    if content is not None:
                        channel.take(content)
                except Exception:  # of one list; the others' readers must not wait for it
                    log.exception("a list cannot be streamed", extra={"list": name})
                await asyncio.sleep(0)

    def close(self) -> None:
        """Ends every stream: the clients come back, to another process."""
        self._closed = True
        for channel in self._channels.values():
            channel.changed.set()

    def open(self, request: Request, name: ListName, query: Query, *, counts: bool) -> Response:
        """The answer that goes on; 503 where there are too many already."""
        key = name, query, counts
        if self._open >= MAX_STREAMS or (key not in self._channels and len(self._channels) >= MAX_CHANNELS):
            raise ProblemError(503, "Too many streams are open here.", headers={"Retry-After": "10"})
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", "x-content-type-options": "nosniff"}
        cors = self._lists.site(name.site).cors
        origin = request.headers.get("origin")
        if "*" in cors or origin in cors:
            headers["access-control-allow-origin"] = "*" if "*" in cors else str(origin)
            headers["vary"] = "origin"
        if request.scope["http_version"] == "1.0":
            raise ProblemError(505, "A stream needs HTTP/1.1.")
        if request.method == "HEAD":
            head = Response(headers=headers, media_type="text/event-stream")
            del head.headers["content-length"]  # there is no saying
            return head
        last = request.headers.get("last-event-id") or query.last_event_id
        return StreamingResponse(self._events(key, last), headers=headers, media_type="text/event-stream")

    async def _events(self, key: _Key, last: str) -> AsyncIterator[bytes]:
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel()
            content = self._lists.content(key[0], key[1], counts=key[2])
            if content is not None:
                channel.take(content)
        channel.readers += 1
        self._open += 1
        try:
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
        finally:
            self._open -= 1
            channel.readers -= 1
            if not channel.readers:
                self._channels.pop(key, None)
