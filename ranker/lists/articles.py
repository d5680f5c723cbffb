"""The catalogue in memory: feeds' records of each article, overridden by the editor's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from ranker.core.article import AliasRecord, ArticleRecord, EditorRecord, Record, decode_record, split_key

log = logging.getLogger(__name__)

MAX_ALIASES = 10_000
"""Per site. Every refresh of a list reads the counts of all of them by name."""


class Article(msgspec.Struct, frozen=True):
    """What a list shows of an article; None if unknown. `published_at` is ms since the epoch.

    `hidden` by the editor, or removed by a feed: no list shows it.
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
    """Every article of every site, from the records of the topic: articles, and the editor's records on them."""

    def __init__(self) -> None:
        self._fed: dict[str, dict[str, Article]] = {}
        self._edits: dict[str, dict[tuple[type, str], dict[bytes, EditorRecord | AliasRecord]]] = {}
        """Of each site's (kind, article): the editor's records by the suffix of their key, in the topic's order."""
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
        """Article id to article, on one site. Of one that no feed has described, only that the editor hides it."""
        return self._shown.get(site, {})

    def aliases(self, site: str) -> Mapping[str, str]:
        """Id of each article that moved, to its present id; one hop, at most MAX_ALIASES."""
        return self._aliases.get(site, {})

    def apply(self, changes: Iterable[tuple[bytes, bytes | None]]) -> set[str]:
        """Applies changed records (key, JSON; None: deleted); returns the sites they belong to.

        Invalid records are skipped: one of them must not hold up the takedowns behind it.
        """
        sites = set()
        invalid: list[bytes] = []
        for key, raw in changes:
            try:
                sites.add(self._apply(key, None if raw is None else decode_record(key, raw)))
            except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
                invalid.append(key)
        if invalid:
            log.warning(
                "articles that cannot be read", extra={"records": len(invalid), "first": repr(invalid[0][:100])}
            )
        return sites

    def _apply(self, key: bytes, record: Record | None) -> str:
        name, suffix = split_key(key)
        site, _, named = name.decode().partition("/")
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
            self._edit(site, named, suffix, record)
        return site

    def _edit(self, site: str, named: str, suffix: bytes, record: EditorRecord | AliasRecord | None) -> None:
        """Sets or deletes the editor's record on article `named` under one of its two keys. The latest one holds."""
        kind = EditorRecord if suffix in EditorRecord.key_suffixes else AliasRecord
        records = self._edits.setdefault(site, {}).setdefault((kind, named), {})
        records.pop(suffix, None)
        if record is not None:
            records[suffix] = record
        elif not records:
            del self._edits[site][kind, named]
        last = next(reversed(records.values()), None)
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
