"""The mutants: what each takes away from the product, as one replacement in a function or in the script."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Mutant:
    """`where` is module:function, with Python to find and to put there (mutate.py); or "advance.lua", with text."""

    name: str
    where: str
    old: str
    new: str
    hunt: str = "wild"
    """The profile of the histories that find it soonest."""
    long: bool = False
    """It is found late: make test-long hunts for it. That it still has its place, make test looks (test_mutate.py)."""

    @property
    def in_lua(self) -> bool:
        return self.where == "advance.lua"


_IS = "return stored[1] == version[1] and stored[2] == version[2] and stored[3] == version[3] end"
_LUA = (
    Mutant(
        "n is not compared",
        "advance.lua",
        "if not is(from) then",
        "if not (stored[1] == from[1] and stored[3] == from[3]) then",
    ),
    Mutant(
        "F is not compared",
        "advance.lua",
        "if not is(from) then",
        "if not (stored[1] == from[1] and stored[2] == from[2]) then",
    ),
    Mutant(
        "lineage is not compared",
        "advance.lua",
        _IS,
        "return stored[2] == version[2] and stored[3] == version[3] end",
        hunt="gaps",
        long=True,
    ),
    Mutant(
        "seals are not checked",
        "advance.lua",
        "if not is(from) then",
        "if #program.put > 0 then to = {stored[1], stored[2], stored[3]} elseif not is(from) then",
        long=True,
    ),
    Mutant("totals below zero are removed", "advance.lua", "if total == 0 then", "if total <= 0 then"),
    Mutant("totals of zero stay", "advance.lua", "if total == 0 then", "if false then"),
    Mutant("increments begin at zero", "advance.lua", "(totals[i - first + 1] or 0)", "0"),
    Mutant("sums of zero stay", "advance.lua", "call('HDEL', key, fields[i])", "local _ = nil"),
    Mutant(
        "the clock is not monotone",
        "advance.lua",
        "if tonumber(clock) < tonumber(stored[4]) then clock = stored[4] end",
        "",
        long=True,
    ),
    Mutant("the floors do not move", "advance.lua", "'floors', to[3], ", ""),
    Mutant("the lineage does not move", "advance.lua", "'lineage', to[1], ", "", hunt="gaps"),
    Mutant("deletions do nothing", "advance.lua", "call('DEL', KEYS[key]) end", "local _ = key end"),
    Mutant("a sealed slice keeps its deltas", "advance.lua", "  call('DEL', key)\n", ""),
    Mutant("counters are not added", "advance.lua", "call('HINCRBY', meta, add[i], add[i + 1])", "local _ = nil"),
    Mutant("bitmaps that are too old stay", "advance.lua", ", HDEL = program.hdel}", "}"),
)

_PYTHON = (
    Mutant(
        "sequences are taken over before they are applied",
        "ranker.consume.build_step:build_step",
        "A.producers.plan_update(...)",
        "(lambda change: A.producers.apply(change) or change)(A.producers.plan_update(...))",
        hunt="floors",
        long=True,
    ),
    Mutant("sequences are not taken over", "ranker.consume.session:Session._take_over", "A.apply(...)", "None"),
    Mutant(
        "a run is forgotten within its lineage",
        "ranker.consume.upkeep:Upkeep.forget_inactive",
        "_step_to_new_lineage(A)",
        "A.step()",
    ),
    Mutant(
        "a run is forgotten while it is heard",
        "ranker.core.sequence_tracker:SequenceTracker.inactive",
        "max(A.last_ms, ...) < B",
        "A.last_ms <= watermark_ms",
    ),
    Mutant(
        "what is too old came again",
        "ranker.core.sequence_tracker:Run._late",
        "A.distinct += 1; A._add_to_head(...)",
        "A.repeats += 1",
    ),
    Mutant("the gate does not seek", "ranker.consume.gate:Gate.open", "A.seek(...)", "None", long=True),
    Mutant(
        "a chunk may start anywhere",
        "ranker.consume.worker:Worker.take",
        "begin != A",
        "False",
        "partitions",
        long=True,
    ),
    Mutant(
        "no seek after a failed poll",
        "ranker.consume.loop:Consumer._after_failed_poll",
        "A.seek_expected()",
        "None",
        long=True,
    ),
    Mutant(
        "floors refused: the old changes again",
        "ranker.consume.worker:Worker._apply",
        "A = B.changes(...)",
        "try: A\nexcept UnboundLocalError: A = B.changes(...)",
        hunt="floors",
        long=True,
    ),
    Mutant(
        "retiring is done twice",
        "ranker.core.retire:Retirement._leave",
        "A.count(...)",
        "[A.count(...), A.count(...)]",
    ),
    Mutant(
        "what retires is lost to the coarse tier",
        "ranker.core.retire:Retirement._leave",
        "A + 1 < len(B)",
        "A + 2 < len(B)",
    ),
    Mutant(
        "coarse before fine",
        "ranker.core.retire:tier_due",
        "enumerate(...)",
        "reversed(list(enumerate(...)))",
        hunt="floors",
        long=True,
    ),
    Mutant(
        "lanes that have gone leave again",
        "ranker.core.retire:Retirement._by_lane",
        "A >= B",
        "True",
        "lanes",
        long=True,
    ),
    Mutant(
        "a slice goes with its first lane",
        "ranker.core.retire:Retirement.plan",
        "A._by_lane(B[C], ...)",
        "[deletes.append(C), A._by_lane(B[C], ...)][1]",
    ),
    Mutant("sealing drops a delta", "ranker.consume.upkeep:_sealed", "delta.total(A)", "delta.total(A[1:])"),
    Mutant(
        "what is retired is read at another version",
        "ranker.consume.upkeep:Upkeep.retire",
        "A != B.version",
        "setattr(B, 'version', A or B.version)",
        long=True,
    ),
    Mutant(
        "T is the time of the answer",
        "ranker.consume.loop:Consumer._look_at_ends",
        "A.seen_end(B, C)",
        "A.seen_end(self._clocks.wall_ms(), C)",
        hunt="partitions",
        long=True,
    ),
    Mutant("T does not wait for what is read", "ranker.consume.worker:Worker.seen_end", "A >= max(...)", "True"),
    Mutant(
        "T is the append time, without tolerance", "ranker.core.watermark:behind_ms", "A - TOLERANCE_MS", "A", "floors"
    ),
    Mutant("T is the faster of two clocks", "ranker.core.watermark:wall_ms", "min(...)", "max(...)", long=True),
    Mutant(
        "the floors follow the wall clock",
        "ranker.consume.upkeep:Upkeep.run",
        "A.retire(B, C)",
        "A.retire(B, wall_ms)",
    ),
    Mutant(
        "the clock moves before its batch",
        "ranker.consume.worker:Worker._apply",
        "A.changes(B, C.version.floors)",
        "[setattr(C, 'watermark_ms', max(C.watermark_ms, watermark_ms)), A.changes(B, C.version.floors)][1]",
        hunt="memory",
    ),
    Mutant("the floor of the fine window is not looked at", "ranker.core.route:Router._split", "A * B >= C", "True"),
    Mutant(
        "lanes of the floor's slice are not looked at",
        "ranker.core.route:Router._split",
        "lane(...) >= A",
        "True",
        hunt="lanes",
        long=True,
    ),
    Mutant(
        "a fine count feeds its own window alone", "ranker.core.route:Router.route", "range(A, B)", "range(A, A + 1)"
    ),
    Mutant("weights are one", "ranker.core.route:_increase", "A == 1", "A"),
    Mutant(
        "init: the first record of the window alone", "ranker.core.floors:first_append_of_ms", "A - B", "A", long=True
    ),
    Mutant(
        "init: timestamps before the end",
        "ranker.consume.gate:Gate._begin",
        "A if B is None else B",
        "(await self._log.ends([self._partition]))[self._partition] if B is None else B",
        hunt="gaps",
        long=True,
    ),
    Mutant(
        "init: no gap at the log's start",
        "ranker.consume.gate:Gate._begin",
        "A is None or A.offset >= B",
        "False",
        hunt="gaps",
    ),
    Mutant(
        "gap: the same lineage",
        "ranker.consume.gate:Gate._step_over_gap",
        "Version(A, B, C.floors)",
        "Version(C.lineage, B, C.floors)",
        hunt="gaps",
    ),
    Mutant(
        "gap: lists say nothing",
        "ranker.consume.gate:Gate._step_over_gap",
        "_gap_ms(...)",
        "None",
        long=True,
    ),
    Mutant("gap: lost records are not counted", "ranker.consume.gate:Gate._step_over_gap", "{'lost': A}", "{}", "gaps"),
    Mutant("strays are not marked", "ranker.consume.session:Session.with_marks", "await A.strays_among(B)", "set()"),
    Mutant(
        "strays: what retires is not marked",
        "ranker.consume.upkeep:Upkeep.retire",
        "await A.with_marks(B)",
        "B",
        hunt="partitions",
    ),
    Mutant("strays: retiring does not look", "ranker.core.step:Changes.touched", "A.appends.values()", "()"),
    Mutant(
        "strays: no claim for another P",
        "ranker.consume.gate:Gate.open",
        "await A._claim_strays(...)",
        "None",
        hunt="partitions",
    ),
    Mutant("late by the fine grain", "ranker.core.fold:Fold.__init__", "A.longest.grain_ms", "A.windows[0].grain_ms"),
    Mutant(
        "future counts on the boundary",
        "ranker.core.fold:Fold.__call__",
        "A > B + FUTURE_MS",
        "A >= B + FUTURE_MS",
    ),
    Mutant("dead letters are not written", "ranker.consume.worker:Worker._apply", "await A.write(...)", "None"),
    Mutant("a batch forgets its counters", "ranker.core.partial_counts:PartialCounts.add", "A.late += B", "pass"),
    Mutant(
        "refused for good",
        "ranker.consume.worker:Worker._tick",
        "await A._memory_again(...)",
        "None",
        hunt="memory",
        long=True,
    ),
    Mutant("complete whatever the floors", "ranker.core.merge:span", "A + FUTURE_MS >= B", "False", "gaps"),
)

MUTANTS = _LUA + _PYTHON


def hunted(mutants: Iterable[Mutant]) -> list[Any]:
    """The parameters of a test that hunts for them."""
    return [pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.long else []) for one in mutants]
