"""The catalogue in memory: what feeds say of each article, and the editor's hand above it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from ranker.core.article import AliasRecord, ArticleRecord, EditorRecord, Record, decode_record, split_key

log = logging.getLogger(__name__)

MAX_ALIASES = 10_000
"""Per site. Every refresh of a list asks for the counts of all of them by name."""


class Article(msgspec.Struct, frozen=True):
    """What a list shows of an article; None where nobody has said it. `published_at` is ms since the epoch.

    `hidden` by the editor, or because a feed has removed it: then no list shows it.
    """

    title: str | None = None
    url: str | None = None
    format: str | None = None
    section: str | None = None
    published_at: int | None = None
    status: str | None = None
    hidden: bool = False

    def __post_init__(self) -> None:
        if self.status == "removed":
            msgspec.structs.force_setattr(self, "hidden", True)


class Articles:
    """Every article of every site. Records come as they are in the topic: an article, or the editor's word on it."""

    def __init__(self) -> None:
        self._fed: dict[str, dict[str, Article]] = {}
        self._words: dict[str, dict[tuple[type, str], dict[bytes, EditorRecord | AliasRecord]]] = {}
        """Of each site's (kind, article): the words by what their key ends with, in the order in which they came."""
        self._hidden: dict[str, set[str]] = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self._shown: dict[str, dict[str, Article]] = {}
        self._overfull: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._shown.values()))

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(self._shown)

    def of(self, site: str) -> Mapping[str, Article]:
        """Article id to what is known of it, on one site; of what the editor hides perhaps only that."""
        return self._shown.get(site, {})

    def aliases(self, site: str) -> Mapping[str, str]:
        """Id of each article that moved, to the id that it stands under now; one hop, at most MAX_ALIASES."""
        return self._aliases.get(site, {})

    def take(self, changes: Iterable[tuple[bytes, bytes | None]]) -> set[str]:
        """Takes in changed records (key, JSON; None: forgotten); returns the sites they belong to.

        What cannot be decode_record is passed over: one such record must not keep takedowns behind it from being seen.
        """
        sites = set()
        unread: list[bytes] = []
        for key, raw in changes:
            try:
                sites.add(self._take(key, None if raw is None else decode_record(key, raw)))
            except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
                unread.append(key)
        if unread:
            log.warning(
                "articles that cannot be decode_record", extra={"records": len(unread), "first": repr(unread[0][:100])}
            )
        return sites

    def _take(self, key: bytes, record: Record | None) -> str:
        of, suffix = split_key(key)
        site, _, named = of.decode().partition("/")
        article_id = named + suffix.decode()
        self._shown.setdefault(site, {})
        if (record is None or suffix) and self._fed.get(site, {}).pop(article_id, None) is not None:
            self._show(site, article_id)
        if isinstance(record, ArticleRecord):
            self._fed.setdefault(site, {})[article_id] = Article(
                record.title, record.url, record.format, record.section, record.published_at, record.status
            )
            self._show(site, article_id)
            record = None
        if suffix:
            self._hear(site, named, suffix, record)
        return site

    def _hear(self, site: str, named: str, suffix: bytes, word: EditorRecord | AliasRecord | None) -> None:
        """A word on article `named` under one of its two keys, or none any more. The one that came last holds."""
        kind = EditorRecord if suffix in EditorRecord.key_suffixes else AliasRecord
        words = self._words.setdefault(site, {}).setdefault((kind, named), {})
        words.pop(suffix, None)
        if word is not None:
            words[suffix] = word
        elif not words:
            del self._words[site][kind, named]
        last = next(reversed(words.values()), None)
        if kind is EditorRecord:
            self._hidden.setdefault(site, set()).discard(named)
            if isinstance(last, EditorRecord) and last.hidden:
                self._hidden[site].add(named)
            self._show(site, named)
            return
        self._aliases.get(site, {}).pop(named, None)
        if isinstance(last, AliasRecord) and last.alias_of is not None:
            self._alias(site, named, last.alias_of)

    def _alias(self, site: str, article_id: str, target: str) -> None:
        aliases = self._aliases.setdefault(site, {})
        if len(aliases) < MAX_ALIASES:
            aliases[article_id] = target
        elif site not in self._overfull:
            self._overfull.add(site)
            log.warning("more aliases than a site may have; new ones are left out", extra={"site": site})

    def _show(self, site: str, article_id: str) -> None:
        shown = self._shown[site]
        fed = self._fed.get(site, {}).get(article_id)
        if article_id in self._hidden.get(site, ()):
            shown[article_id] = msgspec.structs.replace(fed or Article(), hidden=True)
        elif fed is not None:
            shown[article_id] = fed
        else:
            shown.pop(article_id, None)
