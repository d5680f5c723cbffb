"""The catalogue in memory: feeds' records of each article, overridden by the editor's.

Articles are known by their own names (`names.py`), whatever the spelling in a record's key. Of several records of one
kind on one article, the last one of the topic holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

import msgspec

from ranker.core.article import AliasRecord, ArticleRecord, EditorRecord, Record, decode_record, split_key
from ranker.lists.names import name_of, own_name
from schemas.article_id import DEFAULT, IdRule

log = logging.getLogger(__name__)

MAX_ALIASES = 10_000
"""Per site. Every refresh of a list reads the counts of all of them by name."""
_PARTLY_HIDDEN = (
    "an article is hidden since one of its addresses with a query is; `producers articles show` shows it; "
    "set sites.NAME.ids.from if each address is an article"
)


class Article(msgspec.Struct, frozen=True):
    """What a list shows of an article; None if unknown. `published_at` is ms since the epoch.

    `hidden` by the editor, or removed by a feed: no list shows it. `partly`: since one of its addresses with a query
    is; the others are not.
    """

    title: str | None = None
    url: str | None = None
    format: str | None = None
    section: str | None = None
    published_at: int | None = None
    status: str | None = None
    hidden: bool = False
    partly: bool = False

    def __post_init__(self) -> None:
        if self.status == "removed":
            msgspec.structs.force_setattr(self, "hidden", True)


def known_as(articles: Mapping[str, Article], own: str, name: str) -> Article | None:
    """What a site's catalogue knows of an id with the name `name` and the own name `own`.

    What is about the very address goes first, unless the name is hidden: no address of it is shown then.
    """
    article = articles.get(name)
    if own == name or (article is not None and article.hidden and not article.partly):
        return article
    if own in articles or article is None or not article.partly:
        return articles.get(own, article)
    return msgspec.structs.replace(article, hidden=False, partly=False) if article.status else None


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

    @property
    def keys(self) -> Iterable[Any]:
        return self._of.keys()

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
        self._parts: dict[str, dict[tuple[type, str], _Records]] = {}
        """Of each site's (kind, name): the records that hide one of its addresses with a query, by own name."""
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
        """Name of each article that moved, to that of the present one; one hop.

        Other spellings of both that records have lead there too, since there may be counts under them. At most
        MAX_ALIASES, names first.
        """
        targets = self._targets.get(site)
        if not targets:
            return {}
        if site not in self._aliases:
            found = dict(targets)
            for one, to in self._other_spellings(site, targets):
                if one not in found and len(found) >= MAX_ALIASES:
                    self._warn("more spellings of moved articles than a site may have; some are left out", site)
                    break
                found.setdefault(one, to)
            self._aliases[site] = {moved: to for moved, to in found.items() if moved != to}
        return self._aliases[site]

    def _other_spellings(self, site: str, targets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Ids of articles that moved, and of their targets, as records have them, each with what it stands under."""
        for moved, target in targets.items():
            for record in self._edits[site][AliasRecord, moved]:
                if record.says.article_id != moved:
                    yield record.says.article_id, target
                if (given := record.says.alias_of) is not None and (to := self._name(site, given)) != given:
                    yield given, targets.get(to, to)
            if isinstance(fed := self._fed.get(site, {}).get(moved), _Records):
                yield from ((one, target) for one in fed.keys if one != moved)

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
        name = self._name(site, article_id)
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
            if found:
                all_fed[name] = found
            else:
                del all_fed[name]
            self._aliases.pop(site, None)
        self._show(site, name)
        self._show_whole(site, ArticleRecord, name, found.last if isinstance(found, _Records) else fed)

    def _edit(self, site: str, key: bytes, article_id: str, edit: _Record | None) -> None:
        """Sets or deletes the editor's record under one key."""
        kind = EditorRecord if key.endswith(EditorRecord.key_suffixes) else AliasRecord
        edited = self._name(site, article_id)
        edits = self._edits.setdefault(site, {}).setdefault((kind, edited), _Records())
        edits.put(key, edit)
        if not edits:
            del self._edits[site][kind, edited]
        if kind is EditorRecord:
            self._show(site, edited)
            self._show_whole(site, kind, edited, edits.last)
            return
        last = None if edits.last is None else edits.last.says
        self._aliases.pop(site, None)
        targets = self._targets.setdefault(site, {})
        targets.pop(edited, None)
        if last is not None and last.alias_of is not None:
            if len(targets) < MAX_ALIASES:
                targets[edited] = self._name(site, last.alias_of)
            else:
                self._warn("more aliases than a site may have; new ones are left out", site)

    def _warn(self, what: str, site: str, **extra: str) -> None:
        if (what, site) not in self._warned:
            self._warned.add((what, site))
            log.warning(what, extra={"site": site, **extra})

    def _name(self, site: str, article_id: str) -> str:
        return own_name(article_id, self._rules.get(site, DEFAULT))

    def _show_whole(self, site: str, kind: type, own: str, last: _Record | None) -> None:
        """Hides the name of an address with a query or a fragment if the last record on that address does.

        What comes in today has the name alone. Only a later record on the name itself shows it again.
        """
        if "?" not in own and "#" not in own:
            return
        name = name_of(own, self._rules.get(site, DEFAULT))
        parts = self._parts.setdefault(site, {})
        hides = last is not None and last.says.hidden
        if name == own or not (hides or (kind, name) in parts):
            return
        of_name = parts.setdefault((kind, name), _Records())
        of_name.put(own, last if hides else None)
        if not of_name:
            del parts[kind, name]
        self._show(site, name)

    def _show(self, site: str, name: str) -> None:
        shown = self._shown[site]
        found = self._fed.get(site, {}).get(name)
        feed = found.last if isinstance(found, _Records) else found
        edits = self._edits.get(site, {}).get((EditorRecord, name))
        edit = None if edits is None else edits.last
        fed: Article | None = None if feed is None else feed.says
        if edit is not None and edit.says.hidden:
            shown[name] = msgspec.structs.replace(fed or Article(), hidden=True)
        elif self._is_partly_hidden(site, name, edit, feed):
            shown[name] = msgspec.structs.replace(fed or Article(), hidden=True, partly=fed is None or not fed.hidden)
            self._warn(_PARTLY_HIDDEN, site, article=name)
        elif fed is not None:
            shown[name] = fed
        else:
            shown.pop(name, None)

    def _is_partly_hidden(self, site: str, name: str, edit: _Record | None, feed: _Record | None) -> bool:
        parts = self._parts.get(site)
        if not parts:
            return False
        for kind, record in ((EditorRecord, edit), (ArticleRecord, feed)):
            part = parts.get((kind, name))
            if part is not None and part.last is not None and (record is None or part.last.offset > record.offset):
                return True
        return False
