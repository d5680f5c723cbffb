"""Progress on a terminal, and where there is none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from ranker.service.progress import Lines, bar

SCRIPT = """
from ranker.service.progress import bar
with bar("counting", 10, unit="events") as advance:
    advance(5)
    print("a result")
"""


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


def test_what_is_printed_beside_a_bar_reaches_the_file_it_is_for() -> None:
    """Standard error is a terminal with a bar, standard output a file: rich would print both on the terminal."""
    ours, its = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=its, check=True, timeout=60
        )
        shown = os.read(ours, 65_536)
    finally:
        os.close(its)
        os.close(ours)
    assert done.stdout == b"a result\n"
    assert b"counting" in shown
    assert b"a result" not in shown
