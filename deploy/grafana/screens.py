"""The screens as data: screens/*.toml. What is wrong in one is refused with its place."""

from pathlib import Path
from typing import Literal

import msgspec

from ranker.service.runbook import Section

SCREENS = Path(__file__).with_name("screens")
Language = Literal["en", "fr"]
Unit = Literal["none", "short", "s", "bytes", "percentunit", "eps", "ops", "reqps"]
Colour = Literal["green", "orange", "red", "blue"]


class Both(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in both languages."""

    en: str
    fr: str


Text = str | Both
"""A plain string is the same in every language: English, or the names of labels."""


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expr: str
    legend: Text = ""
    zero: bool = False
    """No series means 0. `expr` is without this, so that a test can tell 0 from a name that does not exist."""
    unit: Unit | None = None
    """Its own, on the axis at the right."""

    @property
    def shown(self) -> str:
        return f"{self.expr} or vector(0)" if self.zero else self.expr


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Text
    answers: Text
    kind: Literal["timeseries", "stat", "text"] = "timeseries"
    unit: Unit = "none"
    decimals: int | None = None
    queries: tuple[Query, ...] = ()
    text: Text = ""
    """Markdown; instead of queries."""
    stacked: bool = False
    base: Colour = "green"
    colours: tuple[tuple[float, Colour], ...] = ()
    """From which value on a stat has which colour; `base` below them."""
    runbook: Section | None = None
    width: int = 12
    """Of the 24 columns of Grafana's grid; those of one line add up to 24."""
    height: int = 8


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Text
    panels: tuple[Panel, ...]


class Screen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    uid: str
    title: Text
    answers: Text
    rows: tuple[Row, ...]

    @property
    def languages(self) -> tuple[Language, ...]:
        return ("en", "fr") if isinstance(self.title, Both) else ("en",)


def in_language(text: Text, language: Language) -> str:
    if isinstance(text, str):
        return text
    return text.en if language == "en" else text.fr


def load(path: Path) -> Screen:
    """Raises msgspec.ValidationError, which names the field."""
    return msgspec.toml.decode(path.read_bytes(), type=Screen)


def load_all() -> dict[str, Screen]:
    """By the name of their file, in alphabetical order."""
    return {path.stem: load(path) for path in sorted(SCREENS.glob("*.toml"))}
