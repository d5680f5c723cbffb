"""Periods as RSS 2.0 and as JSON Feed 1.1: one entry a period, with the list in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from ranker.serve.api.json_feed import VERSION
from ranker.serve.api.rss import Feed, home_page, plain
from ranker.serve.pages.best_of.mail import moved_and_below
from ranker.serve.pages.best_of.sheet import Sheet
from ranker.serve.pages.templates import environment

PERIODS = 10
"""So many entries a feed has."""
PLACES = 20
"""So many articles an entry has."""

_ENTRY = environment.get_template("best_of/feed.html")


class _Entry(NamedTuple):
    """`link` is the first article that has an address: the reader does not know its own public one."""

    id: str
    title: str
    link: str | None
    content: str
    closed_at: str
    is_corrected: bool


def rss(sheets: Sequence[Sheet], title: str, lang: str) -> bytes:
    """`title` is the feed's."""
    entries = [_entry(sheet) for sheet in sheets]
    made = Feed(
        title=plain(title),
        link=_home(entries) or "about:blank",
        description=plain(title),
        language=lang,
        ttl="60",
        as_of="1970-01-01T00:00:00Z",  # of a feed without entries
    )
    for entry in entries:
        made.add_item(
            title=plain(entry.title),
            link=entry.link or "about:blank",
            description=plain(entry.content),
            unique_id=entry.id,
            unique_id_is_permalink=False,
            pubdate=datetime.fromisoformat(entry.closed_at),
        )
    written: bytes = made.writeString("utf-8").encode()
    return written


def json_feed(sheets: Sequence[Sheet], title: str, lang: str) -> bytes:
    """The same entries, with the same ids."""
    entries = [_entry(sheet) for sheet in sheets]
    feed: dict[str, Any] = {"version": VERSION, "title": title, "language": lang}
    if home := _home(entries):
        feed["home_page_url"] = home
    feed["items"] = [
        {
            "id": entry.id,
            "title": entry.title,
            "content_html": entry.content,
            "date_published": entry.closed_at,
            **({"date_modified": entry.closed_at} if entry.is_corrected else {}),
            **({"external_url": entry.link} if entry.link else {}),
        }
        for entry in entries
    ]
    return orjson.dumps(feed)


def _entry(sheet: Sheet) -> _Entry:
    content, period = sheet.content, sheet.content["period"]
    rows = [row._asdict() | {"below": moved_and_below(row)} for row in sheet.rows]
    return _Entry(
        f"{content['site']}/best-of/{period['kind']}/{period['date']}/{content['board']}",
        f"{sheet.title} · {sheet.board}",
        next((row.link for row in sheet.rows if home_page(row.link)), None),
        _ENTRY.render(sheet.common, rows=rows, others=sheet.others(len(rows))),
        content["closed_at"],
        content["revision"] > 1,
    )


def _home(entries: Sequence[_Entry]) -> str | None:
    return next((home for entry in entries if (home := home_page(entry.link))), None)
