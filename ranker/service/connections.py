"""Limits the connections of one port, in all and from one client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from ranker.service.address import NOBODY, Address, parsed, rate_limit_key

MAX_CONNECTIONS = 8_000
MAX_PER_CLIENT = 1_000
"""Connections of one address (of one /64 in IPv6) that is no proxy."""
MAX_REFUSED = 500
"""So many at once get a response that there is no room; others are just closed."""

Leave = Callable[[], None]
"""Gives a place back; to be called once."""


def _nobody(_: Address) -> bool:
    return False


class Connections:
    """The connections of one port. A proxy has those of many clients, so only the limit in all applies to it.

    Refused ones count apart while they get their response: otherwise one client could use up all places.
    """

    def __init__(self, is_proxy: Callable[[Address], bool] = _nobody) -> None:
        self._is_proxy = is_proxy
        self._per_client: Counter[bytes] = Counter()
        self._refused = 0
        self.open = 0

    def enter(self, peer: str | None) -> Leave | None:
        """A place for a connection of this address; None if there is no room."""
        address = parsed(peer or "") or NOBODY
        client = rate_limit_key(address)
        is_proxy = address is not NOBODY and self._is_proxy(address)
        if self.open >= MAX_CONNECTIONS or (self._per_client[client] >= MAX_PER_CLIENT and not is_proxy):
            return None
        self._per_client[client] += 1
        self.open += 1
        return partial(self._leave, client)

    def refuse(self) -> Leave | None:
        """A place for a refused connection, to send the response; None if there is none of these either."""
        if self._refused >= MAX_REFUSED:
            return None
        self._refused += 1
        return self._end_refusal

    def _leave(self, client: bytes) -> None:
        self.open -= 1
        self._per_client[client] -= 1
        if not self._per_client[client]:
            del self._per_client[client]

    def _end_refusal(self) -> None:
        self._refused -= 1
