"""A document as the block shows it, for server-side includes."""

from __future__ import annotations

from datetime import date

from ranker.serve.pages.best_of.rows import heading
from ranker.serve.pages.best_of.sheet import Sheet
from ranker.serve.pages.block import Block
from ranker.serve.pages.templates import environment

_FRAGMENT = environment.get_template("best_of/fragment.html")


def best_of_fragment(block: Block, sheet: Sheet, now: date) -> bytes:
    """HTML with the block's style; the heading leaves out the year of `now`."""
    content = {**sheet.common, "title": heading(sheet.content, sheet.speech, now)}
    return _FRAGMENT.render(
        content, style=block.style, board=sheet.board, rows=sheet.rows, complete=sheet.content["complete"]
    ).encode()
