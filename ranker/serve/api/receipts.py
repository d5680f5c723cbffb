"""The receipt of a list: what it was made of, and the hash of its rows, so that it can be recounted from the log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ranker.core import rules
from ranker.lists.articles import Article
from ranker.lists.filters import Filter
from ranker.serve.api.items import is_listed, unlisted
from ranker.serve.live.published import Published


def names_hidden(published: Published, filter_: Filter, articles: Mapping[str, Article], now_ms: int) -> bool:
    """Whether an article that is not shown has moved: its names would tell whom a takedown is about."""
    targets = {new.decode() for new in published.read.merged.moved.values()}
    return not all(is_listed(target, published, filter_, articles, now_ms) for target in targets)


def receipt(published: Published, filter_: Filter, articles: Mapping[str, Article], now_ms: int) -> dict[str, Any]:
    """`filter_` admits every article that the site shows: the others are named by their places alone."""
    name, generation, rows = published.name, published.generation, published.rows
    return {
        "version": 1,
        "site": name.site,
        "board": name.board,
        "window": name.window,
        "topic": generation.topic,
        "generation": generation.id,
        "rules": list(rules.in_force(generation)),
        "partitions": [
            {"partition": shard, "lineage": meta.lineage, "n0": meta.n0, "n": meta.n, "floors": list(meta.floors)}
            for shard, meta in sorted(published.read.metas.items())
        ],
        "aliases": {old.decode(): new.decode() for old, new in sorted(published.read.merged.moved.items())},
        "hidden": unlisted(published, filter_, articles, now_ms),
        "rows": len(rows),
        "sha256": sha256(rows),
    }


def sha256(rows: Sequence[tuple[int, str]]) -> str:
    """Of [[article_id, count], ...] in the canonical form of RFC 8785: orjson's, as there are no names to sort."""
    return hashlib.sha256(orjson.dumps([(article, count) for count, article in rows])).hexdigest()
