"""Progress where there is no terminal."""

from __future__ import annotations

import pytest

from ranker.service.progress import Lines, bar


def test_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Position, rate since the last line, time left."""
    now = 0.0
    lines = Lines("Building x", "events", 10.0, lambda: now)
    lines(1_000, 21_000)
    now = 9.9
    lines(2_000, 21_000)
    assert capsys.readouterr().err == ""
    now = 10.0
    lines(6_000, 21_000)
    assert capsys.readouterr().err == "Building x: 6,000 of 21,000 events, 500/s, 30 s left\n"
    now = 20.0
    lines(6_000)  # stands still
    assert capsys.readouterr().err == "Building x: 6,000 of 21,000 events, 0/s\n"


def test_nothing_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands that are soon done print no lines."""
    with bar("Reading", 10) as advance:
        advance(5)
    assert capsys.readouterr().err == ""
