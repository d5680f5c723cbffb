"""The pages: one period with its places, and the archive. No script, no host but this one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from datetime import date
from typing import Any

from ranker.core.best_of import Key
from ranker.core.periods import KINDS
from ranker.lists.archive import Entry
from ranker.serve.api.best_of import Delivered
from ranker.serve.api.best_of_request import PeriodsRequest
from ranker.serve.pages.best_of.addresses import archive_address, document_address
from ranker.serve.pages.best_of.rows import best_of_words
from ranker.serve.pages.best_of.sheet import Sheet
from ranker.serve.pages.ranges import range_words
from ranker.serve.pages.templates import environment

PERIODS_A_PAGE = 60
HTML_FORM = ".html"

_PAGE = environment.get_template("best_of/page.html")
_ARCHIVE = environment.get_template("best_of/archive.html")


def page(sheet: Sheet, delivered: Delivered, key: Key, files: str) -> str:
    """The page of one document; `files` is the address of the front page's style."""
    speech, words = sheet.speech, sheet.speech.words
    lang = speech.lang
    several = {"board": key.board} if len(delivered.boards) > 1 else {}
    query = {**several, "lang": lang}

    def address(day: date, form: str = HTML_FORM, **more: str) -> str:
        return document_address(key.site, key.kind, day, form, {**query, **more})

    def beside(day: date | None) -> dict[str, str] | None:
        if day is None:
            return None
        return {"address": address(day), "words": range_words(key.kind, day, words, now=key.first)}

    revision = str(key.revision) if key.revision < delivered.boards[key.board] else ""
    return _PAGE.render(
        sheet.common,
        files=files,
        rows=sheet.rows,
        json_ld=json_ld(sheet),
        earlier=beside(delivered.earlier),
        later=beside(delivered.later),
        newest=address(key.first) if revision else None,
        archive=archive_address(key.site, HTML_FORM, {"kind": key.kind, "lang": lang}),
        boards=[
            (address(key.first, board=name) if several else None, name == key.board, speech.board(name))
            for name in sorted(delivered.boards, key=lambda name: (name != key.board, name))
        ],
        forms=[
            (document_address(key.site, key.kind, key.first, form, {**query, "revision": revision, "lang": to}), name)
            for form, to, name in (
                (".mail.html", lang, words["mail"]),
                (".txt", lang, words["text"]),
                ("", "", words["json"]),
            )
        ],
        languages=_languages(lang, lambda other: address(key.first, revision=revision, lang=other)),
    )


def json_ld(sheet: Sheet) -> dict[str, Any]:
    """The list for search engines (schema.org); without what was taken down."""
    return {
        "@context": "https://schema.org",
        "@type": "ItemList",
        "name": sheet.title,
        "itemListOrder": "https://schema.org/ItemListOrderDescending",
        "numberOfItems": sum(not row.removed for row in sheet.rows),
        "itemListElement": [
            {"@type": "ListItem", "position": row.rank, "name": row.title} | ({"url": row.link} if row.link else {})
            for row in sheet.rows
            if not row.removed
        ],
    }


def archive_page(
    site_title: str, shown: PeriodsRequest, kinds: Collection[str], entries: Sequence[Entry], total: int, files: str
) -> str:
    """One part of the archive, by month: `entries` of `total` periods; `kinds` are those that have documents."""
    site, kind, lang, offset = shown.site, shown.kind or KINDS[0], shown.lang, shown.offset
    words = best_of_words()[lang]

    def address(**more: str) -> str:
        return archive_address(site, HTML_FORM, {"kind": kind, "lang": lang, **more})

    months: list[tuple[str, list[tuple[str, str]]]] = []
    for (year, month), of_month in itertools.groupby(entries, lambda one: (one.first.year, one.first.month)):
        periods = [
            (
                document_address(site, kind, one.first, HTML_FORM, {"lang": lang}),
                range_words(kind, one.first, words, now=one.first),
            )
            for one in of_month
        ]
        months.append((f"{words['months'].split()[month - 1]} {year}", periods))
    newer, older = max(0, offset - PERIODS_A_PAGE), offset + PERIODS_A_PAGE
    return _ARCHIVE.render(
        lang=lang,
        words=words,
        site=site,
        site_title=site_title,
        title=words["archive_title"],
        files=files,
        kinds=[(address(kind=one), one == kind, words["kinds"][one]) for one in KINDS[::-1] if one in kinds],
        months=months,
        newer=address(offset=str(newer) if newer else "") if offset else None,
        older=address(offset=str(older)) if older < total else None,
        feed=archive_address(site, "/feed.rss", {"kind": kind, "lang": lang}),
        languages=_languages(lang, lambda other: address(lang=other, offset=str(offset) if offset else "")),
    )


def _languages(lang: str, address: Callable[[str], str]) -> list[tuple[str, str, bool, str]]:
    return [(address(other), other, other == lang, words["language"]) for other, words in best_of_words().items()]
