"""The block without JavaScript: lists as HTML for server-side includes, with the markup and the style of block.js."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

NBSP = "\u00a0"
NARROW_NBSP = "\u202f"
MINUTE_MS = 60_000

_UNITS = {"m": "minute", "h": "hour", "d": "day"}
_LENGTH = re.compile(r"(\d{1,9})([mhd])", re.ASCII)
_LINKABLE = re.compile(r"https?://", re.IGNORECASE)


def fragment(
    answers: Sequence[Mapping[str, Any]],
    words: Mapping[str, Any],
    style: str,
    *,
    lang: str,
    now_ms: int,
    heading: str = "",
) -> str:
    """The lists of `answers` (the API's JSON, one per board, of one window) side by side, ages as of `now_ms`.

    `words` are those of `lang`; `heading` stands above the lists where it is given. The style is inside a declarative
    shadow root, so that neither the page's style nor the block's reaches the other.
    """
    say = _Speech(words, lang, now_ms)
    header = f'<header part="header"><h2 part="heading">{escape(heading)}</h2></header>' if heading else ""
    boards = "".join(_board(answer, at, say, "h3" if heading else "h2") for at, answer in enumerate(answers))
    return (
        f'<articles-populaires lang="{escape(lang)}"><template shadowrootmode="open"><style>{style}</style>'
        f'<div part="block" lang="{escape(lang)}">{header}<div part="boards">{boards}</div>{_note(answers, say)}</div>'
        "</template></articles-populaires>"
    )


class _Speech:
    """Numbers, ages and periods in one language."""

    def __init__(self, words: Mapping[str, Any], lang: str, now_ms: int) -> None:
        self.words = words
        self._lang = lang
        self._now_ms = now_ms

    def counted(self, number: int, forms: Mapping[str, str]) -> str:
        one = number in {0, 1} if self._lang == "fr" else number == 1
        digits = f"{number:,}"
        if self._lang == "fr":
            digits = digits.replace(",", NARROW_NBSP)
        return digits + NBSP + forms["one" if one else "other"]

    def age(self, moment: datetime) -> str:
        """An age in words: "il y a 5 heures 10 min"; a date (UTC) after 30 days."""
        units = self.words["units"]
        minutes = (self._now_ms - int(moment.timestamp() * 1000)) // MINUTE_MS
        hours, rest = divmod(minutes, 60)
        days = hours // 24
        if minutes < 1:
            return str(self.words["now"])
        if days > 30:
            month = self.words["months"].split()[moment.month - 1]
            return str(self.words["date"].format(day=moment.day, month=month, year=moment.year))
        if days:
            parts = [self.counted(days, units["day"])]
        else:
            parts = [self.counted(hours, units["hour"])] if hours else []
            parts += [self.counted(rest, units["minute"])] if rest else []
        return str(self.words["ago"].format(age=NBSP.join(parts)))

    def period(self, name: str) -> str:
        """A window's name in words: "24h" is "24 heures"; a name that says no length stays."""
        length = _LENGTH.fullmatch(name)
        return self.counted(int(length[1]), self.words["units"][_UNITS[length[2]]]) if length else name

    def board(self, name: str) -> str:
        return str(self.words["boards"].get(name) or (name[:1].upper() + name[1:]).replace("_", " "))


def _board(answer: Mapping[str, Any], at: int, say: _Speech, tag: str) -> str:
    board, window = answer["board"], answer["window"]["name"]
    rows = "".join(_row(item, board, window, say) for item in answer["items"])
    return (
        f'<section part="board" aria-labelledby="board-{at}"><div part="board-top">'
        f'<{tag} part="board-heading" id="board-{at}">{escape(say.board(board))}</{tag}>'
        f'<span part="period">{escape(say.period(window))}</span></div>'
        f'<ol part="list" role="list">{rows or _empty(say)}</ol></section>'
    )


def _empty(say: _Speech) -> str:
    return f'<li part="empty">{escape(say.words["empty"])}</li>'


def _row(item: Mapping[str, Any], board: str, window: str, say: _Speech) -> str:
    address = item["url"] or ""
    href = f' href="{escape(address)}"' if _LINKABLE.match(address) else ""
    title = item["article_id"] if item["title"] is None else item["title"]
    published = item["published_at"]
    when = f' datetime="{escape(published)}"' if published else ""
    age = say.age(datetime.fromisoformat(published)) if published else ""
    return (
        f'<li part="item"><span part="rank">{item["rank"]:02d}.</span>'
        f'<p part="kicker">{_span("format", item["format"])}{_span("section", item["section"])}</p>'
        f'<p part="title"><a part="link"{href}>{escape(title)}</a></p>'
        f'<p part="meta"><time part="age"{when}>{escape(age)}</time>'
        f"{_span('count', _about(item, board, window, say))}</p></li>"
    )


def _about(item: Mapping[str, Any], board: str, window: str, say: _Speech) -> str:
    """The count where it is shown, and where the article comes from when it is not from this window."""
    forms, origin = say.words["counts"], item.get("origin")
    about = [] if item["count"] is None else [say.counted(item["count"], forms.get(board, forms[""]))]
    if origin == "latest":
        about.append(say.words["latest"])
    elif origin and origin != window:
        about.append(say.words["over"].format(period=say.period(origin)))
    return " ".join(about)


def _note(answers: Sequence[Mapping[str, Any]], say: _Speech) -> str:
    state = ""
    if any(answer["stale"] for answer in answers):
        state = say.words["stale"]
    elif not all(answer["complete"] for answer in answers):
        state = say.words["incomplete"]
    oldest = min((datetime.fromisoformat(answer["as_of"]).astimezone(UTC) for answer in answers), default=None)
    updated = "" if oldest is None else say.words["updated"].format(age=say.age(oldest))
    return (
        f'<p part="note"><span part="updated">{escape(updated)}</span>'
        f'<span part="status" role="status">{escape(state)}</span></p>'
    )


def _span(part: str, text: str | None) -> str:
    return f'<span part="{part}">{escape(text or "")}</span>'
