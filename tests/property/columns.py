"""Random counts, collected and routed in the kernel's columns and in Python's dicts: the same changes, the same bytes."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import msgspec

from ranker.consume.batch import Batch
from ranker.core import delta, home
from ranker.core.costs import Costs
from ranker.core.floors import Floors
from ranker.core.generation import Generation
from ranker.core.partial_counts import Group, PartialCounts
from ranker.core.route import Router
from ranker.core.step import Changes
from ranker.kernel import _kernel
from ranker.kernel.fold import KernelFold
from ranker.kernel.route import KernelRouter
from tests.property import kernel

_SITES = ("demo", "it", "s" * 64)
_OUTCOMES = ("view", "share", "!bot", "a", "zz")
_COUNTS: tuple[int, ...] = (
    1,
    1,
    1,
    2,
    -1,
    0,
    31,
    -32,
    -33,
    127,
    128,
    -128,
    -129,
    255,
    256,
    65_535,
    65_536,
    -32_768,
    -32_769,
    2**31,
)
_COUNTS += (2**32 - 1, 2**32, -(2**31), -(2**31) - 1, 2**40, -(2**40))
_MANY = 1 / 150
"""So many have one piece, with as many articles as 16 bits can say, or some more."""


def generation(rng: random.Random) -> Generation:
    boards: dict[str, dict[str, int]] = {"read": {"view": 1, "share": 3}}
    boards |= rng.choice(({}, {"shared": {"share": 1}}, {"all": {"a": 2, "view": 1}}))
    lanes = rng.choice((1, 4, 8))
    return msgspec.structs.replace(kernel.generation(rng), boards=boards, lanes=lanes)


def partial_counts(rng: random.Random, fine: range) -> PartialCounts:
    """Of a few articles or many, whose ids may begin with one another."""
    articles = _ids(rng, rng.choice((1, 3, 20, 300)))
    articles += rng.sample(("a", "a-", "a" * 31, "a" * 32, "a" * 255, "a" * 256, "é" * 256, "~"), rng.randrange(8))
    most = min(len(articles), rng.choice((1, 2, 300, 300)))
    found: dict[Group, dict[str, int]] = {}
    for _ in range(rng.choice((1, 2, 10, 30))):
        group = (
            rng.choice(fine),
            rng.choice(_SITES[: rng.choice((1, 3))]),
            rng.choice(_OUTCOMES[: rng.choice((1, 2, 5))]),
        )
        some = rng.sample(articles, rng.randint(1, most))
        found[group] = {article: rng.choice(_COUNTS[: rng.choice((3, len(_COUNTS)))]) for article in some}
    return PartialCounts(found)


def _ids(rng: random.Random, number: int) -> list[str]:
    return [f"/{rng.choice(('a', 'a' * 20, 'é', '日本'))}{at}" for at in range(number)]


def _many(rng: random.Random, fine: range) -> PartialCounts:
    group = rng.choice(fine), rng.choice(_SITES), rng.choice(_OUTCOMES)
    return PartialCounts({group: dict.fromkeys(_ids(rng, rng.choice((65_535, 65_536, 65_536, 66_000))), 1)})


def check(seed: int) -> int:
    """Raises AssertionError if they differ. Returns the number of columns that were merged."""
    rng = random.Random(seed)
    settings = generation(rng)
    costs, compiled = Costs.of(settings), KernelFold(settings)
    begin = rng.choice((0, 10_000_000))
    fine = range(begin, begin + rng.choice((1, 12, 40)))
    pieces = [partial_counts(rng, fine) for _ in range(rng.choice((1, 1, 2, 4)))]
    if rng.random() < _MANY:
        pieces = [_many(rng, fine)]
    plain, columns = Batch(0, 0.0, None), Batch(0, 0.0, None)
    for end, piece in enumerate(pieces, 1):
        same = PartialCounts(columns=compiled._kernel.columns(piece.counts))  # as its own fold does
        assert isinstance(same.columns, _kernel.Columns)
        assert same.columns.as_dicts() == piece.counts
        cost, enough = plain.cost_with(piece, costs), rng.choice((-(10**6), 0, 50, 10**6))
        at_most = columns.cost_with(same, costs, enough)
        assert at_most == cost or cost < at_most <= enough
        plain.add(end, dataclasses.replace(piece, counts={group: dict(some) for group, some in piece.counts.items()}))
        columns.add(end, same)
        assert columns.cost_with(PartialCounts(), costs) == cost
    held = columns.partial.columns
    assert isinstance(held, _kernel.Columns)
    assert held.as_dicts() == plain.partial.counts
    assert held.events() == _events(plain.partial)
    floors = _floors(rng, settings, fine)
    changes = KernelRouter(settings).changes(columns.partial, floors)
    _compare(rng, settings, changes, Router(settings).changes(plain.partial, floors))
    return len(pieces) - 1


def _events(partial: PartialCounts) -> dict[str, int]:
    events: dict[str, int] = {}
    for (_, _, outcome), articles in partial.counts.items():
        events[outcome] = events.get(outcome, 0) + sum(map(abs, articles.values()))
    return events


def _floors(rng: random.Random, settings: Generation, fine: range) -> Floors:
    """Before all, after all, in the midst of a slice."""
    floors = []
    for window in settings.windows:
        each = window.grain_ms // settings.windows[0].grain_ms
        floor = rng.choice((fine.start, fine.stop, rng.choice(fine), rng.choice(fine))) // each * settings.lanes
        floors.append(max(0, floor + rng.choice((0, 0, 1, settings.lanes - 1, -settings.lanes))))
    return tuple(floors)


def _compare(rng: random.Random, settings: Generation, got: Changes, want: Changes) -> None:
    assert set(got.slices) == set(want.slices)
    assert got.sums == want.sums
    assert got.sites == want.sites
    for slice_id in want.slices:
        assert got.size([slice_id]) == want.size([slice_id])
        assert delta.unpack(got.delta(slice_id, sealed=False)) == want.appends[slice_id]
        assert got.delta(slice_id, sealed=True) == want.delta(slice_id, sealed=True), "the bytes of a sealed slice"
    assert _increments(got) == want.increments
    assert _increments(want) == want.increments
    own = {
        (tier, site, board)
        for (tier, _), sites in want.appends.items()
        for site, outcomes in sites.items()
        for outcome in outcomes
        for board, _ in settings.boards_of.get(outcome, ())
    }
    assert len(got.increases()) == len(own), "a window that nothing enters first shares increments"
    partition, partitions = rng.choice(((0, 1), (0, 2), (1, 7)))
    away = {
        f"{site}/{article}"
        for site, articles in want.touched().items()
        for article in articles
        if home.home(f"{site}/{article}".encode(), partitions) != partition
    }
    assert got.strays(partition, partitions) == away


def _increments(changes: Changes) -> dict[tuple[int, str, str], dict[str, int]]:
    found = {}
    for one in changes.increases():
        articles, increments = (_read(packed) for packed in (one.articles, one.increments))
        assert len(articles) == len(increments) == one.size
        for window in one.windows:
            found[window, one.site, one.board] = dict(zip(articles, increments, strict=True))
    return found


def _read(packed: Any) -> list[Any]:
    """A list, from msgpack if it is packed, which is then in its shortest form."""
    if not isinstance(packed, msgspec.Raw):
        return list(packed)
    read = msgspec.msgpack.decode(packed)
    assert msgspec.msgpack.encode(read) == bytes(packed)
    return list(read)
