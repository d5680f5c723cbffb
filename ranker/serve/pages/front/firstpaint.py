"""The page's lists as HTML, for the first paint and for who has no JavaScript: the rows that page/rows.js makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

NBSP = "\u00a0"
NARROW_NBSP = "\u202f"

_LINKABLE = re.compile(r"https?://", re.IGNORECASE)


def rows(items: Iterable[Mapping[str, Any]], board: str, words: Mapping[str, Any], lang: str) -> str:
    """The items of a list as `<li>`; without ages, which the reader's clock tells. No text of theirs is trusted."""
    forms = words["counts"].get(board, words["counts"][""])
    return "".join(_row(item, forms, lang) for item in items)


def number(value: int, lang: str) -> str:
    """A number as it is written in a language: 1 234 in French, 1,234 in English."""
    return f"{value:,}".replace(",", NARROW_NBSP) if lang == "fr" else f"{value:,}"


def _row(item: Mapping[str, Any], forms: Mapping[str, str], lang: str) -> str:
    title = escape(item["title"] or item["article_id"])
    if _LINKABLE.match(item["url"] or ""):
        title = f'<a href="{escape(item["url"])}">{title}</a>'
    count = ""
    if item["count"] is not None:
        # 0 and 1 are singular in French
        one = item["count"] in {0, 1} if lang == "fr" else item["count"] == 1
        count = number(item["count"], lang) + NBSP + forms["one" if one else "other"]
    return (
        f'<li><span class="place"><span class="rank">{item["rank"]:02d}.</span></span>'
        f'<div><p class="title{"" if item["title"] else " bare"}">{title}</p>'
        f'<p class="about"><span class="kind">{escape(item["format"] or "")}</span> '
        f'<span class="section">{escape(item["section"] or "")}</span></p>'
        f'<p class="about figures"><span class="age"></span> <span class="count">{escape(count)}</span></p></div></li>'
    )
