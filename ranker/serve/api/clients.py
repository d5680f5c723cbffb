"""What one client may take of a reader: streams, and lists that are made for it alone. What many share is free."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from ranker.serve.http.problems import ProblemError
from ranker.service.address import Addresses, rate_limit_key
from ranker.service.buckets import Buckets

BURST_S = 5
"""So many seconds' lists may be made at once, after a pause."""
LOOK_UP = 10
"""A filter's look-up goes through the catalogue and reads its list anew: there is one for so many lists."""
PROXY = "A proxy before this reader has to be named in [serve] proxies."


class Clients:
    """By address (by /64 in IPv6); behind proxies that are known, by the address that these forward."""

    def __init__(
        self,
        addresses: Addresses,
        streams: int,
        lists_s: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = addresses
        self._most_streams = streams
        self._streams: Counter[bytes] = Counter()
        self._lists = Buckets(lists_s, lists_s * BURST_S)
        self._look_ups = Buckets(lists_s / LOOK_UP, max(1, lists_s * BURST_S // LOOK_UP))
        self._now_s = now_s

    def rate_limit_key(self, request: Request) -> bytes:
        """Which client sends this."""
        forwarded = [value for name, value in request.scope["headers"] if name == b"x-forwarded-for"]
        return rate_limit_key(self._addresses.of(request.client.host if request.client else None, forwarded))

    def charge(self, client: bytes, lists: int = 1) -> None:
        """For lists that are made for this client; 429 for more than it may have."""
        wait_s = self._lists.take(client, lists, self._now_s())
        if wait_s:
            detail = (
                "This address asks for too many articles, documents, or lists with filters, a receipt or more than 100 "
                "places. "
                f"{PROXY}"
            )
            raise ProblemError(429, detail, headers={"Retry-After": str(wait_s)})

    def pays_look_up(self, client: bytes) -> bytes | None:
        """The client, if it may cause a filter's first look-up. Without one, `complete` may be false."""
        return None if self._look_ups.take(client, 1, self._now_s()) else client

    def check_stream(self, client: bytes) -> None:
        """429 for a client that may open no further stream."""
        if self._streams[client] >= self._most_streams:
            detail = f"This address has {self._most_streams} streams open. {PROXY}"
            raise ProblemError(429, detail, headers={"Retry-After": "10"})

    @contextmanager
    def streaming(self, client: bytes) -> Iterator[None]:
        """A stream of this client, while the block runs."""
        self.check_stream(client)
        self._streams[client] += 1
        try:
            yield
        finally:
            self._streams[client] -= 1
            if not self._streams[client]:
                del self._streams[client]
