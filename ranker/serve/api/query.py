"""The parameters of a request for a list, and every fault of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from ranker.lists.filters import Filter
from ranker.lists.names import own_name
from schemas.article_id import DEFAULT, IdRule, NoArticleError, is_article_id, normalized

MAX_PLACES = 1_000
"""offset + limit at most; twice as many places are read, so that filters and takedowns leave no hole."""
MAX_STREAMED = 100
"""The same of a stream, which is made anew at every refresh: 1,000 places take 9 ms."""
DEFAULT_LIMIT = 10
MAX_VALUES = 100
"""Values of one repeatable parameter."""
MAX_SHOWN = 100
"""Characters of a name or a value that was sent, in an answer that repeats it."""
MAX_WITHIN_MS = 366 * 86_400_000
LANGUAGES = ("fr", "en")
MAX_OTHERS = 3
"""Lists that one list can be without; each is read at every refresh."""
MAX_OF_OTHER = 100
"""Places of each of them, and articles that may share a section or format."""

Fault = dict[str, str]
"""One fault of a request: the `parameter` of path or query, and in `detail` what is wrong with it."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_AGE = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_MAX_PER = re.compile(r"(section|format):([0-9]{1,3})")
_OTHER = re.compile(r"([^/:]{1,64})/([^/:]{1,64}):([0-9]{1,3})")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SINGLE = ("limit", "offset", "published_within", "min_count", "fallback", "render", "lang", "receipt")
_REPEATED = ("section", "format", "exclude", "max_per", "unless")
_KNOWN = (*_SINGLE, *_REPEATED)
_OF_LISTS = ("render", "lang", "receipt")
"""Neither streams nor feeds have these."""


class Unless(NamedTuple):
    """The first `places` of another list of the site, which this list is without."""

    board: str
    window: str
    places: int


Render = Literal["json", "html", "csv"]


@dataclass(frozen=True, slots=True)
class Query:
    """One cut of a list. `lang` is that of `render` html; `last_event_id` belongs to a stream.

    `max_per`: section or format, and how many articles of each one there may be. `receipt`: with what the list was made
    of, to recount it; `names_hidden`: it may name articles that are not shown.
    """

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    filter: Filter = field(default_factory=Filter)
    fallback: bool = False
    render: Render = "json"
    lang: str = LANGUAGES[0]
    receipt: bool = False
    last_event_id: str = field(default="", compare=False)
    names_hidden: bool = False
    max_per: tuple[tuple[str, int], ...] = ()
    unless: tuple[Unless, ...] = ()

    @property
    def filtered(self) -> bool:
        """Whether articles of the list may be left out."""
        return self.filter != Filter() or bool(self.max_per or self.unless)

    @property
    def is_own(self) -> bool:
        """Whether few requests are the same: it is no plain list of up to 100 places."""
        return self.filtered or self.receipt or self.offset + self.limit > MAX_STREAMED


def fault(parameter: str, detail: str) -> Fault:
    return {"parameter": parameter[:MAX_SHOWN], "detail": detail}


def quoted(value: str) -> str:
    """A value that was sent as a fault's detail repeats it: quoted, with what is not printable escaped, and cut."""
    text = repr(value[:MAX_SHOWN])
    return text if len(value) <= MAX_SHOWN and len(text) <= MAX_SHOWN + 2 else text[:MAX_SHOWN] + "…'"


def parse(raw: bytes, rule: IdRule = DEFAULT, *, html: bool = True, stream: bool = False) -> tuple[Query, list[Fault]]:
    """The query and every fault of it; with faults, the rest of the query. `html` false: JSON alone, and no receipt.

    `rule` is the site's for article ids.
    """
    known = _KNOWN if html else tuple(name for name in _KNOWN if name not in _OF_LISTS)
    known += ("last_event_id",) * stream
    faults: list[Fault] = []
    given = parameters(raw, known, (*_SINGLE, "last_event_id"), faults)
    read = Values(given, faults)
    places = MAX_STREAMED if stream else MAX_PLACES
    limit = read.number("limit", 1, places, DEFAULT_LIMIT)
    offset = read.number("offset", 0, places - 1, 0)
    if limit + offset > places and not faults:
        faults.append(fault("offset", f"offset and limit together are more than {places}"))
    sections, not_sections = read.names("section")
    formats, not_formats = read.names("format")
    exclude = [*read.article_ids("exclude", rule), *(own_name(one, rule) for one in given.get("exclude", ()))]
    wanted = Filter(
        sections,
        not_sections,
        formats,
        not_formats,
        read.age("published_within"),
        frozenset(exclude),
        read.number("min_count", 0, 999_999_999, 0),
    )
    fallback = read.choice("fallback", {"true": True, "false": False}, default=False)
    render: Render = read.choice("render", {name: name for name in ("html", "csv", "json")}, "json")
    lang = read.choice("lang", {name: name for name in LANGUAGES}, LANGUAGES[0])
    receipt = read.choice("receipt", {"true": True, "false": False}, default=False)
    if receipt and render != "json":
        faults.append(fault("receipt", f"is part of the JSON; leave out render={render}"))
    last = next(iter(read.several("last_event_id", lambda value: value[:64], "is no id")), "")
    max_per, unless = read.max_per(), read.unless()
    query = Query(limit, offset, wanted, fallback, render, lang, receipt, last, max_per=max_per, unless=unless)
    return query, faults


