"""An article's record as the catalogue takes it: the contract of schemas/article.schema.json, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ranker.core.event import MAX_TIME_MS, article_ok, site_ok

EDITOR = b"#editor"
"""Ends the key of the editor's word, which feeds never overwrite."""

_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
_Word = Annotated[str, msgspec.Meta(max_length=64)]


class ArticleRecord(msgspec.Struct, frozen=True):
    """One record. Times are milliseconds since the epoch; unknown fields are ignored."""

    site_id: str
    article_id: str
    status: Literal["published", "removed"]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    url: Annotated[str, msgspec.Meta(max_length=2048, pattern=r"^https?://\S+\Z")] | None = None
    format: _Word | None = None
    section: _Word | None = None
    published_at: _Time | None = None
    updated_at: _Time | None = None


_decode = msgspec.json.Decoder(ArticleRecord).decode


def fault(key: bytes | None, value: bytes) -> str | None:
    """Why a record cannot be taken, None where it can: its value is an article, and its key is that article's."""
    try:
        article = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    if not site_ok(article.site_id):
        return "site_id is not allowed"
    if not article_ok(article.article_id):
        return "article_id is not allowed"
    if article.status == "published" and (article.title is None or article.url is None or article.published_at is None):
        return "a published article has a title, a url and published_at"
    own = f"{article.site_id}/{article.article_id}".encode()
    if key not in {own, own + EDITOR}:
        return "the key is not the article's: site_id/article_id, or the same with #editor behind it"
    return None
