"""The catalogue in memory: feeds' records of each article, overridden by the editor's.

Articles are known by their names (`names.py`), whatever the spelling in a record's key. Of several records of one kind
on one article, the last one of the topic holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

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


class _Record(msgspec.Struct, frozen=True, gc=False):
    """What a record says, and its offset."""

    offset: int
    says: Any


class _Records:
    """The records of one kind on one article, by what their keys have of their own; `last` has the largest offset."""

    __slots__ = ("_of", "last")

    def __init__(self) -> None:
        self._of: dict[str | bytes, _Record] = {}
        self.last: _Record | None = None

    def __iter__(self) -> Iterator[_Record]:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def put(self, key: str | bytes, record: _Record | None) -> None:
        """Sets or deletes one. Compares all of them only if the last one goes: there may be 100,000."""
        before = self._of.pop(key, None)
        if record is not None:
            self._of[key] = record
        if record is not None and (self.last is None or record.offset >= self.last.offset):
            self.last = record
        elif before is not None and before is self.last:
            self.last = max(self._of.values(), key=attrgetter("offset"), default=None)


class Articles:
    """Every article of every site, from the records of the topic: articles, and the editor's records on them."""

    def __init__(self, rules: Mapping[str, IdRule]) -> None:
        """`rules` make the names; sites without one have the default."""
        self._rules = rules
        self._fed: dict[str, dict[str, _Record | _Records]] = {}
        """Of each site's name: the feed's record, or all of them if one has another spelling."""
        self._edits: dict[str, dict[tuple[type, str], _Records]] = {}
        """Of each site's (kind, name): the editor's records."""
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
                for record in self._edits[site][AliasRecord, moved]:
                    found[record.says.article_id] = target
                    if (given := record.says.alias_of) is not None:
                        to = name(given)
                        found[given] = targets.get(to, to)
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
            self._feed(site, article_id + suffix.decode(), _Record(offset, shown))
            record = None
        elif record is None or suffix:
            self._feed(site, article_id + suffix.decode(), None)
        if suffix:
            self._edit(site, key, article_id, None if record is None else _Record(offset, record))
        return site

    def _feed(self, site: str, article_id: str, fed: _Record | None) -> None:
        """Sets or deletes the feed's record under one id."""
        rule = self._rules.get(site, DEFAULT)
        name = namer(rule)(article_id)
        all_fed = self._fed.setdefault(site, {})
        found = all_fed.get(name)
        if found is None and fed is None:
            return
        if fed is not None and name == article_id and not isinstance(found, _Records):
            all_fed[name] = fed
        else:
            if not isinstance(found, _Records):
                alone, found = found, _Records()
                found.put(name, alone)
            found.put(article_id, fed)
            if len(found) > 1 and "?" in article_id and rule.source == "path":
                self._warn("articles that differ in their query only are taken for one; set sites.NAME.ids.from", site)
            if found:
                all_fed[name] = found
            else:
                del all_fed[name]
        self._show(site, name)

    def _edit(self, site: str, key: bytes, article_id: str, edit: _Record | None) -> None:
        """Sets or deletes the editor's record under one key."""
        kind = EditorRecord if key.endswith(EditorRecord.key_suffixes) else AliasRecord
        name = namer(self._rules.get(site, DEFAULT))
        edited = name(article_id)
        edits = self._edits.setdefault(site, {}).setdefault((kind, edited), _Records())
        edits.put(key, edit)
        if not edits:
            del self._edits[site][kind, edited]
        last = None if edits.last is None else edits.last.says
        if kind is EditorRecord:
            self._hidden.setdefault(site, set()).discard(edited)
            if last is not None and last.hidden:
                self._hidden[site].add(edited)
            self._show(site, edited)
            return
        self._aliases.pop(site, None)
        targets = self._targets.setdefault(site, {})
        targets.pop(edited, None)
        if last is not None and last.alias_of is not None:
            if len(targets) < MAX_ALIASES:
                targets[edited] = name(last.alias_of)
            else:
                self._warn("more aliases than a site may have; new ones are left out", site)

    def _warn(self, what: str, site: str) -> None:
        if (what, site) not in self._warned:
            self._warned.add((what, site))
            log.warning(what, extra={"site": site})

    def _show(self, site: str, name: str) -> None:
        shown = self._shown[site]
        found = self._fed.get(site, {}).get(name)
        last = found.last if isinstance(found, _Records) else found
        fed: Article | None = None if last is None else last.says
        if name in self._hidden.get(site, ()):
            shown[name] = msgspec.structs.replace(fed or Article(), hidden=True)
        elif fed is not None:
            shown[name] = fed
        else:
            shown.pop(name, None)
