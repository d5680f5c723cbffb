"""A document as a mail and as plain text: no script, no picture, nothing that is loaded from anywhere."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import css_inline
from markupsafe import escape

from ranker.serve.pages.best_of.rows import Row
from ranker.serve.pages.best_of.sheet import Sheet
from ranker.serve.pages.templates import environment

MAX_MAIL_BYTES = 100_000
"""Gmail cuts a mail at 102 kB."""
ROWS = 50
"""So many places a mail has at most; fewer if titles and addresses would make it too large."""
TITLE = 300
LINK = 2_048
"""Characters; a longer title is cut, a longer address is left out."""
_FRAME_BYTES = 12_000
"""At most, of all that is around the rows: the longest site's title and reason for a correction included."""
_ROW_BYTES = 900
"""Of a row besides its texts, once the style is in it."""
COLUMNS = 72
_SPACES = re.compile("[ \t\n\r\f\v\x1c-\x1e\x85\u2028\u2029]+")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and what turns the direction of the text around it."""

_MAIL = environment.get_template("best_of/mail.html")
_inliner = css_inline.CSSInliner(load_remote_stylesheets=False)


def mail(sheet: Sheet) -> bytes:
    """HTML of at most MAX_MAIL_BYTES, whatever the document has."""
    rows = list(_fitting(sheet.rows[:ROWS]))
    written = _MAIL.render(sheet.common, rows=rows, board=sheet.board, others=sheet.others(len(rows)))
    return _inliner.inline(written).encode()


def _fitting(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    left = MAX_MAIL_BYTES - _FRAME_BYTES
    for row in rows:
        title = row.title if len(row.title) <= TITLE else row.title[: TITLE - 1] + "…"
        link = row.link if row.link and len(row.link) <= LINK else None
        shown = row._asdict() | {"title": title, "link": link, "below": below(row)}
        left -= _ROW_BYTES + sum(map(_written_bytes, (shown[name] for name in ("title", "link", "below"))))
        if left < 0:
            return
        yield shown


def _written_bytes(text: Any) -> int:
    """The inliner writes no-break spaces by name."""
    return len(escape(text or "").replace("\xa0", "&nbsp;").encode())


def below(row: Row) -> str:
    """What stands below a title."""
    return " · ".join(one for one in (row.format, row.section, row.counted, row.about) if one)


def moved_and_below(row: Row) -> str:
    """The same with the movement before it."""
    return " · ".join(one for one in (row.moved, below(row)) if one)


def text(sheet: Sheet) -> bytes:
    """Lines of at most COLUMNS characters, but for addresses."""
    return ("\n".join(_lines(sheet)) + "\n").encode()


def _lines(sheet: Sheet) -> Iterator[str]:
    yield from _wrapped(sheet.title)
    yield from _wrapped(f"{sheet.site_title} · {sheet.board}")
    yield "=" * COLUMNS
    for notice in sheet.notices:
        yield ""
        yield from _wrapped(notice)
    if not sheet.rows:
        yield ""
        yield from _wrapped(str(sheet.speech.words["none"]))
    for row in sheet.rows:
        yield ""
        yield from _row(row)
    if others := sheet.others(len(sheet.rows)):
        yield ""
        yield from _wrapped(others)
    yield ""
    yield "-" * COLUMNS
    yield from _wrapped(f"{sheet.closed} {sheet.total}")


def _row(row: Row) -> Iterator[str]:
    yield from _wrapped(row.title, f"{row.rank:3d}. ", "     ")
    if about := moved_and_below(row):
        yield from _wrapped(about, "     ", "     ")
    if row.link and (link := plain(row.link)) == row.link and " " not in link:
        yield f"     {link}"


def plain(text: str) -> str:
    """On one line, without what a terminal or the direction of text would follow."""
    return _UNSEEN.sub("", _SPACES.sub(" ", text)).strip(" ")


def _wrapped(text: str, first: str = "", others: str = "") -> Sequence[str]:
    line = first + plain(text)
    if len(line) <= COLUMNS:  # most are: wrapping 200 places takes 10 ms
        return [line.rstrip()]
    return textwrap.wrap(line.removeprefix(first), COLUMNS, initial_indent=first, subsequent_indent=others)
