"""Articles from JSON lines, RSS and Atom feeds and news sitemaps, as records of topic articles."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

import schemas
from producers import event
from producers.articles import dates, documents, repeats, titles
from producers.articles.documents import Entry
from producers.articles.markup import UnreadableError
from producers.articles.repeats import Found, Held, Refused
from producers.times import LocalClock
from schemas.article_id import DEFAULT, IdRule, NoArticleError, from_address, is_address, normalized

KINDS = ("jsonl", "feed", "sitemap")
LARGEST_DOCUMENT_BYTES = 64 << 20
"""Feeds and sitemaps are read whole; a sitemap may have 50 MB by its own standard."""

LONGEST_LINE_BYTES = 1 << 20
"""Of JSON; an article takes a few kilobytes."""

MOST_REMEMBERED = 1_000_000
"""Ids of JSON lines that are compared with later lines, about 200 MB."""

_BLANK = codecs.BOM_UTF8 + b" \t\r\n"
_LATEST_SECONDS = event.LATEST_MS // 1000


@dataclass(frozen=True)
class ImportDefaults:
    """Values for entries that lack them. `rules` are the sites' own, `source` is used in place of theirs.

    `clock` is that of times without an offset; without it they are refused, or the article has no date.
    """

    site: str
    now_ms: int
    rules: Mapping[str, IdRule] = field(default_factory=dict)
    source: str | None = None
    clock: LocalClock | None = None

    def rule(self, site: object) -> IdRule:
        rule = self.rules.get(site, DEFAULT) if isinstance(site, str) else DEFAULT
        return rule if self.source is None else replace(rule, source=self.source)


@dataclass
class Import:
    """What an import found: its articles, and what is to be said of them.

    `undated` are keys of articles whose publication is not known, `unread` the dates that are none. `repeated` entries
    were left out for a newer one of the same id; of JSON lines the number grows while `found` is iterated, and that of
    `queried` entries too, whose address has a query that their id has not; `query` is the first of these addresses.
    """

    found: Iterator[dict[str, Any] | Refused] = field(default_factory=lambda: iter(()))
    notes: list[str] = field(default_factory=list)
    undated: set[tuple[str, str]] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    repeated: int = 0
    queried: int = 0
    query: str = ""

    def see(self, one: Found) -> None:
        """Count it if its id is its address without the query."""
        if one.beyond:
            self.queried += 1
            self.query = self.query or str(one.article.get("url"))


def is_json(start: bytes) -> bool:
    """Whether a file that begins so is JSON lines; raises UnreadableError if it is JSON of another form."""
    plain = start.replace(b"\0", b"").lstrip(_BLANK + b"\xff\xfe")
    if not plain.startswith((b"{", b"[")):
        return False
    if b"\0" in start[:64]:
        raise UnreadableError("it is JSON in UTF-16; save it as UTF-8, as with: iconv -f UTF-16 -t UTF-8")
    if plain.startswith(b"["):
        raise UnreadableError("it is an array of JSON; write an object a line, as with: jq -c '.[]'")
    if b"jsonfeed.org/version/" in plain[:4_096]:
        raise UnreadableError(
            "it is a JSON Feed; write an object a line, as with:"
            " jq -c '.items[] | {title, url, published_at: .date_published}'"
        )
    if plain.partition(b"\n")[0].strip() == b"{":
        raise UnreadableError("its JSON goes over several lines; write an object a line, as with: jq -c .")
    return True


def from_json_lines(readline: Callable[[int], bytes], defaults: ImportDefaults) -> Import:
    """Articles by the contract; site, id (from the URL) and status may be missing, times may be RFC 3339."""
    found = Import()
    found.found = _unrepeated(_rows(readline, defaults), found)
    return found


def _rows(readline: Callable[[int], bytes], defaults: ImportDefaults) -> Iterator[Found | Refused]:
    for number in itertools.count(1):
        line = readline(LONGEST_LINE_BYTES + 1)
        if len(line) > LONGEST_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = readline(LONGEST_LINE_BYTES)
            yield Refused(number, f"the line is longer than {LONGEST_LINE_BYTES >> 10} KiB")
            continue
        if not line:
            return
        if not line.strip(_BLANK):
            continue
        try:
            entry = orjson.loads(line.strip(_BLANK))
        except orjson.JSONDecodeError as error:
            yield Refused(number, f"no JSON: {error}")
            continue
        yield _from_row(entry, number, defaults) if isinstance(entry, dict) else Refused(number, "no JSON object")


def _from_row(entry: dict[str, Any], number: int, defaults: ImportDefaults) -> Found | Refused:
    article = {"site_id": defaults.site, "status": "published", **entry}
    for name in ("published_at", "updated_at"):
        given = article.get(name)
        if isinstance(given, str):
            article[name] = dates.from_feed(given, defaults.clock)
            if article[name] is None:
                return Refused(
                    number,
                    f"{name} is {given[:80]!r}, no time with an offset; write 2026-11-22T10:05:03+01:00 or give --zone",
                )
        elif isinstance(given, int) and given <= _LATEST_SECONDS:
            return Refused(number, f"{name} is {given}: that looks like seconds; give milliseconds")
    rule, url, given = defaults.rule(article["site_id"]), article.get("url"), article.get("article_id")
    try:
        if isinstance(given, str):
            article["article_id"] = normalized(given, rule)
        elif given is None and isinstance(url, str):
            article["article_id"] = from_address(url, rule)
    except NoArticleError as error:
        return Refused(number, f"no id in {given or url}: {error}")
    if faults := schemas.faults("article", article):
        return Refused(number, "; ".join(faults))
    at_ms = max(article.get("updated_at", 0), article.get("published_at", 0))
    address = str(url if given is None else given)
    beyond = repeats.beyond(address, rule) if is_address(address) else None
    if not beyond and article["status"] == "removed":  # whatever has this id
        beyond = None
    return Found(number, article, address, at_ms, beyond)


def _unrepeated(rows: Iterator[Found | Refused], about: Import) -> Iterator[dict[str, Any] | Refused]:
    """Without the rows that are older than an earlier one of the same id. Without dates the later row holds."""
    held: dict[tuple[str, str], Held] = {}
    for row in rows:
        if isinstance(row, Refused):
            yield row
            continue
        before = held.get(row.key)
        if before is not None and row.held.clashes(before):
            yield Refused(row.place, repeats.clash(row, before))
            continue
        if before is not None:
            about.repeated += 1
            if 0 < row.at_ms < before.at_ms:
                continue
        if before is not None or len(held) < MOST_REMEMBERED:
            held[row.key] = row.held
        about.see(row)
        yield row.article


def from_document(document: bytes, kind: str, defaults: ImportDefaults) -> Import:
    """Articles of a feed or a news sitemap; `kind` is one of KINDS or auto. Raises UnreadableError.

    The first category is the section. Pages of a sitemap, which have no title of news, are refused.
    """
    read = documents.read(document)
    if kind not in {"auto", read.kind}:
        raise UnreadableError(f"it is a {read.kind} and no {kind}; leave --format away")
    if not read.entries:
        raise UnreadableError(f"it is a {read.kind} without entries")
    if not any(entry.fault or titles.is_shown(entry.title) for entry in read.entries):
        raise UnreadableError(
            f"none of its {len(read.entries):,} entries has a title"
            + ("; it is a sitemap of pages, import the one for news" if read.kind == "sitemap" else "")
        )
    about = Import(notes=read.notes)
    articles = [_from_entry(entry, number, defaults, about) for number, entry in enumerate(read.entries, 1)]
    kept, refused, about.repeated = repeats.newest(one for one in articles if isinstance(one, Found))
    about.undated = {one.key for one in kept if not one.dated}
    for one in kept:
        about.see(one)
    by_place: dict[int, dict[str, Any] | Refused] = {one.place: one.article for one in kept}
    by_place |= {one.place: one for one in (*refused, *(one for one in articles if isinstance(one, Refused)))}
    about.found = iter([by_place[place] for place in sorted(by_place)])
    return about


def _from_entry(entry: Entry, number: int, defaults: ImportDefaults, about: Import) -> Found | Refused:
    if entry.fault:
        return Refused(number, entry.fault)
    if not titles.is_shown(entry.title):
        return Refused(number, f"no title: {entry.url}")
    if not entry.url:
        return Refused(number, f"no link: {entry.title}")
    rule = defaults.rule(defaults.site)
    try:
        article_id = from_address(entry.url, rule)
    except NoArticleError as error:
        return Refused(number, f"no id in {entry.url}: {error}")
    updated_ms = dates.from_feed(entry.updated, defaults.clock)
    published_ms = dates.from_feed(entry.published, defaults.clock)
    article: dict[str, Any] = {
        "site_id": defaults.site,
        "article_id": article_id,
        "title": entry.title,
        "url": entry.url,
        "format": "",
        "section": entry.section[:64],
        "published_at": published_ms or updated_ms or defaults.now_ms,
        "status": "published",
    }
    if updated_ms is not None:
        article["updated_at"] = updated_ms
    if faults := schemas.faults("article", article):
        return Refused(number, "; ".join(faults))
    unread = [
        text for text, ms in ((entry.published, published_ms), (entry.updated, updated_ms)) if text and ms is None
    ]
    about.unread += unread[:1]
    at_ms = max(updated_ms or 0, published_ms or 0)
    return Found(number, article, entry.url, at_ms, repeats.beyond(entry.url, rule), published_ms is not None)
