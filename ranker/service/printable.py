"""Makes foreign text safe to print: on one line, without control sequences of a terminal."""

from __future__ import annotations


def printable(text: str, longest: int | None = None) -> str:
    r"""`text` with what is not printable written as \x1b; beyond `longest` characters cut, with an ellipsis.

    Not printable are control characters, line ends, what turns the direction of text, and what has no shape of its own.
    No-break spaces, which French puts before ! and ?, stay.
    """
    cut = longest is not None and len(text) > longest
    kept = text[:longest] if cut else text
    safe = kept if kept.isprintable() else "".join(map(_shown, kept))
    return f"{safe}…" if cut else safe


def printable_lines(text: str) -> str:
    """As `printable`, but for text with line ends of our own."""
    return "\n".join(map(printable, text.split("\n")))


def _shown(char: str) -> str:
    if char.isprintable() or char in "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}":
        return char
    return char.encode("unicode_escape").decode()
