"""Sends a share of live traffic through the collector, as a site's own server does: over HTTP, with the write key."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from producers.errors import ProducerError
from producers.simulate.traffic import Record, Traffic
from ranker.service import endpoints
from ranker.service.printable import printable

PATH = "/v1/events"

MOST_EVENTS = 500
"""Events of one request, the collector's limit."""

MOST_BYTES = 65_536
"""Length of one body, the collector's limit."""

ANSWER_S = 15.0
"""How long a response may take: the collector waits for Kafka, and then for its spool."""


class CollectorError(ProducerError):
    """The collector cannot be reached, or did not accept an event."""


class CollectorRefusedError(CollectorError):
    """Waiting will not help: it has never accepted an event, or its status says that it will not."""


class CollectorSender:
    """The `share` (0 to 1) of events that go to the collector at `url` with a site's write `key`, made by `traffic`.

    Entering checks nothing; leaving closes the connection. `accepted` counts the events answered with 202.
    """

    def __init__(self, url: str, key: str, share: float, traffic: Traffic) -> None:
        self.url = url
        self.accepted = 0
        self.traffic = traffic
        self._connection, self._path = _connection(url)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._share = share
        self._owed = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def part_of(self, count: int) -> int:
        """How many of the next `count` events go to the collector, so that it gets its share in the long run."""
        self._owed += count * self._share
        part = int(self._owed)
        self._owed -= part
        return part

    async def send(self, records: Sequence[Record]) -> None:
        """Sends records, and returns when all are accepted. Raises CollectorError."""
        for body, count in _bodies(records):
            await asyncio.to_thread(self._post, body)
            self.accepted += count

    def _post(self, body: bytes) -> None:
        try:
            status, text = self._request(body)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise self._fault(
                f"The collector at {endpoints.shown(self.url)} does not answer ({str(error) or type(error).__name__}). "
                "Start one there with: producers collect",
                passes=True,
            ) from error
        if status != 202:
            raise self._fault(
                f"The collector at {endpoints.shown(self.url)} answered {status} instead of 202: {printable(text)}",
                passes=status == 429 or status >= 500,
            )

    def _fault(self, sentence: str, *, passes: bool) -> CollectorError:
        return CollectorError(sentence) if passes and self.accepted else CollectorRefusedError(sentence)

    def _request(self, body: bytes) -> tuple[int, str]:
        """Status and the beginning of the response's body; sent twice if the connection was closed while idle."""
        for is_kept in (self._connection.sock is not None, False):
            try:
                self._connection.request("POST", self._path, body, self._headers)
                reply = self._connection.getresponse()
                return reply.status, reply.read().decode(errors="replace")[:300]
            except (http.client.RemoteDisconnected, ConnectionError):
                self._connection.close()
                if not is_kept:
                    raise
        raise AssertionError("unreachable: the second turn returns or raises")


def is_address(url: str) -> bool:
    """Whether `url` can be a collector's address."""
    try:
        _connection(url)
    except ValueError:
        return False
    return True


def _connection(url: str) -> tuple[http.client.HTTPConnection, str]:
    """A connection that is not open yet, and the path of requests. Raises ValueError if `url` is no address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=ANSWER_S), parts.path.rstrip("/") + PATH


def _bodies(records: Sequence[Record]) -> Iterator[tuple[bytes, int]]:
    """Bodies of requests with all the records, within both bounds, and how many are in each."""
    values: list[bytes] = []
    length = 0
    for _, value in records:
        # A comma or bracket for each, and a bracket.
        if values and (len(values) == MOST_EVENTS or length + len(value) + 2 > MOST_BYTES):
            yield b"[%b]" % b",".join(values), len(values)
            values, length = [], 0
        values.append(value)
        length += len(value) + 1
    if values:
        yield b"[%b]" % b",".join(values), len(values)
