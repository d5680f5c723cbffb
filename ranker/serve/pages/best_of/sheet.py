"""A delivered document in the words of a language: what page, mail, text and feeds have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ranker import calendars
from ranker.serve.api.best_of import Delivered
from ranker.serve.pages.best_of.rows import Row, best_of_rows, best_of_words, heading
from ranker.serve.pages.speech import Speech


@dataclass(frozen=True)
class Sheet:
    """`content` is the JSON that is delivered, `places` how many the whole document has.

    `notices` is what a reader has to know of all of it.
    """

    content: Mapping[str, Any]
    speech: Speech
    site_title: str
    title: str
    board: str
    rows: Sequence[Row]
    places: int
    notices: Sequence[str]
    closed: str
    total: str

    @property
    def common(self) -> dict[str, Any]:
        """What templates of every form need."""
        return {
            "lang": self.speech.lang,
            "words": self.speech.words,
            "site": self.content["site"],
            "site_title": self.site_title,
            "title": self.title,
            "notices": self.notices,
            "closed": self.closed,
            "total": self.total,
        }

    def others(self, shown: int) -> str:
        """How many articles of the document follow the first `shown`; "" if none does."""
        left = self.places - shown
        forms = self.speech.words["and_others"]
        return "" if left <= 0 else str(forms["one" if left == 1 else "other"]).format(n=left)


def sheet(delivered: Delivered, site_title: str, lang: str) -> Sheet:
    """In `lang`, one of those that there are words for."""
    speech = Speech(best_of_words()[lang], lang)
    content = delivered.content
    words, board, kind = speech.words, content["board"], content["period"]["kind"]
    notices = [] if content["complete"] else [words["incomplete"]]
    if "why" in content:
        notices.append(words["revised"].format(revision=content["revision"], why=content["why"]))
    total = content["total"]
    return Sheet(
        content,
        speech,
        site_title,
        heading(content, speech),
        speech.board(board),
        best_of_rows(content["items"], speech, kind, board),
        delivered.places,
        notices,
        _closed(content, words),
        "" if total is None else words["total"].format(total=speech.count(total, board)),
    )


def _closed(content: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    zone = content["period"]["zone"]
    closed = datetime.fromisoformat(content["closed_at"]).astimezone(calendars.zone(zone))
    month = words["months"].split()[closed.month - 1]
    day = words["ranges"]["first"] if closed.day == 1 else closed.day
    return str(
        words["closed"].format(
            day=day, month=month, year=closed.year, hour=closed.hour, minute=f"{closed.minute:02d}", zone=zone
        )
    )
