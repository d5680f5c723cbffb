"""What is copied into Redis besides the counts: the catalogue, and the documents of periods."""

from __future__ import annotations

import zlib

from ranker.consume.jobs.copy_topic import Copied
from ranker.core import article, best_of
from ranker.core.event import site_ok
from ranker.store.keys import BEST_OF, CATALOGUE


def _article_fault(key: bytes | None, value: bytes | None) -> str | None:
    return _article_key_fault(key) if value is None else article.fault(key, value)


def _article_key_fault(key: bytes | None) -> str | None:
    """Why a tombstone's key names no article; None if it does. The keys of other records are checked with them."""
    if key is None:
        return "a record without key and value"
    try:
        site, _, article_id = article.split_key(key)[0].decode().partition("/")
    except UnicodeDecodeError:
        return "the key is not UTF-8"
    return None if site_ok(site) and article.id_ok(article_id) else "the key names no article of a site"


THE_CATALOGUE = Copied(CATALOGUE, _article_fault)
THE_DOCUMENTS = Copied(BEST_OF, best_of.fault, zlib.compress)
