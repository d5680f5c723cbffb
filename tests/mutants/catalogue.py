"""The mutants: what each takes away from the product, as one replacement in its text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`where` is a module, or "advance.lua", which needs a real Redis."""

    name: str
    where: str
    old: str
    new: str
    hunt: str = "wild"
    """The profile of the histories that find it soonest."""

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
    ),
    Mutant(
        "seals are not checked",
        "advance.lua",
        "if not is(from) then",
        "if #program.put > 0 then to = {stored[1], stored[2], stored[3]} elseif not is(from) then",
    ),
    Mutant("totals below zero are removed", "advance.lua", "if total == 0 then", "if total <= 0 then"),
    Mutant("totals of zero stay", "advance.lua", "if total == 0 then", "if false then"),
    Mutant("increments begin at zero", "advance.lua", "(tonumber(totals[i - first + 1]) or 0)", "0"),
    Mutant("sums of zero stay", "advance.lua", "call('HDEL', key, fields[i])", "local _ = nil"),
    Mutant(
        "the clock is not monotone",
        "advance.lua",
        "if tonumber(clock) < tonumber(stored[4]) then clock = stored[4] end",
        "",
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
        "sightings are taken over before they are applied",
        "ranker.consume.worker",
        "            step.counters = {\n",
        "            session.producers.take(step.producers)\n            step.counters = {\n",
        hunt="floors",
    ),
    Mutant(
        "sightings are not taken over",
        "ranker.consume.session",
        "            self.producers.take(step.producers)\n",
        "            pass\n",
    ),
    Mutant(
        "a run is forgotten within its lineage",
        "ranker.consume.upkeep",
        "            step = _renewing(session)\n            step.producers",
        "            step = session.step()\n            step.producers",
    ),
    Mutant(
        "a run is forgotten while it is heard",
        "ranker.core.sightings",
        "if max(run.last_ms, other.get(name, 0)) < limit]",
        "if run.last_ms <= clock_ms]",
    ),
    Mutant(
        "what is too old came again",
        "ranker.core.sightings",
        "            self.distinct += 1\n            self._add_to_head(block, 1)\n",
        "            self.repeats += 1\n",
    ),
    Mutant(
        "the gate does not seek", "ranker.consume.gate", "self._log.seek(self._partition, session.version.n)", "pass"
    ),
    Mutant(
        "a chunk may start anywhere",
        "ranker.consume.worker",
        "if chunk.start != self._expected:",
        "if False:",
        hunt="partitions",
    ),
    Mutant(
        "no seek after a failed poll",
        "ranker.consume.loop",
        "                worker.seek_expected()\n",
        "                pass\n",
    ),
    Mutant(
        "floors refused: the old changes again",
        "ranker.consume.worker",
        "changes = self._router.route(tally.counts, session.version.floors)",
        "changes = locals().get('changes') or self._router.route(tally.counts, session.version.floors)",
        hunt="floors",
    ),
    Mutant(
        "retiring is done twice",
        "ranker.core.retire",
        "            self._router.count(changes, range(tier, tier + 1), site, outcome, negative)\n",
        "            self._router.count(changes, range(tier, tier + 1), site, outcome, negative)\n"
        "            self._router.count(changes, range(tier, tier + 1), site, outcome, negative)\n",
    ),
    Mutant(
        "what retires is lost to the coarse tier",
        "ranker.core.retire",
        "if tier + 1 < len(self._windows):",
        "if tier + 2 < len(self._windows):",
    ),
    Mutant(
        "coarse before fine",
        "ranker.core.retire",
        "enumerate(zip(floors, target, strict=True)):",
        "reversed(list(enumerate(zip(floors, target, strict=True)))):",
        hunt="floors",
    ),
    Mutant(
        "lanes that have gone leave again", "ranker.core.retire", "if number >= first_lane:", "if True:", hunt="lanes"
    ),
    Mutant(
        "a slice goes with its first lane",
        "ranker.core.retire",
        "            lanes = self._by_lane(",
        "            deletes.append(slice_id)\n            lanes = self._by_lane(",
    ),
    Mutant(
        "sealing drops a delta",
        "ranker.consume.upkeep",
        "delta.seal(delta.total(deltas))",
        "delta.seal(delta.total(deltas[1:]))",
    ),
    Mutant(
        "what is retired is read at another version",
        "ranker.consume.upkeep",
        "            if version != session.version:\n",
        "            session.version = version or session.version\n            if False:\n",
    ),
    Mutant(
        "T is the time of the answer",
        "ranker.consume.loop",
        "self._workers[partition].seen_end(asked_ms, end)",
        "self._workers[partition].seen_end(self._clocks.wall_ms(), end)",
        hunt="partitions",
    ),
    Mutant("T does not wait for what is read", "ranker.consume.worker", "elif n >= max(end, self._expected):", "else:"),
    Mutant(
        "T is the append time, without tolerance",
        "ranker.core.clock",
        "return min(append_ms - TOLERANCE_MS, wall)",
        "return min(append_ms, wall)",
        hunt="floors",
    ),
    Mutant(
        "T is the faster of two clocks",
        "ranker.core.clock",
        "return min(process_ms, store_ms)",
        "return max(process_ms, store_ms)",
    ),
    Mutant(
        "the floors follow the wall clock",
        "ranker.consume.upkeep",
        "await self.retire(session, session.clock_ms)",
        "await self.retire(session, wall_ms)",
    ),
    Mutant(
        "the clock moves before its batch",
        "ranker.consume.worker",
        "        while True:\n            changes",
        "        session.clock_ms = max(session.clock_ms, clock_ms)\n        while True:\n            changes",
        hunt="memory",
    ),
    Mutant(
        "the floor of the fine window is not looked at",
        "ranker.core.route",
        "if slice_ * self._lanes >= floor:",
        "if True:",
    ),
    Mutant(
        "lanes of the floor's slice are not looked at",
        "ranker.core.route",
        "if lane(article, self._lanes) >= first_lane",
        "if True",
        hunt="lanes",
    ),
    Mutant(
        "a fine count feeds its own window alone",
        "ranker.core.route",
        "range(tier, self._tiers)",
        "range(tier, tier + 1)",
    ),
    Mutant(
        "weights are one",
        "ranker.core.route",
        "weighed = articles if weight == 1 else",
        "weighed = articles if weight else",
    ),
    Mutant(
        "init: the first record of the window alone", "ranker.core.floors", "return oldest - future_ms", "return oldest"
    ),
    Mutant(
        "init: timestamps before the end",
        "ranker.consume.gate",
        "n0 = end if found is None else found",
        "n0 = (await self._log.ends([self._partition]))[self._partition] if found is None else found",
        hunt="gaps",
    ),
    Mutant(
        "init: no gap at the log's start",
        "ranker.consume.gate",
        "if oldest is None or oldest.offset >= n0:",
        "if False:",
        hunt="gaps",
    ),
    Mutant(
        "gap: the same lineage",
        "ranker.consume.gate",
        "step = session.step(Version(secrets.token_hex(8), beginning, session.version.floors))",
        "step = session.step(Version(session.version.lineage, beginning, session.version.floors))",
        hunt="gaps",
    ),
    Mutant("gap: lists say nothing", "ranker.consume.gate", "step.gap_ms = ", "_ = "),
    Mutant(
        "gap: lost records are not counted",
        "ranker.consume.gate",
        'step.counters = {"lost": beginning - n}',
        "pass",
        hunt="gaps",
    ),
    Mutant("strays are not marked", "ranker.consume.session", "step.strays |= self._strays_among(touched)", "pass"),
    Mutant(
        "strays: retiring does not look",
        "ranker.core.step",
        "        for counts in self.appends.values():\n",
        "        for counts in ():\n",
    ),
    Mutant(
        "strays: no claim for another P",
        "ranker.consume.gate",
        "await self._claim_strays(session)",
        "pass",
        hunt="partitions",
    ),
    Mutant(
        "late by the fine grain",
        "ranker.core.fold",
        "self._late_grain_ms = generation.longest.grain_ms",
        "self._late_grain_ms = generation.windows[0].grain_ms",
    ),
    Mutant(
        "future counts on the boundary",
        "ranker.core.fold",
        "elif event.occurred_at > record.timestamp + FUTURE_MS:",
        "elif event.occurred_at >= record.timestamp + FUTURE_MS:",
    ),
    Mutant(
        "dead letters are not written",
        "ranker.consume.worker",
        "await self._dead_letters.write(self.partition, tally.rejected)",
        "pass",
    ),
    Mutant("a batch forgets its counters", "ranker.core.tally", "self.late += other.late", "pass"),
    Mutant(
        "refused for good",
        "ranker.consume.worker",
        "            if session.refused:\n                await self._memory_again(session)\n",
        "",
        hunt="memory",
    ),
    Mutant(
        "complete whatever the floors",
        "ranker.core.merge",
        "not any(clock.gap_ms is not None and clock.gap_ms + FUTURE_MS >= from_ms for clock in clocks)",
        "True",
        hunt="gaps",
    ),
)

MUTANTS = _LUA + _PYTHON
