"""The catalogue's records: the contract of the schemas article, editor and alias, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec

from ranker.core.event import MAX_TIME_MS, site_ok
from schemas.article_id import MAX_BYTES, is_address, is_article_id

_Time = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
_ShortText = Annotated[str, msgspec.Meta(max_length=64)]


class ArticleRecord(msgspec.Struct, frozen=True):
    """An article as its feed describes it. Times are milliseconds since the epoch; unknown fields are ignored."""

    key_suffixes: ClassVar[tuple[bytes, ...]] = (b"",)
    """What follows `site/article` in the record's key."""

    site_id: str
    article_id: str
    status: Literal["published", "removed"]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    url: Annotated[str, msgspec.Meta(max_length=2048, pattern=r"^https?://\S+\Z")] | None = None
    format: _ShortText | None = None
    section: _ShortText | None = None
    published_at: _Time | None = None
    updated_at: _Time | None = None


class EditorRecord(msgspec.Struct, frozen=True):
    """Whether the editor hides an article; feeds cannot change that."""

    key_suffixes: ClassVar[tuple[bytes, ...]] = (b" #editor", b"#editor")
    """With a space, which no id contains. Version 0.1 wrote none, so such a key may also be an article's."""

    site_id: str
    article_id: str
    hidden: bool


class AliasRecord(msgspec.Struct, frozen=True):
    """The article that this one has moved to; None if the editor has withdrawn that."""

    key_suffixes: ClassVar[tuple[bytes, ...]] = (b" #alias", b"#alias")

    site_id: str
    article_id: str
    alias_of: str | None


class _Named(msgspec.Struct, frozen=True):
    article_id: str


Record = ArticleRecord | EditorRecord | AliasRecord

_decode_named = msgspec.json.Decoder(_Named).decode
_DECODERS: Mapping[bytes, msgspec.json.Decoder[Record]] = {
    suffix: msgspec.json.Decoder(kind)
    for kind in (ArticleRecord, EditorRecord, AliasRecord)
    for suffix in kind.key_suffixes
}
_KEY_SUFFIXES = EditorRecord.key_suffixes + AliasRecord.key_suffixes


def split_key(key: bytes) -> tuple[bytes, bytes]:
    """The key without an editor record's suffix, and that suffix (b"" if it has none).

    An id may end in a suffix of version 0.1: without the record's value the two cases cannot be told apart.
    """
    if not key.endswith(_KEY_SUFFIXES):  # the usual case, and called for every article
        return key, b""
    suffix = next(suffix for suffix in _KEY_SUFFIXES if key.endswith(suffix))
    return key.removesuffix(suffix), suffix


def decode_record(key: bytes, value: bytes) -> Record:
    """A record of the kind that its key names. An article whose id ends in an editor's suffix is an article.

    Raises msgspec.MsgspecError, UnicodeDecodeError or RecursionError if the value does not have that form.
    """
    suffix = split_key(key)[1]
    if suffix and key.partition(b"/")[2] == _decode_named(value).article_id.encode():
        suffix = b""
    return _DECODERS[suffix].decode(value)


def id_ok(article_id: str) -> bool:
    """Whether an id is allowed now, or is an address that version 0.1 allowed: what it wrote stays in force."""
    if is_article_id(article_id):
        return True
    was_allowed = is_address(article_id) and article_id.isprintable() and " " not in article_id
    return was_allowed and len(article_id.encode()) <= MAX_BYTES


def fault(key: bytes | None, value: bytes) -> str | None:
    """Why a record is not valid (its value lacks the form or the id that its key requires); None if it is."""
    try:
        record = decode_record(key or b"", value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    if not site_ok(record.site_id):
        return "site_id is not allowed"
    if not id_ok(record.article_id):
        return "article_id is not allowed"
    if key not in [f"{record.site_id}/{record.article_id}".encode() + suffix for suffix in record.key_suffixes]:
        return (
            "the key is not the article's: site_id/article_id, or the same with a space and #editor or #alias behind it"
        )
    if isinstance(record, ArticleRecord):
        return _incomplete(record)
    if isinstance(record, AliasRecord) and record.alias_of is not None:
        other = id_ok(record.alias_of) and record.alias_of != record.article_id
        return None if other else "alias_of is not the id of another article"
    return None


def _incomplete(article: ArticleRecord) -> str | None:
    if article.status == "published" and (article.title is None or article.url is None or article.published_at is None):
        return "a published article has a title, a url and published_at"
    return None
