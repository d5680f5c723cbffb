"""Bounds the bytes in Redis for articles that are not in the catalogue: a budget for each site, and shares of it.

A week costs a site at most (MAX_PAIRS · cost(512)) for articles known when it begins, (burst + 10,080 · per_minute)
· DEAREST_BYTES for new ones, and ALIVE_MINUTES · repeats_kb kilobytes for repeats: 73, 126 and 325 MB with the
defaults, whatever is sent. Each collector has its own budgets.
"""

from __future__ import annotations

import os
from hashlib import blake2b

from producers.collector.catalogue import Catalogue
from producers.collector.known_articles import NEVER, Known, name
from producers.event import PageView
from ranker.service.buckets import Buckets

DAY_S = 86_400
HOUR_S = 3_600
MINUTE_S = 60
SEVERAL = 0.25
"""Part of the budget for articles that two addresses have named: strangers with few addresses cannot use it up."""
CLIENT = 0.02
"""Part of the budget for one address at once, and as much again in a day; of that for repeats, at any time."""
MAX_WAITING = 100_000
"""Articles that wait for a second address; beyond it the oldest is dropped. One address can fill 3 % in a day."""


def cost(size: int) -> int:
    """Bytes in Redis of the first count of a type, for an id of so many bytes, with the default windows and boards.

    Two totals and a slice. Measured from 8 bytes (294) over 60 (400) and 256 (1,129) to 512 (2,056).
    """
    return 300 + 7 * size // 2


DEAREST_BYTES = 2 * cost(512)
"""A view and a share of the longest id."""


HOURLY = 4
"""The budget of an hour's first repeats, in minutes: an hour has more different articles than a minute."""
ALIVE_MINUTES = 1_444 + HOURLY * 146
"""Minutes of repeats stored at a time: minute slices for a day, then hour slices for six, and the bursts."""


class NewArticles:
    """The budgets: `burst` of the dearest articles at once, `per_minute` more each minute; others cost less.

    `repeats_kb` of ids a minute are for known articles. Only the first repeat of an article and type in a slice makes
    it larger; so that one is charged, to the minute's slice and, once an hour, to the hour's, which it will move to.
    """

    def __init__(self, catalogue: Catalogue, known: Known, per_minute: int, burst: int, repeats_kb: int) -> None:
        rate_s, most = per_minute / 60 * DEAREST_BYTES, burst * DEAREST_BYTES
        share = max(cost(512), int(CLIENT * most))
        self._catalogue = catalogue
        self._known = known
        self._alone = Buckets((1 - SEVERAL) * rate_s, int((1 - SEVERAL) * most))
        self._several = Buckets(SEVERAL * rate_s, max(cost(512), int(SEVERAL * most)))
        self._clients = Buckets(share / DAY_S, share)
        minute = 1_000 * repeats_kb
        self._minutes = _Slices(minute / MINUTE_S, 2 * minute)
        self._hours = _Slices(HOURLY * minute / HOUR_S, HOURLY * minute)
        self._waiting = _Waiting()

    def admit(self, view: PageView, client: bytes | None, now_s: float) -> int:
        """0 if the event is admitted, else seconds to wait. `client` None, a server with its key, is not charged."""
        site_id, article_id = view.site_id, view.article_id
        if self._catalogue.has(site_id, article_id):
            return 0
        pair = name(article_id, view.event_type)
        last = self._known.last(site_id, pair)
        if client is None:
            if last is None:
                self._known.count(site_id, pair, NEVER)
            return 0
        size, minute = len(article_id.encode()), int(now_s // MINUTE_S)
        share = cost(size) if last is None else size
        if wait_s := self._clients.take((site_id, client), share, now_s):
            return wait_s
        if last is None:
            wait_s = self._pay(site_id, pair, client, share, now_s)
        else:
            wait_s = self._repeat((site_id, client), size, last, minute, now_s)
        if wait_s:
            self._clients.take((site_id, client), -share, now_s)  # refund: nothing was counted
        else:
            self._known.count(site_id, pair, minute)
        return wait_s

    def left(self, site_id: str, now_s: float) -> float:
        """The part left, 0 to 1, of the budget that one address can use, or of that for repeats if that is less."""
        return min(one.left(site_id, now_s) for one in (self._alone, self._minutes.site, self._hours.site))

    def _repeat(self, whose: tuple[str, bytes], size: int, last: int, minute: int, now_s: float) -> int:
        """Charges a known article to the slices that do not contain it yet; it was last counted in minute `last`."""
        if last == minute:
            return 0
        wait_s = self._minutes.take(whose, size, now_s)
        if not wait_s and last // 60 != minute // 60 and (wait_s := self._hours.take(whose, size, now_s)):
            self._minutes.take(whose, -size, now_s)
        return wait_s

    def _pay(self, site_id: str, pair: bytes, client: bytes, bytes_: int, now_s: float) -> int:
        wait_s = self._alone.take(site_id, bytes_, now_s)
        if wait_s and self._waiting.named_by_another(site_id.encode() + pair, client, now_s):
            wait_s = self._several.take(site_id, bytes_, now_s)
        return wait_s


class _Slices:
    """The budget for repeats in a site's slices of one length: a bucket of bytes, with a share for each address."""

    def __init__(self, rate_s: float, burst: int) -> None:
        self.site = Buckets(rate_s, burst)
        self._clients = Buckets(CLIENT * rate_s, max(512, int(CLIENT * burst)))

    def take(self, whose: tuple[str, bytes], size: int, now_s: float) -> int:
        """0 if the site and the client had so many bytes left, else seconds to wait; a negative size is a refund."""
        if wait_s := self._clients.take(whose, size, now_s):
            return wait_s
        if wait_s := self.site.take(whose[0], size, now_s):
            self._clients.take(whose, -size, now_s)
        return wait_s


class _Waiting:
    """The first client, as a hash with the hour's key, of each article that there was no budget for."""

    def __init__(self) -> None:
        self._hour: float | None = None

    def named_by_another(self, article: bytes, client: bytes, now_s: float) -> bool:
        """Whether another client has named it in this clock hour; if none has, remembers this one."""
        if now_s // HOUR_S != self._hour:
            self._hour = now_s // HOUR_S
            self._key = os.urandom(32)
            self._first: dict[bytes, bytes] = {}
        who = blake2b(client, key=self._key, digest_size=8).digest()
        if self._first.setdefault(article, who) != who:
            return True
        if len(self._first) > MAX_WAITING:
            del self._first[next(iter(self._first))]
        return False
