"""What ranker.toml may say of rising boards: the windows that they add, and what cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranker.core.rising import Thresholds
from ranker.core.rising_boards import RisingBoard, available
from ranker.settings import DEFAULT_GENERATION, load
from tests.unit.test_settings import refused, write

RISING = '[rising.rising]\nof = "read"\n'


def windows(text: str, tmp_path: Path) -> list[tuple[str, int, int]]:
    generation = load(str(write(tmp_path, text)), {}).generation
    return [(one.name, one.length_ms // 1000, one.grain_ms // 1000) for one in generation.windows]


def test_a_rising_board_adds_its_windows(tmp_path: Path) -> None:
    """An hour and four, of minutes: another generation, in which the rest is as it was."""
    settings = load(str(write(tmp_path, RISING)), {})
    board = RisingBoard("rising", "read", "1h", "4h", Thresholds(20, 4.0, 1.5))
    assert settings.rising == {"rising": board}
    assert settings.rising_windows == {"1h", "4h"}
    assert [one.name for one in settings.generation.windows] == ["1h", "4h", "24h", "7d"]
    assert settings.generation.windows[2:] == DEFAULT_GENERATION.windows
    assert settings.generation.id != DEFAULT_GENERATION.id
    assert available(settings.rising, settings.generation) == settings.rising
    assert available(settings.rising, DEFAULT_GENERATION) == {}
    assert settings.masked()["rising"]["rising"]["before"] == "4h"


def test_thresholds_make_no_generation(tmp_path: Path) -> None:
    """Readers apply them, so they may be changed at any time."""
    other = load(str(write(tmp_path, RISING + "least = 50\nsigmas = 5\ntimes = 2\n")), {})
    assert other.rising["rising"].thresholds == Thresholds(50, 5.0, 2.0)
    assert other.generation.id == load(str(write(tmp_path, RISING)), {}).generation.id


def test_windows_that_are_there_are_used(tmp_path: Path) -> None:
    """By any name; none is added for them."""
    text = f"""
    {RISING}
    recent = "hour"
    before = "3h"
    [windows.hour]
    length_s = 3600
    grain_s = 30
    [windows."24h"]
    length_s = 86400
    grain_s = 60
    [windows."7d"]
    length_s = 604800
    grain_s = 3600
    """
    assert windows(text, tmp_path) == [
        ("hour", 3600, 30),
        ("3h", 10800, 60),
        ("24h", 86400, 60),
        ("7d", 604800, 3600),
    ]
    assert load(str(write(tmp_path, text)), {}).rising_windows == {"3h"}


DAY = '[windows."24h"]\nlength_s = 86400\ngrain_s = 60\n'
WEEK = '[windows."7d"]\nlength_s = 604800\ngrain_s = 3600\n'
FAULTS = {
    RISING + "sigmas = nan": "rising.rising.sigmas: is no number that can be compared; write a finite one",
    RISING + "times = inf": "rising.rising.times: is no number that can be compared; write a finite one",
    '[rising.latest]\nof = "read"': "rising.latest: the API has this name for something else; choose another",
    '[rising.read]\nof = "read"': "rising.read: a board has this name; choose another",
    '[rising.rising]\nof = "seen"': "rising.rising.of: 'seen' is no board; there are commented, read, shared",
    RISING + 'recent = "hour"': "rising.rising.recent: 'hour' is neither a window nor a duration such as 90m, 4h or 1d",
    RISING + 'recent = "4h"': "rising.rising.before: must be longer than recent",
    RISING + 'recent = "5h"': "rising.rising.before: must be longer than recent",
    RISING + 'before = "2d"': "rising.rising.before: must be a day at most",
    RISING + DAY: 'yesterday are up to 29 h old, and no window reaches so far; add [windows."7d"]',
    RISING + 'before = "90m"\n' + DAY: "yesterday are up to 27 h old",
    RISING + DAY + WEEK.replace("3600", "7200"): "in window 7d, whose slices of 7200 s divide no hour",
    RISING + DAY.replace("60", "90") + WEEK: 'add [windows."1h"] with length_s = 3600 and a grain_s that divides 90',
    RISING + WEEK + "[windows.short]\nlength_s = 1800\ngrain_s = 45": "and a grain_s that is a multiple of 45",
    RISING + WEEK + "[windows.hour]\nlength_s = 3600\ngrain_s = 60": 'window hour is as long; write "hour"',
    RISING
    + 'recent = "odd"\n'
    + WEEK
    + "[windows.odd]\nlength_s = 90\ngrain_s = 30": "window odd is not of whole minutes",
}


@pytest.mark.parametrize("lines", FAULTS)
def test_boards_that_cannot_work_are_refused(tmp_path: Path, lines: str) -> None:
    """Each with its place and its fix, in the words of the file: it does not speak of windows that nobody wrote."""
    faults = refused(write(tmp_path, lines + "\n"))
    assert any(FAULTS[lines] in fault for fault in faults), faults
    assert all("rising." in fault for fault in faults), faults
