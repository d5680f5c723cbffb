"""A new slice that has ended is written as a sealed one is; another one is not."""

from __future__ import annotations

from ranker.core import delta
from ranker.core.step import Changes, Step, Version
from ranker.store.keys import ShardKeys
from ranker.store.program import assemble
from tests.support.raw_records import generation


def test_what_has_ended_is_compressed_at_once() -> None:
    """Counts of zero are left out of it, as a seal leaves them out."""
    given = generation()
    counts = {"demo": {"view": {f"/a{number}": 2 for number in range(50)}}}
    appends = {(0, 1): {"demo": {"view": {**counts["demo"]["view"], "/none": 0}}}, (0, 2): counts}
    before, after = Version("l", 0, (0, 0)), Version("l", 9, (0, 0))
    step = Step(before, after, 1, Changes(appends=appends), sealed=frozenset({(0, 1)}))
    _, ended, live = assemble(step, given, ShardKeys(given.id, 0)).arguments
    assert (ended[:1], live[:1]) == (b"\2", b"\0")
    assert delta.unpack(ended) == delta.unpack(live) == counts
    assert len(ended) < len(live)
