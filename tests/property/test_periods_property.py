"""Periods hold what is said of them, at random."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from tests.property.periods import PROPERTIES


@pytest.mark.parametrize("name", PROPERTIES)
def test_periods(name: str) -> None:
    drawn, holds = PROPERTIES[name]

    @settings(max_examples=40 if name == "counts" else 400, deadline=None)
    @given(drawn)
    def every(example: Any) -> None:
        holds(example)

    every()
