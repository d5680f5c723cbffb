"""What `ranker rebuild` prints: the plan, what changes in the lists as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ranker.core import rules
from ranker.core.generation import Generation, ListName
from ranker.core.list_change import ListChange, only_in
from ranker.operate.described import described, differences
from ranker.operate.generations import LEVEL_MS
from ranker.operate.rebuild import MAX_SITES, PLACES, Comparison, Memory, Plan
from ranker.service.printable import printable

_LONGEST = 300
_LISTS_SHOWN, _LISTS_IN_DETAIL, _FIRST_PLACES = 200, 20, 10
"""Lists with their numbers, those of them with articles, and of these the places; --json has all."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """What will be done, before it is."""
    new, old = plan.new, plan.old
    beside = f"beside {old.id}, which is active" if old else "no other is active, so there is nothing to compare with"
    yield f"Generation {new.id} is to be built: {beside}"
    yield _row("in force", ", ".join(rules.in_force(new)) or "no rules")
    if old is None:
        for name, text in described(new).items():
            if text:
                yield _row(name, text)
    else:
        for name, (before, after) in differences(old, new).items():
            yield _row(name, f"was {before or 'none'}")
            yield _row("", f"now {after or 'none'}")
    records = sum(map(len, plan.reads.values()))
    yield _row("to read", f"{records:,} records of {len(plan.reads)} partitions of {new.topic}")
    yield _row("memory", _memory(plan.memory))


def _row(name: str, text: str) -> str:
    return f"  {name:8} {printable(text, _LONGEST)}"


def _memory(memory: Memory) -> str:
    words = ["cannot be estimated" if memory.more is None else f"about {_mb(memory.more)} more"]
    if memory.old is not None:
        words.append(f"the active generation uses {_mb(memory.old)}")
    if memory.used is None or memory.limit is None:
        words.append("Redis does not show its used memory or maxmemory: see to it that there is room")
    else:
        limit = f"of {_mb(memory.limit)}" if memory.limit else "and has no maxmemory"
        words.append(f"Redis uses {_mb(memory.used)} {limit}")
    return "; ".join(words)


def too_small(memory: Memory) -> str:
    """Why the building is refused, with the fix."""
    least = (memory.limit or 0) + memory.lacking
    return (
        f"Redis is too small for two generations by about {_mb(memory.lacking)}: set maxmemory to {_mb(least)} or more "
        f"(CONFIG SET maxmemory {least}), or drop a generation that nobody needs (`ranker generations`), or add --force"
    )


def document(plan: Plan, comparison: Comparison | None) -> str:
    """One JSON object with every change."""
    new, old = plan.new, plan.old
    as_of_ms = comparison.as_of_ms if comparison else (None, None)
    return json.dumps(
        {
            "before": None if old is None else _generation(old, as_of_ms[0]),
            "after": _generation(new, as_of_ms[1]),
            "differences": {}
            if old is None
            else {name: {"before": one, "after": other} for name, (one, other) in differences(old, new).items()},
            "records": sum(map(len, plan.reads.values())),
            "memory_bytes": {"active": plan.memory.old, "more": plan.memory.more},
            "places": PLACES,
            "sites_left_out": comparison is not None and comparison.sites_left_out,
            "lists": [] if comparison is None else [_list(name, one) for name, one in comparison.lists.items()],
            "only_before": [] if old is None else _kinds(old, new),
            "only_after": [] if old is None else _kinds(new, old),
        },
        ensure_ascii=False,
    )


def _generation(generation: Generation, as_of_ms: int | None) -> Mapping[str, Any]:
    return {
        "generation": generation.id,
        "rules": rules.in_force(generation),
        "as_of": None if as_of_ms is None else _time(as_of_ms),
    }


def _kinds(one: Generation, other: Generation) -> list[Mapping[str, str]]:
    return [{"board": board, "window": window} for board, window in only_in(one, other)]


def _list(name: ListName, change: ListChange) -> Mapping[str, Any]:
    entered, left = (
        [{"article_id": placed.article, "rank": placed.place, "count": placed.count} for placed in some]
        for some in (change.entered, change.left)
    )
    return {
        **name._asdict(),
        "total": dict(zip(("before", "after"), change.total, strict=True)),
        "dropped": dict(zip(("before", "after"), change.dropped, strict=True)),
        "entered": entered,
        "left": left,
        "moved": [{"article_id": moved.article, "from": moved.before, "to": moved.after} for moved in change.moved],
    }


def show(console: Console, comparison: Comparison) -> None:
    """A row of numbers for each list; below it what changes among the first places."""
    before, after = comparison.before, comparison.after
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("list", overflow="fold")
    for heading in ("total before", "after", "entered", "left", "moved"):
        table.add_column(heading, justify="right")
    table.add_column("dropped by rules", overflow="fold")
    for name, change in islice(comparison.lists.items(), _LISTS_SHOWN):
        numbers = (*change.total, len(change.entered), len(change.left), len(change.moved))
        was, now = map(_dropped, change.dropped)
        dropped = now if was == now else f"{was}\n→ {now}"
        table.add_row(Text(_named(name)), *(f"{number:,}" for number in numbers), Text(dropped))
    of, to = map(_time, comparison.as_of_ms)
    console.print(Text(f"The first {PLACES} places of each list, as counted; before: {of}, after: {to}"))
    if abs(comparison.as_of_ms[0] - comparison.as_of_ms[1]) > LEVEL_MS:
        console.print(
            Text("These are lists of different moments: part of what differs is time. Is the older one counted?")
        )
    console.print(table)
    shown = ((name, lines) for name, change in comparison.lists.items() if (lines := _first_places(change)))
    for name, lines in islice(shown, _LISTS_IN_DETAIL):
        console.print(Text("\n".join([_named(name), *lines])))
    if (beyond := len(comparison.lists) - _LISTS_SHOWN) > 0:
        console.print(Text(f"{beyond:,} further lists: --json has them"))
    if comparison.sites_left_out:
        console.print(Text(f"There are more sites: the first {MAX_SITES:,} by name were compared"))
    for generation, kinds in ((before, only_in(before, after)), (after, only_in(after, before))):
        if kinds:
            named = ", ".join(f"{board} {window}" for board, window in kinds)
            console.print(Text(printable(f"Only {generation.id} has: {named}")))


def _first_places(change: ListChange) -> list[str]:
    """What changes there, by place; what has left it stands where it was."""
    found = [(placed.place, 1, placed.article, "new") for placed in change.entered]
    found += [(moved.after, 1, moved.article, f"was {moved.before}.") for moved in change.moved]
    found += [(placed.place, 0, placed.article, "left") for placed in change.left]
    return [
        f"  {place:3}. {printable(article, 60)}  {what}"
        for place, _, article, what in sorted(found)
        if place <= _FIRST_PLACES
    ]


def _named(name: ListName) -> str:
    return printable(f"{name.site} {name.board} {name.window}")


def _dropped(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{rule} {count:,}" for rule, count in counts.items()) or "no rules"


def _mb(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
