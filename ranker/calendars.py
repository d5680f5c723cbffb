"""A site's [calendar] table as a Calendar. Time zones are those of the package tzdata, not the machine's own."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from ranker.core.periods import WEEKDAYS, Calendar


@functools.cache
def zone_names() -> frozenset[str]:
    """The IANA names of all time zones."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("ascii").split())


@functools.cache
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; KeyError if there is none."""
    if name not in zone_names():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, name)


def faults(table: Mapping[str, Any], boards: Sequence[str]) -> Iterator[str]:
    """What is wrong with a valid [calendar] table, beside the place; `boards` are those that there are."""
    if table["zone"] not in zone_names():
        yield f"zone: {table['zone']!r} is no IANA time zone; write such as Europe/Paris"
    for board in table["boards"]:
        if board not in boards:
            yield f"boards: {board!r} is unknown; there are {', '.join(boards)}"


def calendar(table: Mapping[str, Any], boards: Sequence[str]) -> Calendar:
    """From a valid [calendar] table with its defaults, without faults."""
    return Calendar(
        zone(table["zone"]),
        table["zone"],
        WEEKDAYS.index(table["week_starts"]),
        tuple(table["kinds"]),
        table["close_after_s"] * 1000,
        table["places"],
        tuple(table["boards"]) or tuple(boards),
    )
