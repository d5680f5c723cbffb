"""A line that is no event, and why."""

from __future__ import annotations

from typing import NamedTuple


class Malformed(NamedTuple):
    """`reason` is a sentence. `line` is its text if nothing of its format was recognised.

    `usual` lines are in every file of their kind, so that they are no sign of another format.
    """

    reason: str
    line: str = ""
    usual: bool = False


EMPTY = Malformed("an empty line", usual=True)
