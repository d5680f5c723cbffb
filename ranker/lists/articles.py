"""The catalogue in memory: feeds' records of each article, overridden by the editor's.

Articles are known by their names (`names.py`), whatever the spelling in a record's key. Of several records of one kind
on one article, the last one of the topic holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from operator import attrgetter, itemgetter

import msgspec

from ranker.core.article import AliasRecord, ArticleRecord, EditorRecord, Record, decode_record, split_key
from ranker.lists.names import namer
from schemas.article_id import DEFAULT, IdRule

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


class _Fed(msgspec.Struct, frozen=True, gc=False):
    """What a feed's record says, and the record's offset."""

    offset: int
    article: Article


class Articles:
    """Every article of every site, from the records of the topic: articles, and the editor's records on them."""

    def __init__(self, rules: Mapping[str, IdRule]) -> None:
        """`rules` make the names; sites without one have the default."""
        self._rules = rules
        self._fed: dict[str, dict[str, _Fed]] = {}
        """Of each site: the feeds' records by the id in their keys."""
        self._spellings: dict[str, dict[str, set[str]]] = {}
        """Of each site: the ids of `_fed` that are not names, by name."""
        self._edits: dict[str, dict[tuple[type, str], dict[bytes, tuple[int, EditorRecord | AliasRecord]]]] = {}
        """Of each site's (kind, name): the editor's records and their offsets by key."""
        self._hidden: dict[str, set[str]] = {}
        self._targets: dict[str, dict[str, str]] = {}
        """Of each site: the names of articles that moved, to those of their targets."""
        self._aliases: dict[str, dict[str, str]] = {}
        """What `aliases` returns, until one of a site's aliases changes."""
        self._shown: dict[str, dict[str, Article]] = {}
        self._warned: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._shown.values()))

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(self._shown)

    def of(self, site: str) -> Mapping[str, Article]:
        """Name to article, on one site. Of one that no feed has described, only that the editor hides it."""
        return self._shown.get(site, {})

    def aliases(self, site: str) -> Mapping[str, str]:
        """Name of each article that moved, to that of the present one; one hop, at most MAX_ALIASES.

        The spellings of both in the editor's records lead there too, since there may be counts under them.
        """
        targets = self._targets.get(site)
        if not targets:
            return {}
        if site not in self._aliases:
            found = dict(targets)
            name = namer(self._rules.get(site, DEFAULT))
            for moved, target in targets.items():
                for _, record in self._edits[site][AliasRecord, moved].values():
                    found[record.article_id] = target
                    if isinstance(record, AliasRecord) and record.alias_of is not None:
                        to = name(record.alias_of)
                        found[record.alias_of] = targets.get(to, to)
            self._aliases[site] = {moved: to for moved, to in found.items() if moved != to}
        return self._aliases[site]

    def apply(self, changes: Iterable[tuple[bytes, bytes | None, int]]) -> set[str]:
        """Applies changed records (key, JSON, offset; without JSON: deleted); returns the sites they belong to.

        Invalid records are skipped: one of them must not hold up the takedowns behind it.
        """
        sites = set()
        invalid: list[bytes] = []
        for key, raw, offset in changes:
            try:
                sites.add(self._apply(key, None if raw is None else decode_record(key, raw), offset))
            except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
                invalid.append(key)
        if invalid:
            log.warning(
                "articles that cannot be read", extra={"records": len(invalid), "first": repr(invalid[0][:100])}
            )
        return sites

    def _apply(self, key: bytes, record: Record | None, offset: int) -> str:
        article, suffix = split_key(key)
        site, _, article_id = article.decode().partition("/")
        self._shown.setdefault(site, {})
        if isinstance(record, ArticleRecord):
            shown = Article(record.title, record.url, record.format, record.section, record.published_at, record.status)
            self._feed(site, article_id + suffix.decode(), _Fed(offset, shown))
            record = None
        elif record is None or suffix:
            self._feed(site, article_id + suffix.decode(), None)
        if suffix:
            self._edit(site, key, article_id, None if record is None else (offset, record))
        return site

    def _feed(self, site: str, article_id: str, fed: _Fed | None) -> None:
        """Sets or deletes the feed's record under one id."""
        records = self._fed.setdefault(site, {})
        if fed is None and records.pop(article_id, None) is None:
            return
        if fed is not None:
            records[article_id] = fed
        rule = self._rules.get(site, DEFAULT)
        name = namer(rule)(article_id)
        if name != article_id:
            spellings = self._spellings.setdefault(site, {}).setdefault(name, set())
            spellings.add(article_id)
            if len(spellings) > 1 and "?" in article_id and rule.source == "path":
                self._warn("articles that differ in their query only are taken for one; set sites.NAME.ids.from", site)
            if fed is None:
                spellings.remove(article_id)
            if not spellings:
                del self._spellings[site][name]
        self._show(site, name)

    def _edit(
        self, site: str, key: bytes, article_id: str, edit: tuple[int, EditorRecord | AliasRecord] | None
    ) -> None:
        """Sets or deletes the editor's record under one key."""
        kind = EditorRecord if key.endswith(EditorRecord.key_suffixes) else AliasRecord
        name = namer(self._rules.get(site, DEFAULT))
        edited = name(article_id)
        edits = self._edits.setdefault(site, {}).setdefault((kind, edited), {})
        edits.pop(key, None)
        if edit is not None:
            edits[key] = edit
        elif not edits:
            del self._edits[site][kind, edited]
        _, last = max(edits.values(), key=itemgetter(0), default=(0, None))
        if kind is EditorRecord:
            self._hidden.setdefault(site, set()).discard(edited)
            if isinstance(last, EditorRecord) and last.hidden:
                self._hidden[site].add(edited)
            self._show(site, edited)
            return
        self._aliases.pop(site, None)
        targets = self._targets.setdefault(site, {})
        targets.pop(edited, None)
        if isinstance(last, AliasRecord) and last.alias_of is not None:
            if len(targets) < MAX_ALIASES:
                targets[edited] = name(last.alias_of)
            else:
                self._warn("more aliases than a site may have; new ones are left out", site)

    def _warn(self, what: str, site: str) -> None:
        if (what, site) not in self._warned:
            self._warned.add((what, site))
            log.warning(what, extra={"site": site})

    def _show(self, site: str, name: str) -> None:
        shown, records = self._shown[site], self._fed.get(site, {})
        last = records.get(name)
        if others := self._spellings.get(site, {}).get(name):
            last = max((records[one] for one in {name, *others} if one in records), key=attrgetter("offset"))
        fed = None if last is None else last.article
        if name in self._hidden.get(site, ()):
            shown[name] = msgspec.structs.replace(fed or Article(), hidden=True)
        elif fed is not None:
            shown[name] = fed
        else:
            shown.pop(name, None)
