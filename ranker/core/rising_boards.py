"""The rising boards of ranker.toml: what each compares, the windows that it adds, and what cannot work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ranker.core.generation import NO_BOARDS, Generation, Window
from ranker.core.rising import Thresholds
from ranker.core.times import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.configuration import RISING_GRAIN_S


class RisingBoard(NamedTuple):
    """`of` is a board; `recent` and `before` are names of windows."""

    name: str
    of: str
    recent: str
    before: str
    thresholds: Thresholds


def boards(table: Mapping[str, Any]) -> dict[str, RisingBoard]:
    """Name to board, out of a validated ranker.toml table that has its defaults."""
    return {
        name: RisingBoard(
            name,
            one["of"],
            one["recent"],
            one["before"],
            Thresholds(one["least"], float(one["sigmas"]), float(one["times"])),
        )
        for name, one in table.get("rising", {}).items()
    }


def available(found: Mapping[str, RisingBoard], generation: Generation) -> dict[str, RisingBoard]:
    """Those that a generation has the board and the windows for: another configuration may be active."""
    windows = {window.name for window in generation.windows}
    return {
        name: one
        for name, one in found.items()
        if name not in generation.boards and one.of in generation.boards and {one.recent, one.before} <= windows
    }


def faults(found: Mapping[str, RisingBoard], generation: Generation, added: Collection[str]) -> Iterator[str]:
    """Every reason why these boards cannot work, as sentences that name the fix.

    `added` are the windows that only these boards need.
    """
    by_name = {window.name: window for window in generation.windows}
    own = [window for window in generation.windows if window.name not in added]
    for name, one in found.items():
        place = f"rising.{name}"
        if name in NO_BOARDS:
            yield f"{place}: the API has this name for something else; choose another"
        if name in generation.boards:
            yield f"{place}: a board has this name; choose another"
        if one.of not in generation.boards:
            yield f"{place}.of: {one.of!r} is no board; there are {', '.join(sorted(generation.boards))}"
        unknown = [key for key in ("recent", "before") if getattr(one, key) not in by_name]
        for key in unknown:
            yield f"{place}.{key}: {getattr(one, key)!r} is neither a window nor a duration such as 90m, 4h or 1d"
        for key in ("recent", "before"):
            if getattr(one, key) in added:
                yield from _misfits(f"{place}.{key}", by_name[getattr(one, key)], own)
        if not unknown:
            yield from _lengths(place, by_name[one.recent], by_name[one.before], own)


def _misfits(place: str, window: Window, own: list[Window]) -> Iterator[str]:
    """Why a window that is added does not fit between those of [windows]."""
    for other in own:
        length_s = window.length_ms // 1000
        if other.length_ms == window.length_ms:
            yield f'{place}: window {other.name} is as long; write "{other.name}"'
            continue
        grain_s = other.grain_ms // 1000
        if other.length_ms > window.length_ms and other.grain_ms % window.grain_ms:
            wrong, fit = f"is no multiple of {RISING_GRAIN_S} s", f"divides {grain_s}"
        elif other.length_ms < window.length_ms and window.grain_ms % other.grain_ms:
            wrong, fit = f"does not divide {RISING_GRAIN_S} s", f"is a multiple of {grain_s}"
        else:
            continue
        yield (
            f"{place}: the grain of window {other.name} {wrong}, that of the window which is added; "
            f'add [windows."{window.name}"] with length_s = {length_s} and a grain_s that {fit}'
        )


def _lengths(place: str, recent: Window, before: Window, own: list[Window]) -> Iterator[str]:
    for key, window in (("recent", recent), ("before", before)):
        if window.length_ms % MINUTE_MS:
            yield f"{place}.{key}: window {window.name} is not of whole minutes; choose another"
    if before.length_ms - recent.length_ms < recent.grain_ms:
        yield f"{place}.before: must be longer than recent"
    if before.length_ms > DAY_MS:
        yield f"{place}.before: must be a day at most, since it is compared with the same hours yesterday"
        return
    reach_ms = before.length_ms + DAY_MS + HOUR_MS
    holding = next((window for window in own if window.length_ms >= reach_ms), None)
    if holding is None:
        yield (
            f"{place}.before: the same hours yesterday are up to {-(-reach_ms // HOUR_MS)} h old, and no window reaches"
            ' so far; add [windows."7d"] with length_s = 604800 and grain_s = 3600, or choose a shorter one'
        )
    elif HOUR_MS % holding.grain_ms:
        yield (
            f"{place}.before: the same hours yesterday lie in window {holding.name}, whose slices of "
            f"{holding.grain_ms // 1000} s divide no hour; choose a grain_s for it that divides 3600"
        )
