"""Pictures of dashboards: axes in round numbers, holes where nothing is known, nothing of a name that is not text."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.support.dashboard_axes import marks, shown
from tests.support.dashboard_drawing import Line, Span, draw, legend_of

SPAN = Span(0.0, 600.0, 10.0)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0, "s", "0 s"),
        (0.0025, "s", "2.5 ms"),
        (-0.04, "s", "-40 ms"),
        (5400, "s", "1.5 h"),
        (1536, "bytes", "1.5 KiB"),
        (12_300, "short", "12.3 K"),
        (12_300, "none", "12300"),
        (0.9995, "percentunit", "100%"),
        (20, "reqps", "20 req/s"),
    ],
)
def test_numbers_are_short(value: float, unit: str, words: str) -> None:
    assert shown(value, unit) == words


def test_a_share_has_the_digits_that_are_asked_for() -> None:
    """Of 99.95 % the last digit is what matters."""
    assert shown(0.9995, "percentunit", 2) == "99.95%"


@pytest.mark.parametrize(
    ("low", "high", "unit", "found"),
    [
        (0, 3.7, "none", [0, 1, 2, 3, 4]),
        (0, 0, "none", [0, 0.5, 1]),
        (-3, 9, "none", [-5, 0, 5, 10]),
        (0, 100, "s", [0, 30, 60, 90, 120]),
        (0, 290, "s", [0, 120, 240, 360]),
        (0, 900_000, "bytes", [0, 262_144, 524_288, 786_432, 1_048_576]),
    ],
)
def test_marks_are_round_and_enclose_what_is_drawn(low: float, high: float, unit: str, found: list[float]) -> None:
    assert marks(low, high, unit) == found


def _dashboard(*, stacked: bool = False) -> dict[str, Any]:
    custom = {"stacking": {"mode": "normal"}} if stacked else {}
    panel = {
        "id": 1,
        "type": "timeseries",
        "title": "A & B",
        "description": 'with "quotes" & <tags>',
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
        "fieldConfig": {"defaults": {"unit": "none", "custom": custom}, "overrides": []},
    }
    return {"title": "Screen <1>", "description": "", "panels": [panel]}


def _paths(picture: str) -> list[ET.Element]:
    return [path for path in ET.fromstring(picture).iter(f"{SVG}path") if path.get("class") == "l"]


def test_a_hole_in_the_data_is_a_hole_in_the_line() -> None:
    """Neither a missing point nor NaN is bridged; a point alone is a dash."""
    points = [(0.0, 1.0), (10.0, 2.0), (30.0, 1.0), (40.0, math.nan), (50.0, 1.0), (60.0, 1.0)]
    picture = draw(_dashboard(), {1: [Line("a", "A", points)]}, SPAN, "")
    assert [path.get("d", "").count(",") for path in _paths(picture)] == [2, 1, 2]


def test_stacked_lines_lie_upon_each_other() -> None:
    """The second line's height is the sum; a line that begins later begins upon the first."""
    lines = [Line("a", "A", [(0.0, 1.0), (10.0, 1.0)]), Line("b", "A", [(10.0, 1.0), (20.0, 1.0)])]
    upper, lower = _paths(draw(_dashboard(stacked=True), {1: lines}, SPAN, ""))
    assert float(upper.get("d", "").split(" ")[0].split(",")[1]) < float(lower.get("d", "").split(" ")[0].split(",")[1])


def test_a_panel_without_data_says_so() -> None:
    assert "No data" in draw(_dashboard(), {}, SPAN, "")


def test_names_are_text() -> None:
    """What a label or a title holds cannot become markup."""
    picture = draw(_dashboard(), {1: [Line("<b>&", "A", [(0.0, 1.0)])]}, SPAN, "at <noon>")
    words = {text.text for text in ET.fromstring(picture).iter(f"{SVG}text")}
    assert {"<b>&", "A & B", "Screen <1>", "at <noon>"} <= words


def test_legends_are_made_of_labels() -> None:
    assert legend_of({"legendFormat": "{{job}}: {{generation}}"}, {"job": "serve"}) == "serve: "
