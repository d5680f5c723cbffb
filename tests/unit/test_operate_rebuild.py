"""What `ranker rebuild` prints about Redis' memory before it begins."""

from __future__ import annotations

import pytest

from ranker.commands.rebuild_text import plan_lines, too_small
from ranker.operate.rebuild import Memory, Plan
from ranker.store.generations import Active
from tests.support.defaults import PRESS, press

MB = 1_000_000


@pytest.mark.parametrize(
    ("memory", "lacking"),
    [
        (Memory(10 * MB, 20 * MB, 30 * MB, 50 * MB), 0),
        (Memory(10 * MB, 20 * MB, 30 * MB, 49 * MB), MB),
        (Memory(10 * MB, 20 * MB, 30 * MB, 0), 0),
        (Memory(10 * MB, 20 * MB, None, 49 * MB), 0),
        (Memory(10 * MB, 20 * MB, 30 * MB, None), 0),
        (Memory(None, None, 30 * MB, 31 * MB), 0),
    ],
    ids=["enough", "too small", "no limit", "used is withheld", "the limit is withheld", "no estimate"],
)
def test_how_much_is_lacking(memory: Memory, lacking: int) -> None:
    """Only what is known refuses."""
    assert memory.lacking == lacking


def test_the_refusal_has_the_number_and_the_fix() -> None:
    """maxmemory as it would have to be."""
    said = too_small(Memory(10 * MB, 20 * MB, 30 * MB, 49 * MB))
    assert "by about 1.0 MB" in said
    assert "CONFIG SET maxmemory 50000000" in said
    assert "--force" in said


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (Memory(10 * MB, 20 * MB, 30 * MB, 50 * MB), "about 20.0 MB more; the active generation uses 10.0 MB"),
        (Memory(10 * MB, 20 * MB, 30 * MB, 50 * MB), "Redis uses 30.0 MB of 50.0 MB"),
        (Memory(10 * MB, 20 * MB, 30 * MB, 0), "and has no maxmemory"),
        (Memory(10 * MB, 20 * MB, None, None), "Redis does not show its used memory or maxmemory"),
        (Memory(None, None, 30 * MB, 50 * MB), "cannot be estimated"),
    ],
)
def test_what_the_plan_says(memory: Memory, words: str) -> None:
    """And how much there is to read, and what differs."""
    old = press(repeat_per_s=7200)
    lines = "\n".join(plan_lines(Plan(PRESS, Active(1, old.id, 2), old, {0: range(5, 1005), 1: range(3)}, memory)))
    assert words in lines
    assert f"{PRESS.id} is to be built: beside {old.id}" in lines
    assert "to read  1,003 records of 2 partitions of page-views" in lines
    assert "repeat-7200s@1" in lines
    assert "windows" not in lines
