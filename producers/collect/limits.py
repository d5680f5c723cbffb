"""How many articles never seen before a site's pages may name."""

from __future__ import annotations

from producers.collect.known import Known
from ranker.service.buckets import Buckets


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
