"""How many connections one port takes, in all and from one client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ranker.service.address import NOBODY, Address, household, parsed

MAX_CONNECTIONS = 8_000
MAX_PER_CLIENT = 1_000
"""Connections of one address (of one /64 in IPv6) that is no proxy."""


def _nobody(_: Address) -> bool:
    return False


class Connections:
    """Those of one port. A proxy brings the connections of many clients, so that only the limit in all is its own."""

    def __init__(self, is_proxy: Callable[[Address], bool] = _nobody) -> None:
        self._is_proxy = is_proxy
        self._of_household: Counter[bytes] = Counter()
        self.open = 0

    def opened(self, peer: str | None) -> bool:
        """Note a connection of this address; whether there is room for it. It is noted until `closed` either way."""
        address = parsed(peer or "") or NOBODY
        client = household(address)
        self._of_household[client] += 1
        self.open += 1
        few = self._of_household[client] <= MAX_PER_CLIENT or (address is not NOBODY and self._is_proxy(address))
        return few and self.open <= MAX_CONNECTIONS

    def closed(self, peer: str | None) -> None:
        """Forget a connection that was noted with this address."""
        client = household(parsed(peer or "") or NOBODY)
        self.open -= 1
        self._of_household[client] -= 1
        if not self._of_household[client]:
            del self._of_household[client]
