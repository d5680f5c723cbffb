"""What is copied into Redis besides the counts: the catalogue, and the documents of periods."""

from __future__ import annotations

import zlib

import msgspec

from ranker.consume.jobs.copy_topic import Copied
from ranker.core import article
from ranker.core.best_of import Key
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


def _document_fault(key: bytes | None, value: bytes | None) -> str | None:
    try:
        named = Key.parse((key or b"").decode())
        found = None if value is None else msgspec.json.decode(value, type=_Named)
    except (ValueError, msgspec.MsgspecError, RecursionError) as error:
        return str(error)
    if found is None or found.key == named:
        return None
    return "the key is not the document's own"


class _Period(msgspec.Struct):
    kind: str
    date: str


class _Named(msgspec.Struct):
    site: str
    board: str
    period: _Period
    revision: int

    @property
    def key(self) -> Key:
        return Key.parse(f"{self.site}/{self.period.kind}/{self.period.date}/{self.board}/{self.revision}")


THE_CATALOGUE = Copied(CATALOGUE, _article_fault)
THE_DOCUMENTS = Copied(BEST_OF, _document_fault, zlib.compress)
