"""docs/scale.md's charts are those that the formulas draw today."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.scale_charts import FOLDER, figures


@pytest.mark.parametrize("number", [0, 1])
def test_the_charts_are_current(number: int) -> None:
    """Else: `python -m tests.support.scale_charts`. Each is well-formed, shown on the page, and has a title."""
    path, text = list(figures())[number]
    assert path.read_text() == text
    assert f"](scale/{path.name})" in (FOLDER.parent / "scale.md").read_text()
    title = ET.fromstring(text).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text


def test_nothing_else_is_there() -> None:
    """No chart that nobody draws."""
    assert {path.name for path in Path(FOLDER).iterdir()} == {path.name for path, _ in figures()}
