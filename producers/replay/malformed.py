"""A line that is no event, and why."""

from __future__ import annotations

import re
from typing import NamedTuple

_VALUE = re.compile(r"(?<!#Fields): | (is) ")


class Malformed(NamedTuple):
    """`reason` is a sentence, in which values of the line stand behind ": " or " is ". `line` is its text if nothing of
    its format was recognised.

    `usual` lines are in every file of their kind, so that they are no sign of another format.
    """

    reason: str
    line: str = ""
    usual: bool = False


def without_values(reason: str) -> str:
    """A reason for the logs of a service, which must not hold what a reader sent."""
    found = _VALUE.search(reason)
    if found is None:
        return reason
    return f"{reason[: found.start()]} is none that fits" if found[1] else reason[: found.start()]


EMPTY = Malformed("an empty line", usual=True)
