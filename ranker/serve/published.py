"""Lists as readers see them: which reading is published, how old it may get, and its cut as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ranker.core.generation import Generation, Window
from ranker.core.merge import PLACES
from ranker.lists.articles import Article
from ranker.store.reader import ListName, ListRead

MAX_LIMIT = 1_000
"""Places that one answer may hold; twice as many are read, so that hidden articles leave no hole."""
KEEP_LEVEL_MS = 5_000
"""How long the last list stands in while shards are between two floors (once a minute, a second or so)."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Limits of a list's age, which is the wall clock less its as_of; milliseconds."""

    stale_ms: int
    gone_ms: int


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes and their strong ETag."""

    content: bytes
    etag: bytes


class Published:
    """One list on show, from when it was read until a later reading takes its place."""

    def __init__(self, name: ListName, generation: Generation, partitions: int, read: ListRead, now_ms: int) -> None:
        self.name = name
        self.generation = generation
        self.partitions = partitions
        self.read = read
        self.read_ms = now_ms
        self.window = next(window for window in generation.windows if window.name == name.window)
        self._bodies: dict[tuple[int, bool], Body] = {}

    @property
    def as_of_ms(self) -> int:
        return self.read.span.as_of_ms

    def age_ms(self, now_ms: int) -> int:
        return now_ms - self.as_of_ms

    def yields_to(self, read: ListRead, generation: Generation, partitions: int, now_ms: int, ages: Ages) -> bool:
        """Whether a new reading takes this one's place.

        Another generation does, at once. This one stays while the new one is older (a failover), lacks shards, or, for
        5 s, lies between two floors; once it is stale, only while it may still be served and the new one, older, may
        not: shards that are counted again from the start begin a window ago.
        """
        age_ms = self.age_ms(now_ms)
        if generation.id != self.generation.id or age_ms > ages.gone_ms:
            return True
        older = read.span.as_of_ms < self.as_of_ms
        if age_ms > ages.stale_ms:
            return not older or now_ms - read.span.as_of_ms <= ages.gone_ms
        if older:
            return False
        if read.answered < partitions and self.read.answered == self.partitions:
            return False
        between = self.read.span.level and not read.span.level
        return not (between and now_ms - self.read_ms <= KEEP_LEVEL_MS)

    def body(self, limit: int, articles: Mapping[str, Article], *, stale: bool) -> Body:
        """The first `limit` places as JSON; rendered once, until `forget_bodies`."""
        body = self._bodies.get((limit, stale))
        if body is None:
            content = orjson.dumps(self.content(limit, articles, stale=stale))
            body = Body(content, b'"' + hashlib.sha256(content).hexdigest()[:24].encode() + b'"')
            self._bodies[limit, stale] = body
        return body

    def forget_bodies(self) -> None:
        """The catalogue changed: titles and hidden articles are looked up again."""
        self._bodies.clear()

    def content(self, limit: int, articles: Mapping[str, Article], *, stale: bool) -> dict[str, Any]:
        """The answer's fields. Hidden articles leave before the cut; where that leaves too few, it is not complete."""
        span = self.read.span
        items: list[dict[str, Any]] = []
        hidden = False
        for count, article_id in self.read.merged.rows:
            if len(items) == limit:
                break
            text = article_id.decode()
            article = articles.get(text, _UNKNOWN)
            if article.hidden:
                hidden = True
                continue
            items.append(
                {
                    "rank": len(items) + 1,
                    "article_id": text,
                    "count": count,
                    "title": article.title,
                    "url": article.url,
                    "format": article.format,
                    "section": article.section,
                    "published_at": None if article.published_at is None else rfc3339(article.published_at),
                }
            )
        short = hidden and len(items) < limit and self.read.merged.more and len(self.read.merged.rows) == PLACES
        return {
            "site": self.name.site,
            "board": self.name.board,
            "window": _window(self.window, span.from_ms, span.as_of_ms),
            "as_of": rfc3339(span.as_of_ms),
            "complete": span.complete and not short,
            "stale": stale,
            "total": self.read.total,
            "items": items,
        }


_UNKNOWN = Article()


def _window(window: Window, from_ms: int, to_ms: int) -> dict[str, Any]:
    return {
        "name": window.name,
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "grain_s": window.grain_ms // 1000,
    }


def rfc3339(moment_ms: int) -> str:
    """UTC with milliseconds: 2026-11-23T01:02:03.004Z."""
    seconds, milliseconds = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
