"""The catalogue in memory: what is known of each article, the editor's word above the feeds'."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

log = logging.getLogger(__name__)

EDITOR = "#editor"


class Article(msgspec.Struct, frozen=True):
    """What a list shows of an article; None where nobody has said it. `published_at` is ms since the epoch."""

    title: str | None = None
    url: str | None = None
    format: str | None = None
    section: str | None = None
    published_at: int | None = None
    status: str | None = None

    @property
    def hidden(self) -> bool:
        return self.status == "removed"


class _Record(Article, frozen=True, kw_only=True):
    site_id: str
    article_id: str


_decode = msgspec.json.Decoder(_Record).decode


class Articles:
    """Every article of every site. Records come keyed as in the topic: `site/article`, or with #editor behind it."""

    def __init__(self) -> None:
        self._feeds: dict[str, dict[str, Article]] = {}
        self._editors: dict[str, dict[str, Article]] = {}
        self._shown: dict[str, dict[str, Article]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._shown.values()))

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(self._shown)

    def of(self, site: str) -> Mapping[str, Article]:
        """Article id to what is known of it, on one site."""
        return self._shown.get(site, {})

    def aliases(self, site: str) -> Mapping[str, str]:
        """Moved id to the id that it stands under now, on one site."""
        del site  # nothing says yet that an article was moved
        return {}

    def take(self, changes: Iterable[tuple[bytes, bytes | None]]) -> set[str]:
        """Takes in changed records (key, JSON; None: forgotten); returns the sites they belong to.

        What cannot be read is passed over: one such record must not keep takedowns behind it from being seen.
        """
        sites = set()
        unread: list[bytes] = []
        for key, raw in changes:
            try:
                sites.add(self._take(key.decode(), None if raw is None else _decode(raw)))
            except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
                unread.append(key)
        if unread:
            log.warning("articles that cannot be read", extra={"records": len(unread), "first": repr(unread[0][:100])})
        return sites

    def _take(self, key: str, record: _Record | None) -> str:
        site, _, article_id = key.partition("/")
        said = self._feeds
        # An id may itself end with #editor: the record says which of the two it is.
        if article_id.endswith(EDITOR) and (record is None or record.article_id != article_id):
            said, article_id = self._editors, article_id.removesuffix(EDITOR)
        if record is None:
            said.get(site, {}).pop(article_id, None)
        else:
            said.setdefault(site, {})[article_id] = _plain(record)
        self._show(site, article_id)
        return site

    def _show(self, site: str, article_id: str) -> None:
        fed = self._feeds.get(site, {}).get(article_id)
        edited = self._editors.get(site, {}).get(article_id)
        shown = self._shown.setdefault(site, {})
        if fed is not None and edited is not None:
            shown[article_id] = _over(edited, fed)
        elif fed is not None or edited is not None:
            shown[article_id] = fed or edited or Article()
        else:
            shown.pop(article_id, None)


def _plain(record: _Record) -> Article:
    """Without the ids, which the dictionaries hold already."""
    return Article(record.title, record.url, record.format, record.section, record.published_at, record.status)


def _over(edited: Article, fed: Article) -> Article:
    """The editor's word where there is one, the feed's elsewhere."""
    said = {name: value for name in Article.__struct_fields__ if (value := getattr(edited, name)) is not None}
    return msgspec.structs.replace(fed, **said)
