"""Finds strays among articles. Articles at home are remembered: to compute a home in Python takes 15 to 30 us."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import islice

from ranker import kernel
from ranker.core import home

_home = kernel.home if kernel.ON else home.home
_MOST = 500_000
"""Articles remembered by a process, for all its partitions together: some 60 MB."""
_AT_ONCE = 250
"""Homes computed before other tasks may run: 4 to 8 ms."""


class Homes:
    """Remembers articles at home, never strays: a mark can be lost and must be set again."""

    def __init__(self) -> None:
        self._at_home: dict[tuple[int, int, str], set[str]] = {}
        self._remembered = 0

    async def strays(self, partition: int, partitions: int, articles: Mapping[str, set[str]]) -> set[str]:
        """`site/article` of those (by site) whose home, among so many partitions, is not `partition`."""
        strays: set[str] = set()
        looked_up = 0
        for site, ids in articles.items():
            new = iter(ids - self._at_home.get((partition, partitions, site), set()))
            while some := set(islice(new, _AT_ONCE)):
                away = {a for a in some if _home(f"{site}/{a}".encode(), partitions) != partition}
                strays.update(f"{site}/{article}" for article in away)
                self._remember((partition, partitions, site), some - away)
                looked_up += len(some)
                if looked_up >= _AT_ONCE:
                    looked_up = 0
                    await asyncio.sleep(0)
        return strays

    def _remember(self, where: tuple[int, int, str], articles: set[str]) -> None:
        self._remembered += len(articles)
        if self._remembered > _MOST:
            self._at_home.clear()
            self._remembered = len(articles)
        self._at_home.setdefault(where, set()).update(articles)