def parse_article(raw: bytes, rule: IdRule = DEFAULT) -> tuple[tuple[str, ...], int, list[Fault]]:
    """The article's id, the place that is a list's edge, and every fault; with faults, there may be no id.

    The id is in its normal form, and then as it is given if that is another id.
    """
    faults: list[Fault] = []
    given = parameters(raw, ("id", "places"), ("id", "places"), faults)
    read = Values(given, faults)
    ids = [*read.article_ids("id", rule), *(value for value in given.get("id", ()) if is_article_id(value))]
    if "id" not in given:
        faults.append(fault("id", "is missing; it is the article's id, percent-encoded"))
    return tuple(dict.fromkeys(ids)), read.number("places", 1, MAX_PLACES, DEFAULT_LIMIT), faults


def parse_nothing(raw: bytes) -> list[Fault]:
    """The faults of a query if none is expected."""
    faults: list[Fault] = []
    parameters(raw, (), (), faults)
    return faults


def parameters(raw: bytes, known: Sequence[str], single: Sequence[str], faults: list[Fault]) -> dict[str, list[str]]:
    """Parameter to its values."""
    given: dict[str, list[str]] = {}
    choices = f"; known: {', '.join(known) or 'none'}"
    for name, value in _pairs(raw):
        if name not in known:
            faults.append(fault(name, f"there is no such parameter{choices}"))
            choices = ""  # once is enough
        else:
            given.setdefault(name, []).append(value)
    faults += [fault(name, "given more than once") for name in single if len(given.get(name, ())) > 1]
    return given


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    """Names and values. Bytes that are not UTF-8 are kept in article ids, whose addresses may have them."""
    pairs = parse_qsl(raw.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    return [(_text(name), value if name in {"id", "exclude"} else _text(value)) for name, value in pairs]


def _text(given: str) -> str:
    return given.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Values:
    """Reads parameters one by one, gathering what is wrong with them."""

    def __init__(self, given: dict[str, list[str]], faults: list[Fault]) -> None:
        self._given = given
        self._faults = faults

    def several(self, name: str, read: Callable[[str], Any], wrong: str) -> list[Any]:
        values = self._given.get(name, [])
        if len(values) > MAX_VALUES:
            self._faults.append(fault(name, f"given {len(values)} times; {MAX_VALUES} at most"))
            return []
        found = [(value, read(value)) for value in values]
        self._faults += [fault(name, f"{quoted(value)} {wrong}") for value, it in found if it is None]
        return [it for _, it in found if it is not None]

    def article_ids(self, name: str, rule: IdRule) -> list[str]:
        """In their normal form."""

        def read(value: str) -> str | None:
            try:
                found = normalized(value, rule)
            except NoArticleError:
                return None
            return found if is_article_id(found) else None

        return self.several(name, read, "is no article id")

    def number(self, name: str, least: int, most: int, default: int) -> int:
        def read(value: str) -> int | None:
            return int(value) if _NUMBER.fullmatch(value) and least <= int(value) <= most else None

        return next(iter(self.several(name, read, f"is not a whole number from {least} to {most}")), default)

    def age(self, name: str) -> int | None:
        def read(value: str) -> int | None:
            found = _AGE.fullmatch(value)
            span = int(found[1]) * _UNIT_MS[found[2]] if found else MAX_WITHIN_MS + 1
            return span if span <= MAX_WITHIN_MS else None

        return next(iter(self.several(name, read, "is no age; write 90m, 48h or 7d, up to 366d")), None)

    def choice(self, name: str, choices: dict[str, Any], default: Any) -> Any:
        return next(iter(self.several(name, choices.get, f"is not one of {', '.join(choices)}")), default)

    def max_per(self) -> tuple[tuple[str, int], ...]:
        """Field and number, by field."""

        def read(value: str) -> tuple[str, int] | None:
            found = _MAX_PER.fullmatch(value)
            return (found[1], int(found[2])) if found and 1 <= int(found[2]) <= MAX_OF_OTHER else None

        wrong = f"is not section:N or format:N with N from 1 to {MAX_OF_OTHER}"
        found: dict[str, int] = {}
        for field_, most in self.several("max_per", read, wrong):
            if field_ in found:
                self._faults.append(fault("max_per", f"{field_} is given more than once"))
            found[field_] = most
        return tuple(sorted(found.items()))

    def unless(self) -> tuple[Unless, ...]:
        """By name."""

        def read(value: str) -> Unless | None:
            found = _OTHER.fullmatch(value)
            return Unless(found[1], found[2], int(found[3])) if found and 1 <= int(found[3]) <= MAX_OF_OTHER else None

        wrong = f"is not BOARD/WINDOW:N, such as read/24h:7, with N from 1 to {MAX_OF_OTHER}"
        found = sorted(set(self.several("unless", read, wrong)))
        if len(found) > MAX_OTHERS:
            self._faults.append(fault("unless", f"names {len(found)} lists; {MAX_OTHERS} at most"))
        return tuple(found)

    def names(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        """Names to admit, and those to leave out (with "-" before them)."""

        def read(value: str) -> str | None:
            return value if 0 < len(value.removeprefix("-")) <= 64 else None

        values = self.several(name, read, "is no name of 1 to 64 characters")
        out = frozenset(value[1:] for value in values if value.startswith("-"))
        return frozenset(value for value in values if not value.startswith("-")), out
