"""Calendars of sites, from tables as ranker.toml has them."""

from typing import Any

from ranker import calendars
from ranker.core.periods import Calendar


def calendar(zone: str = "Europe/Paris", **more: Any) -> Calendar:
    """Weeks from Saturday, closed after six hours, boards read and shared, unless `more` has something else."""
    table = {"zone": zone, "week_starts": "saturday", "kinds": ["day", "week"], "close_after_s": 21_600, "places": 100}
    return calendars.calendar({**table, "boards": [], **more}, ("read", "shared"))
