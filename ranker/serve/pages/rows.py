"""A list's rows as row.html shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ranker.serve.pages.speech import Speech

_WEB_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


class Row(NamedTuple):
    """One row; `bare` if the article has no title but its id, `link` is None if its address is none of the web."""

    rank: str
    format: str | None
    section: str | None
    title: str
    bare: bool
    link: str | None
    published: str | None
    age: str
    counted: str


def web_address(url: str | None) -> str | None:
    """An article's address, if it is one of the web."""
    return url if _WEB_ADDRESS.match(url or "") else None


def rows(items: Iterable[Mapping[str, Any]], speech: Speech, counted: Callable[[Mapping[str, Any]], str]) -> list[Row]:
    """The items of a list (the API's JSON); `counted` gives what stands beside an item's age."""
    return [_row(item, speech, counted(item)) for item in items]


def _row(item: Mapping[str, Any], speech: Speech, counted: str) -> Row:
    title, url, published = item["title"], item["url"], item["published_at"]
    return Row(
        f"{item['rank']:02d}.",
        item["format"],
        item["section"],
        item["article_id"] if title is None else title,
        title is None,
        web_address(url),
        published,
        speech.age(published) if published else "",
        counted,
    )
