"""A document as a mail and as plain text: no script, no picture, nothing that is loaded from anywhere."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import css_inline

from ranker.serve.pages.best_of.rows import Row
from ranker.serve.pages.best_of.sheet import Sheet
from ranker.serve.pages.templates import environment

MAX_MAIL_BYTES = 100_000
"""Gmail cuts a mail at 102 kB."""
ROWS = (50, 25, 12, 6)
"""So many places a mail has at most; fewer if it would be too large: six fit, whatever their titles and addresses."""
TITLE = 300
LINK = 2_048
COLUMNS = 72
_SPACES = re.compile("[ \t\n\r\f\v\x1c-\x1e\x85\u2028\u2029]+")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and what turns the direction of the text around it."""

_inliner = css_inline.CSSInliner(load_remote_stylesheets=False)


def mail(sheet: Sheet) -> bytes:
    """HTML of at most MAX_MAIL_BYTES, whatever the document has."""
    template = environment.get_template("best_of/mail.html")
    content = b""
    for most in ROWS:
        rows = [_for_mail(row) for row in sheet.rows[:most]]
        written = template.render(sheet.common, rows=rows, board=sheet.board, others=sheet.others(len(rows)))
        content = _inliner.inline(written).encode()
        if len(content) <= MAX_MAIL_BYTES:
            break
    return content


def _for_mail(row: Row) -> dict[str, Any]:
    shown = row._asdict()
    link = row.link if row.link and len(row.link) <= LINK else None
    title = textwrap.shorten(row.title, TITLE, placeholder="…") if len(row.title) > TITLE else row.title
    return shown | {"title": title[:TITLE], "link": link, "below": below(row)}


def below(row: Row) -> str:
    """What stands below a title."""
    return " · ".join(one for one in (row.format, row.section, row.counted, row.about) if one)


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
    about = " · ".join(one for one in (row.moved, below(row)) if one)
    if about:
        yield from _wrapped(about, "     ", "     ")
    if row.link and (link := plain(row.link)) == row.link and " " not in link:
        yield f"     {link}"


def plain(text: str) -> str:
    """On one line, without what a terminal or the direction of text would follow."""
    return _UNSEEN.sub("", _SPACES.sub(" ", text)).strip(" ")


def _wrapped(text: str, first: str = "", others: str = "") -> Sequence[str]:
    return textwrap.wrap(plain(text), COLUMNS, initial_indent=first, subsequent_indent=others) or [first.rstrip()]
