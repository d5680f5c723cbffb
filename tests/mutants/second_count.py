"""What can be taken from the second count: each makes it differ from the shards of right logs."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_ONCE, _RECOUNT = "ranker.recount.once:Once", "ranker.recount.recount:Recount"
_CONTRACT, _DEFINITION = "ranker.recount.contract:Contract", "ranker.recount.definition"


_LATE = {
    "a live bucket is forgotten",
    "grace to the millisecond before",
    "late to the millisecond before",
    "the bound itself is too much",
}
"""These are found late."""


def _mutant(name: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, where, old, new, "versions", name in _LATE)


SECOND = (
    _mutant("no grace", f"{_ONCE}._settles_ms", "A + B._grace_ms", "A"),
    _mutant("grace to the millisecond before", f"{_ONCE}._live_bucket", "A < B.latest_ms", "A <= B.latest_ms"),
    _mutant("a live bucket is forgotten", f"{_ONCE}.passed", "A < occurred_ms", "A <= occurred_ms"),
    _mutant("what is settled is not forgotten", f"{_ONCE}.passed", "A < occurred_ms", "False"),
    _mutant("settled events are looked at", f"{_ONCE}._live_bucket", "A < B.first or C", "A < B.first"),
    _mutant("what was given up begins anew", f"{_ONCE}._live_bucket", "A < B.first or C", "C"),
    _mutant("one bucket for all", f"{_ONCE}._live_bucket", "A // B._per_ms", "0"),
    _mutant("the time goes back", f"{_ONCE}.passed", "A > B.latest_ms", "True"),
    _mutant(
        "the newest bucket is given up",
        f"{_ONCE}.passed",
        "A.first = min(B) + 1\nC._forget(min(B))",
        "A.first = max(B) + 1\nC._forget(max(B))",
    ),
    _mutant("the bound itself is too much", f"{_ONCE}.passed", "A._keys > A._max_keys", "A._keys >= A._max_keys"),
    _mutant("the bound is not looked at", f"{_ONCE}.passed", "A._keys > A._max_keys", "False"),
    _mutant("what is given up is not noted", f"{_ONCE}.passed", "A.first = B", "pass"),
    _mutant("what is forgotten still counts", f"{_ONCE}._forget", "A._keys -= B", "A._keys -= B - 1"),
    _mutant("duplicates count", f"{_ONCE}.outcome", "'duplicate' in A", "False"),
    _mutant("duplicates without the rule", f"{_ONCE}.outcome", "'duplicate' in A", "True"),
    _mutant("bots count", f"{_ONCE}.outcome", "A.agent_class in ('bot', 'internal')", "A.agent_class == 'internal'"),
    _mutant("internal counts", f"{_ONCE}.outcome", "A.agent_class in ('bot', 'internal')", "A.agent_class == 'bot'"),
    _mutant("dropped without the rule", f"{_ONCE}.outcome", "A.agent_class in B._drops", "True"),
    _mutant("repeats count", f"{_ONCE}.outcome", "A.event_type in B", "False"),
    _mutant("repeats of all types", f"{_ONCE}.outcome", "A.event_type in B", "True"),
    _mutant("repeats of all values", f"{_ONCE}.outcome", "A.value == 1", "True"),
    _mutant("the article is no part of a key", f"{_ONCE}.outcome", "A.article", "''"),
    _mutant("ids and readers are one", f"{_ONCE}.outcome", "f'{A}reader {event.reader}'", "f'{A}event {event.reader}'"),
    _mutant("keys of the store without seed", f"{_ONCE}._add", "xxh3_64_digest(A, B)", "xxh3_64_digest(A)"),
    _mutant(
        "visitor_id goes before repeat_key",
        "ranker.recount.contract:_made",
        "key or visitor or ''",
        "visitor or key or ''",
    ),
    _mutant("a value of zero is an event", f"{_CONTRACT}._allowed", "not A.value", "False"),
    _mutant("late events count", f"{_RECOUNT}.feed", "not A", "True"),
    _mutant("future on the boundary", f"{_RECOUNT}.feed", "A > append_ms + FUTURE_MS", "A >= append_ms + FUTURE_MS"),
    _mutant("no append time is one", f"{_RECOUNT}.feed", "A if FIRST_MS <= B <= LAST_MS else None", "A"),
    _mutant("late by the fine grain", f"{_RECOUNT}._is_late", "A.windows[-1]", "A.windows[0]"),
    _mutant("late to the millisecond before", f"{_RECOUNT}._is_late", "A < append_ms - B", "A <= append_ms - B"),
    _mutant("records beyond a slice's n", f"{_RECOUNT}._count", "piece is not None and B", "piece is not None"),
    _mutant("records beyond a list's n", f"{_RECOUNT}._count", "total is not None and B", "total is not None"),
    _mutant("records beyond the index' n", f"{_RECOUNT}._count", "offset < index.at.n", "True"),
    _mutant("weights are one", f"{_RECOUNT}._count", "A * value", "value"),
    _mutant("fine counts in their own window alone", f"{_RECOUNT}._count", "range(A, B)", "range(A, A + 1)"),
    _mutant("lanes are not looked at", f"{_RECOUNT}._place", "A <= 0 or B", "A <= 0"),
    _mutant("all lanes of a floor's slice", f"{_RECOUNT}._place", "A <= 0 or B", "A < lanes"),
    _mutant("a lane that has gone", f"{_RECOUNT}._place", "A >= B", "A > B"),
    Mutant("dead counts of a slice", f"{_RECOUNT}.differences", "A >= B", "True", "lanes"),
    _mutant("remembered after the next record", f"{_RECOUNT}.feed", "A <= offset", "A < offset"),
    _mutant("what was cut is known", f"{_RECOUNT}.log_is_cut", "A, B = C", "pass"),
    _mutant("a cut bucket is known", f"{_RECOUNT}.feed", "A, B._known_ms = C", "A, B._known_ms = False, append_ms"),
    _mutant("windows that were cut are known", f"{_RECOUNT}._unknown_windows", "A < B._known_ms", "False"),
    _mutant("slices that were cut are known", f"{_RECOUNT}.is_unknown", "A * B < C", "False"),
    _mutant("buckets that were cut are known", f"{_RECOUNT}.is_unknown", "A < B._first_known_bucket(...)", "False"),
    _mutant("reading begins at the slice", f"{_DEFINITION}:begins_ms", "A - A % B - FUTURE_MS", "A - FUTURE_MS"),
    _mutant("reading begins without what lies ahead", f"{_DEFINITION}:begins_ms", "A - FUTURE_MS", "A"),
)

QUICK = {
    "memory does not move with n",
    "keys are lost between two pieces",
    "a loaded memory has no time",
    "retiring is done twice",
    "sealing drops a delta",
    "a fine count feeds its own window alone",
    "strays are not marked",
    "future counts on the boundary",
    "late by the fine grain",
    "no grace",
    "duplicates count",
    "the newest bucket is given up",
}
"""Mutants of the engine that the second count finds at once."""

_SEQUENCES = "marks of producers' sequences, which are compared with producers and not with the log"
_TIME = "T alone: counts at floors that are too high or too low are still those of the log at these floors"
_WORDS = "counters and words about what was lost, late or rejected"
_SAFETY = "no state is wrong by itself: it takes longer, never ends, or has the lineage of another"
_LEFT = "what is left behind and named nowhere"
_NONE = "a zero that stands for none, in a list or a sum: no reader shows it"
_FAILS = "the engine fails before it stores anything"
_SELDOM = "so seldom in a history that twelve did not show it; the hunt that is its own does"
NOT_COUNTED = {
    "dropped: what was forgotten stays so": _SELDOM,
    "a sent step that the store has is not held": _SELDOM,
    "a sent step is held whether the store has it or not": _SELDOM,
    "a sent step has no change": _SELDOM,
    "merged: keys of what is gone": _SELDOM,
    "lanes of the floor's slice are not looked at": _SELDOM,
    "the gate does not seek": _SELDOM,
    "no seek after a failed poll": _SELDOM,
    "init: timestamps before the end": _SELDOM,
    "gap: the same lineage": _SAFETY,
    "the lineage does not move": _SAFETY,
    "deletions do nothing": _LEFT,
    "totals of zero stay": _NONE,
    "sums of zero stay": _NONE,
    "what is taken is not pending": _FAILS,
    "sequences are taken over before they are applied": _SEQUENCES,
    "sequences are not taken over": _SEQUENCES,
    "a run is forgotten within its lineage": _SEQUENCES,
    "a run is forgotten while it is heard": _SEQUENCES,
    "what is too old came again": _SEQUENCES,
    "bitmaps that are too old stay": _SEQUENCES,
    "T is the time of the answer": _TIME,
    "T does not wait for what is read": _TIME,
    "T is the append time, without tolerance": _TIME,
    "T is the faster of two clocks": _TIME,
    "the clock is not monotone": _TIME,
    "the clock moves before its batch": _TIME,
    "the floors follow the wall clock": _TIME,
    "complete whatever the floors": _WORDS,
    "init: no gap at the log's start": _WORDS,
    "gap: lists say nothing": _WORDS,
    "gap: lost records are not counted": _WORDS,
    "counters are not added": _WORDS,
    "dead letters are not written": _WORDS,
    "a batch forgets its counters": _WORDS,
    "settled and given up are not counted": _WORDS,
    "settled events are not counted as such": _WORDS,
    "merged: settled": _WORDS,
    "merged: given up": _WORDS,
    "refused for good": _SAFETY,
    "what is held is loaded": _SAFETY,
    "buckets that are gone stay": _LEFT,
}
"""What the second count does not find, or not within the time of a test, and why: other tests do."""
