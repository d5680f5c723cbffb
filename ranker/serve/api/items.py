"""The items of a list's JSON: filtered, cut, filled up from longer lists, with titles and history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ranker.core.generation import LATEST
from ranker.core.merge import PLACES
from ranker.core.rising import Rise
from ranker.core.times import rfc3339
from ranker.lists.articles import Article, known_as
from ranker.lists.filters import Filter
from ranker.lists.history import GRAIN_S, Movement, Ranks
from ranker.serve.api.query import Query
from ranker.serve.live.published import Published
from ranker.store.history import PLACES as PLACES_KEPT

_UNKNOWN = Article()
_NO_HISTORY = Movement(None, None, None, None)
LOOKED_AT = 5_000
"""Of the newest articles, how many one answer looks at: some 2 ms."""
MOST_BEHIND = 20
"""Shards that an answer names of those that are behind: what it costs must not grow with them."""


@dataclass(frozen=True, slots=True)
class Place:
    """One article that passed the filter. `total` is that of the list it comes from; both are None in "latest".

    `name` is its id, unless that is another spelling; `article` is what the catalogue knows of it.
    """

    article_id: str
    name: str
    count: int | None
    total: int | None
    origin: str
    article: Article = _UNKNOWN
    rise: Rise | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One list under one filter. `short`: further articles that fit may exist, beyond what was read."""

    places: list[Place]
    short: bool


Takes = Callable[[str, Article], bool]
"""Whether an article, by its name, gets a place; called of each in the list's order until no place is left."""


def _every(_name: str, _article: Article) -> bool:
    return True


def list_places(
    published: Published,
    filter_: Filter,
    articles: Mapping[str, Article],
    now_ms: int,
    most: int,
    takes: Takes = _every,
) -> Listed:
    """The first `most` places of a list that filter and `takes` admit, takedowns left out, in the list's own order."""
    more, names, rises = published.read.merged.more, published.names, published.rises
    places: list[Place] = []

    def ends_in(rows: Iterable[tuple[int, str]]) -> bool:
        for count, article_id in rows:
            if len(places) == most:
                return True
            if count < filter_.min_count:
                if rises is None:
                    return True
                continue  # a rising list is in another order
            own, article = _about(article_id, articles, names)
            if filter_.admits(own, article, now_ms) and takes(own, known := article or _UNKNOWN):
                rise = None if rises is None else rises[article_id]
                total, origin = published.read.total, published.name.window
                places.append(Place(article_id, own, count, total, origin, known, rise))
        return len(places) == most

    if ends_in(published.rows) or not more or (rises is None and len(published.rows) < PLACES):
        return Listed(places, short=False)
    covered = filter_.in_catalogue in published.covered
    if covered:
        ends_in(published.further)
    # Articles that the catalogue does not know, and other spellings, were not looked up: there may be holes.
    return Listed(places, short=not (covered and filter_.by_catalogue and not names))


def unlisted(published: Published, filter_: Filter, articles: Mapping[str, Article], now_ms: int) -> list[int]:
    """The places, from 1, of the rows that the filter does not admit."""
    names = published.names
    return [
        place
        for place, (_, article_id) in enumerate(published.rows, 1)
        if not filter_.admits(*_about(article_id, articles, names), now_ms)
    ]


def is_listed(
    article_id: str, published: Published, filter_: Filter, articles: Mapping[str, Article], now_ms: int
) -> bool:
    """Whether the filter admits an article, whichever place it has."""
    return filter_.admits(*_about(article_id, articles, published.names), now_ms)


def _about(
    article_id: str, articles: Mapping[str, Article], names: Mapping[str, tuple[str, str]]
) -> tuple[str, Article | None]:
    """A row's own name, and what the catalogue knows of it."""
    if article_id not in names:
        return article_id, articles.get(article_id)
    own, name = names[article_id]
    return own, known_as(articles, own, name)


def newest(
    published_ids: Sequence[str],
    filter_: Filter,
    articles: Mapping[str, Article],
    now_ms: int,
    most: int,
    takes: Takes = _every,
) -> Listed:
    """What has just been published, as far as filter and `takes` admit it; `published_ids` are the newest first."""
    places: list[Place] = []
    for at, article_id in enumerate(published_ids):
        if len(places) == most:
            break
        if at == LOOKED_AT:
            return Listed(places, short=True)
        article = articles.get(article_id, _UNKNOWN)
        if article.published_at is None or article.published_at > now_ms:
            continue
        if filter_.within_ms is not None and article.published_at < now_ms - filter_.within_ms:
            break
        if filter_.admits(article_id, article, now_ms) and takes(article_id, article):
            places.append(Place(article_id, article_id, None, None, LATEST, article))
    return Listed(places, short=False)


def items(
    places: Sequence[Place],
    query: Query,
    ranks: Ranks | None,
    window: str,
    now_ms: int,
    *,
    counts: bool,
    rising: bool = False,
) -> Iterator[dict[str, Any]]:
    """The requested part of these places as the API has them. `ranks` None: no history; `counts`: whether shown.

    `rising`: with how far the counts are above what was to be expected.
    """
    page = places[query.offset : query.offset + query.limit]
    for rank, place in enumerate(page, query.offset + 1):
        item = {"rank": rank, "article_id": place.article_id, **_count(place, counts=counts)}
        if rising:
            item.update(_rise(place.rise if counts else None))
        item.update(catalogue_fields(place.article))
        if ranks is not None:
            # what fills the list up has no place in its history
            known = place.origin == window
            item.update(_movement(ranks.about(place.article_id, rank, now_ms, place.name) if known else _NO_HISTORY))
        if query.fallback:
            item["origin"] = place.origin
        yield item


def _count(place: Place, *, counts: bool) -> dict[str, Any]:
    if not counts or place.count is None:
        return {"count": None, "share": None}
    share = round(place.count / place.total, 6) if place.total and place.total > 0 else None
    return {"count": place.count, "share": share}


def _rise(rise: Rise | None) -> dict[str, Any]:
    if rise is None:
        return {"expected": None, "times": None, "sigmas": None}
    return {"expected": round(rise.expected, 3), "times": round(rise.times, 3), "sigmas": round(rise.sigmas, 3)}


def catalogue_fields(article: Article) -> dict[str, Any]:
    """What the catalogue knows of an article, in the API's words."""
    return {
        "title": article.title,
        "url": article.url,
        "format": article.format,
        "section": article.section,
        "published_at": None if article.published_at is None else rfc3339(article.published_at),
    }


def _movement(movement: Movement) -> dict[str, Any]:
    entered_ms = movement.entered_at_ms
    return {
        "previous_rank": movement.previous_rank,
        "entered_at": None if entered_ms is None else rfc3339(entered_ms),
        "best_rank": movement.best_rank,
        "trend": movement.trend,
    }


def shards_behind(shards: Sequence[tuple[int, int | None]]) -> list[dict[str, Any]]:
    """The shards that a list waits for, those without an answer and the oldest first."""
    first = sorted(shards, key=lambda shard: shard[1] or 0)[:MOST_BEHIND]
    return [{"partition": shard, "as_of": None if ms is None else rfc3339(ms)} for shard, ms in first]


def history(ranks: Ranks) -> dict[str, Any]:
    """What the items' history is made of."""
    since = None if ranks.since_ms is None else rfc3339(ranks.since_ms)
    return {"grain_s": GRAIN_S, "places": PLACES_KEPT, "since": since}
