"""Rate limits: buckets of tokens for many names, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Hashable

MAX_BUCKETS = 100_000
"""Beyond this the name used longest ago is forgotten, and starts again with a full bucket."""


class Buckets:
    """A bucket for each name: `burst` tokens at first and at most, `rate_s` more each second.

    A name, which may be an address, is forgotten once its bucket must be full again: to keep it would limit nothing.
    """

    def __init__(self, rate_s: float, burst: int) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._state: dict[Hashable, tuple[float, float]] = {}

    def take(self, name: Hashable, count: int, now_s: float) -> int:
        """0 if `count` tokens (at most the burst) were taken; otherwise none was: whole seconds to wait for them."""
        self._forget_full(now_s)
        tokens, since_s = self._state.pop(name, (float(self._burst), now_s))
        tokens = min(self._burst, tokens + max(0.0, now_s - since_s) * self._rate_s)
        enough = tokens >= count
        self._state[name] = (tokens - count if enough else tokens, now_s)
        if len(self._state) > MAX_BUCKETS:
            del self._state[next(iter(self._state))]
        return 0 if enough else max(1, math.ceil((count - tokens) / self._rate_s))

    def _forget_full(self, now_s: float) -> None:
        """Forgets names not used for as long as an empty bucket takes to fill; the one used longest ago is first."""
        while self._state:
            name, (_, used_s) = next(iter(self._state.items()))
            if now_s - used_s < self._burst / self._rate_s:
                return
            del self._state[name]

    def left(self, name: Hashable, now_s: float) -> float:
        """The share of the burst, 0 to 1, that could be taken."""
        tokens, since_s = self._state.get(name, (float(self._burst), now_s))
        return min(1.0, (tokens + max(0.0, now_s - since_s) * self._rate_s) / self._burst)


def is_beyond_share(own: int, others: int, places: int, share: float) -> bool:
    """Whether a client that has `own` of so many places may have no more: it gets `share` of what others leave."""
    return own >= max(1, int((places - others) * share))
