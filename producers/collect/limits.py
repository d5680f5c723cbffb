"""How much one client, one key and one site's pages may send: buckets of tokens, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Hashable

from producers.collect.known import Known

MAX_BUCKETS = 100_000
"""Who has been silent longest is forgotten first, and starts again with a full bucket."""


class Buckets:
    """A bucket for each name: `burst` tokens at first and at most, `rate_s` more each second."""

    def __init__(self, rate_s: float, burst: int) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._state: dict[Hashable, tuple[float, float]] = {}

    def take(self, name: Hashable, count: int, now_s: float) -> int:
        """0 where `count` (at most the burst) tokens were taken; else none was: whole seconds to wait for them."""
        tokens, since_s = self._state.pop(name, (float(self._burst), now_s))
        tokens = min(self._burst, tokens + max(0.0, now_s - since_s) * self._rate_s)
        enough = tokens >= count
        self._state[name] = (tokens - count if enough else tokens, now_s)
        if len(self._state) > MAX_BUCKETS:
            del self._state[next(iter(self._state))]
        return 0 if enough else max(1, math.ceil((count - tokens) / self._rate_s))


class NewArticles:
    """Bounds how many articles never seen before a site's pages may name, so that strangers cannot fill Redis."""

    def __init__(self, known: Known, per_minute: int, burst: int) -> None:
        self._known = known
        self._buckets = Buckets(per_minute / 60, burst)

    def admit(self, site_id: str, article_id: str, now_s: float, *, trusted: bool) -> int:
        """0 where the article is known now: it was, `trusted` says so, or there was a token. Else seconds to wait."""
        if self._known.has(site_id, article_id):
            return 0
        wait_s = 0 if trusted else self._buckets.take(site_id, 1, now_s)
        if not wait_s:
            self._known.add(site_id, article_id)
        return wait_s
