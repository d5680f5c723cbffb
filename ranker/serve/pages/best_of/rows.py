"""The rows of a document in words: place, movement, title, and what else is known of an article."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

import orjson

from ranker.serve.pages.ranges import range_words
from ranker.serve.pages.rows import web_address
from ranker.serve.pages.speech import Speech


class Row(NamedTuple):
    """One row. `move` is up, down, same, new, re-entry or "" (not known).

    `moved` is what is shown of that, `move_label` what is read out instead ("": the same). `bare` if the title is
    none but the id, or that the article was taken down.
    """

    rank: int
    move: str
    moved: str
    move_label: str
    title: str
    bare: bool
    removed: bool
    link: str | None
    format: str | None
    section: str | None
    counted: str
    about: str


@functools.cache
def best_of_words() -> dict[str, dict[str, Any]]:
    """By language: the front page's words and those of documents."""
    pages = resources.files("ranker.serve.pages")
    page, own = (orjson.loads(pages.joinpath(where, "words.json").read_bytes()) for where in ("front", "best_of"))
    return {lang: page[lang] | own[lang] for lang in own}


def heading(content: Mapping[str, Any], speech: Speech, now: date | None = None) -> str:
    """Such as "Best of du 21 au 27 novembre 2026"; without the year if that is `now`'s."""
    period = content["period"]
    words = range_words(period["kind"], date.fromisoformat(period["date"]), speech.words, now=now)
    return str(speech.words["title"].format(range=words))


def best_of_rows(items: Iterable[Mapping[str, Any]], speech: Speech, kind: str, board: str) -> list[Row]:
    """The items of a delivered document of a kind and a board."""
    return [_row(item, speech, kind, board) for item in items]


def _row(item: Mapping[str, Any], speech: Speech, kind: str, board: str) -> Row:
    words, movement, by = speech.words, item["movement"], item["by"]
    moved = words["moves"].get(movement)
    removed = item.get("removed", False)
    title = words["removed"] if removed else item["title"]
    about = []
    if item["periods"] > 1:
        about.append(words["nth"][kind].format(n=item["periods"]))
        if item["peak"] < item["rank"]:
            about.append(words["best"].format(peak=item["peak"]))
    return Row(
        item["rank"],
        movement or "",
        moved["shown"].format(by=by) if moved else "",
        moved["one" if by == 1 else "other"].format(by=by) if moved else "",
        item["article_id"] if title is None else title,
        title is None or removed,
        removed,
        web_address(item["url"]),
        item["format"],
        item["section"],
        speech.count(item["count"], board),
        " · ".join(about),
    )
