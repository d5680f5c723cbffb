"""A scan of the strays looks into slices a few at a time; what others do meanwhile must not fool it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ranker.consume import upkeep
from ranker.consume.upkeep import Upkeep
from ranker.core import delta
from ranker.core.generation import Generation, Window
from ranker.core.home import home
from ranker.core.retire import Retirement
from ranker.core.route import Router
from ranker.core.step import Version
from tests.mutants import mutate
from tests.property.memory import MemoryServer
from tests.support.sessions import open_session

GENERATION = Generation(
    "page-views",
    (Window("short", 10_000, 2_000), Window("long", 30_000, 6_000)),
    {"read": {"view": 1}},
    lanes=1,
)
PARTITIONS = 2
HERE, STRAY = (
    next(name for name in map(str, range(100)) if home(f"s/{name}".encode(), PARTITIONS) == partition)
    for partition in (0, 1)
)
BEGIN = Version("00aa", 0, (0, 0))


async def _keeps_the_mark() -> bool:
    """Whether a stray stays marked in a scan in whose middle another consumer retires what was not looked at yet.

    fine    | 3 |   | 9 |     3: read first      9: the stray's only count, moved to coarse slice 3 by the other
    """
    port = MemoryServer().port(GENERATION, 0)
    await port.init(BEGIN, 40_000, PARTITIONS, None)
    ours = await open_session(port, GENERATION, PARTITIONS)
    router = Router(GENERATION)
    changes = router.route({(3, "s", "view"): {HERE: 1}, (9, "s", "view"): {STRAY: 1}}, BEGIN.floors)
    await ours.advance(await ours.with_marks(replace(ours.step(Version("00aa", 2, BEGIN.floors)), changes=changes)))
    keeper = Upkeep(GENERATION)
    await keeper._scan_strays(ours, due=True)
    other = await open_session(port, GENERATION, PARTITIONS)
    deltas = (await port.read_slices([(0, 3), (0, 9)]))[1]
    contents = {slice_id: delta.total(parts) for slice_id, parts in deltas.items()}
    for step in Retirement(GENERATION, router).plan(other.version, 40_000, 0, 10, contents):
        await other.advance(await other.with_marks(step))
    assert await ours.reload(), "only the floors have moved: our batch is routed again and we go on"
    for _ in range(5):
        await keeper._scan_strays(ours, due=True)
        if await port.strays() != {f"s/{STRAY}"}:
            return False
    return True


async def test_what_moves_during_a_scan_keeps_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that is taken from what still counts makes a list wrong."""
    monkeypatch.setattr(upkeep, "_SLICES_AT_ONCE", 1)
    assert await _keeps_the_mark()


async def test_the_mark_is_lost_if_the_scan_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: without the new beginning, the mark is gone."""
    monkeypatch.setattr(upkeep, "_SLICES_AT_ONCE", 1)
    with mutate.python("ranker.consume.session:Session.reload", "A.marked = None", "pass"):
        assert not await _keeps_the_mark()
