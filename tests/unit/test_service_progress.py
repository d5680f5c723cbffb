from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from ranker.service.progress import bar
with bar("counting", 10, unit="events") as advance:
    advance(5)
    print("a result")
"""


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
