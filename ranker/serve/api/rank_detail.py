"""Where an article stands in one list as it is shown, and how far it is from the places around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ranker.core.merge import PLACES
from ranker.lists.articles import Article
from ranker.lists.filters import Filter
from ranker.serve.api.items import listed
from ranker.serve.live.published import Published


@dataclass(frozen=True, slots=True)
class RankDetail:
    """Distances are counts, never negative; None where there is no such place, or the count is not known.

    `to_edge` tells what an article outside the first places lacks to reach the last of them, and by how much one
    inside is ahead of it.
    """

    count: int | None
    rank: int | None
    to_above: int | None
    to_below: int | None
    to_edge: int | None


class RankDetails:
    """One list without the articles that it does not show."""

    def __init__(
        self, published: Published, articles: Mapping[str, Article], now_ms: int, *, hide_unknown: bool
    ) -> None:
        self._published = published
        places = listed(published, Filter(known=hide_unknown), articles, now_ms, PLACES).places
        self._ranks = {place.article_id: rank for rank, place in enumerate(places, 1)}
        self._counts = [place.count or 0 for place in places]

    def of(self, article_id: str, edge: int) -> RankDetail:
        """`edge` is the place that distances to the list's edge are counted to, from 1."""
        count = self._published.count_of(article_id.encode())
        rank = self._ranks.get(article_id)
        if count is None:
            return RankDetail(None, None, None, None, None)
        to_edge = abs(count - self._counts[edge - 1]) if len(self._counts) >= edge else None
        if rank is None:
            return RankDetail(count, None, None, None, to_edge)
        above = self._counts[rank - 2] - count if rank > 1 else None
        below = count - self._counts[rank] if rank < len(self._counts) else None
        return RankDetail(count, rank, above, below, to_edge)
