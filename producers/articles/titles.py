"""Titles as readers see them: what a feed calls text stays as it is, what it calls HTML is read as that.

RSS does not say which of both its titles are, and publishers write both. As in feedparser, one is HTML if all its tags
are such as titles have and are closed, or if it has no tag and an entity of HTML.
"""

from __future__ import annotations

import html
import html.entities
import re
from collections import Counter

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)[^>]*>|<![^>]*>")
_LINE_END = re.compile(r"<[bB][rR](?:\s[^>]*|/)?>")
_ENTITY = re.compile(r"&(?:#[xX]?[0-9A-Fa-f]{1,7}|([A-Za-z][A-Za-z0-9]{0,31}));")
_UNCLOSED = frozenset({"br", "wbr", "img"})
_IN_TITLES = _UNCLOSED | frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "div", "dfn", "em", "font", "h1", "h2", "h3", "h4"}
    | {"i", "ins", "kbd", "mark", "p", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var"}
)
_NO_CHARACTER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")
_SECTION = re.compile(r"<!\[CDATA\[(.*)\]\]>", re.DOTALL)
_SPACE = re.compile(r"[\0-\x20\x7f-\x9f\u2028\u2029]+")
_NO_TEXT = re.compile(r"[\u202d\u202e\ufeff]")
"""What would turn all that is shown behind a title, and byte order marks."""


def of_text(text: str) -> str:
    """Only its blanks change: those at its ends, and line ends and controls within. No-break spaces stay."""
    return _SPACE.sub(" ", _NO_TEXT.sub("", text)).strip(" ")


def of_html(text: str) -> str:
    """Without tags, entities resolved. A < that begins no tag is text."""
    # Python refuses numbers of more than 4,300 digits; no character has one of more than seven. Replaced as HTML does:
    # without a replacement the text before and after could join to another such number.
    return of_text(html.unescape(_NO_CHARACTER.sub("\ufffd", _without_tags(text))))


def of_rss(text: str) -> str:
    """As HTML if it looks like that, else as text."""
    if whole := _SECTION.fullmatch(text.strip()):  # that was escaped once too often
        text = whole[1]
    # Only up to the last >: a < without a > behind it would make each search run to the end.
    tags = [(end, name.lower()) for end, name in _TAG.findall(text[: text.rfind(">") + 1]) if name]
    if not tags:
        known = (not found[1] or f"{found[1]};" in html.entities.html5 for found in _ENTITY.finditer(text))
        return of_html(text) if any(known) else of_text(text)
    opened = Counter(name for end, name in tags if not end and name not in _UNCLOSED)
    closed = Counter(name for end, name in tags if end and name not in _UNCLOSED)
    return of_html(text) if opened == closed and all(name in _IN_TITLES for _, name in tags) else of_text(text)


def is_shown(title: str) -> bool:
    """Whether a reader sees anything of it."""
    return any(char.isprintable() and not char.isspace() for char in title)


def _without_tags(text: str) -> str:
    tagged, end, rest = text.rpartition(">")
    return _TAG.sub("", _LINE_END.sub(" ", tagged + end)) + rest
