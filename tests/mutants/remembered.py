"""What can be taken from the rules with memory: what chunks of a log miss at once, and what histories of processes miss."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_FOLD, _JUDGE, _MEMORY = "ranker.core.fold:Fold", "ranker.core.rules:Judge.outcome", "ranker.core.memory:Memory"
_BOT = "if A._bots and B: return BOT"
_INTERNAL = "if A._internal and B: return INTERNAL"
_READER = "f'{what}reader {event.repeat_key or event.visitor_id}'"


def _chunks(name: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, where, old, new, "chunks")


def _histories(name: str, where: str, old: str, new: str, *, long: bool = False) -> Mutant:
    return Mutant(name, where, old, new, "rules", long)


CHUNKS = (
    _chunks("no grace", f"{_MEMORY}._settles_ms", "A + B._grace_ms", "A"),
    _chunks("grace to the millisecond before", f"{_MEMORY}.keys_at", "A < B._latest_ms", "A <= B._latest_ms"),
    _chunks(
        "a live bucket is forgotten",
        f"{_MEMORY}.passed",
        "A._next_settles_ms < B",
        "A._next_settles_ms - A._per_ms < B",
    ),
    _chunks("what is settled is not forgotten", f"{_MEMORY}.passed", "A._next_settles_ms < B", "False"),
    _chunks(
        "forgotten and given up at the end of a chunk",
        f"{_FOLD}.__call__",
        "A.passed(B)",
        "A.passed(B) if record is last else setattr(A, '_latest_ms', max(A._latest_ms, B))",
    ),
    _chunks("settled events are looked at", f"{_MEMORY}.keys_at", "A < B._first or C", "False"),
    _chunks("what was given up begins anew", f"{_MEMORY}.keys_at", "A < B._first or C", "C"),
    _chunks("settled events are not counted as such", f"{_MEMORY}.keys_at", "A.settled += 1", "pass"),
    _chunks("one bucket for all", f"{_MEMORY}.keys_at", "A // B._per_ms", "0"),
    _chunks("the last bucket has no end", f"{_MEMORY}.keys_at", "A <= B < C", "A <= B"),
    _chunks("the last bucket has no beginning", f"{_MEMORY}.keys_at", "A <= B < C", "B < C"),
    _chunks("the last bucket outlives itself", f"{_MEMORY}._find_next", "A._last = B", "pass"),
    _chunks(
        "the time takes the future",
        f"{_FOLD}.__call__",
        "A.future += 1",
        "A.future += 1; memory.passed(event.occurred_at)",
    ),
    _chunks(
        "the time takes what is rejected",
        f"{_FOLD}.__call__",
        "if not A.value: ...",
        "if not A.value: return [memory.passed(A.occurred_at), self._reject(partial, record, 'value')][1]",
    ),
    _chunks("late events move no time", f"{_FOLD}.__call__", "A.late += 1", "A.late += 1; return None"),
    _chunks("the time goes back", f"{_MEMORY}.passed", "A > B._latest_ms", "True"),
    _chunks("the newest bucket is given up", f"{_MEMORY}.passed", "A = min(B)", "A = max(B)"),
    _chunks("the bound is not looked at", f"{_MEMORY}.passed", "A._unchecked < 0", "False"),
    _chunks("the bound itself is too much", f"{_MEMORY}.passed", "A.size > A._most", "A.size >= A._most"),
    _chunks("the bound is looked at too late", f"{_MEMORY}.passed", "A // _KEYS_OF_RECORD", "A"),
    _chunks("what is given up is not noted", f"{_MEMORY}.passed", "A._first = B", "pass"),
    _chunks("counting begins at the slice", "ranker.core.floors:first_append_of_ms", "A -= A % B", "pass"),
    _chunks("dropped keys stay", f"{_MEMORY}.drop_pending", "A.discard(B)", "None"),
    _chunks("dropped: what was forgotten stays so", f"{_MEMORY}.drop_pending", "A |= B", "pass"),
    _chunks("dropped: the time stays", f"{_MEMORY}.drop_pending", "A._latest_ms, A._first = B", "A._first = B[1]"),
    _chunks(
        "dropped: what was given up stays so",
        f"{_MEMORY}.drop_pending",
        "A._latest_ms, A._first = B",
        "A._latest_ms = B[0]",
    ),
    _chunks("dropped: nobody settles next", f"{_MEMORY}.drop_pending", "A._find_next()", "None"),
    _chunks("what is taken is not pending", f"{_MEMORY}.take_change", "A.extend(B)", "None"),
    _chunks("what is stored stays pending", f"{_MEMORY}.stored", "del A[: len(B) // KEY_BYTES]", "pass"),
    _chunks("what is stored is not noted", f"{_MEMORY}.stored", "A._stored = B", "pass"),
    _chunks("fresh keys of a forgotten bucket are not pending", f"{_MEMORY}._forget", "A.extend(B.fresh)", "None"),
    _chunks("a forgotten bucket stays in the store", f"{_MEMORY}._forget", "A.gone.append(B)", "None"),
    _chunks("a sent step that the store has is not held", f"{_MEMORY}.is_at", "A.stored(*B)", "None"),
    _chunks(
        "a sent step is held whether the store has it or not",
        f"{_MEMORY}.is_at",
        "A is not None and B",
        "A is not None",
    ),
    _chunks("a sent step has no change", f"{_MEMORY}.sent", "A._sent = B, C", "A._sent = None, C"),
    _chunks("merged: keys of what is gone", "ranker.core.memory:MemoryChange.add", "A.keys.pop(...)", "None"),
    _chunks("merged: what is gone", "ranker.core.memory:MemoryChange.add", "A.gone += B", "pass"),
    _chunks("merged: the earlier time", "ranker.core.memory:MemoryChange.add", "A.latest_ms, A.first = B", "pass"),
    _chunks("merged: settled", "ranker.core.memory:MemoryChange.add", "A.settled += B", "pass"),
    _chunks("merged: given up", "ranker.core.memory:MemoryChange.add", "A.given_up += B", "pass"),
    _chunks(
        "bots go before duplicates",
        _JUDGE,
        "keys = A",
        "if self._bots and event.agent_class == 'bot': return BOT\nkeys = A",
    ),
    _chunks(
        "repeats go before bots",
        _JUDGE,
        _BOT,
        f"if keys is not None and event.event_type in self._types and event.value == 1 and (event.repeat_key or "
        f"event.visitor_id) and not keys.add(xxh3_64_digest({_READER}.encode(), self._seed)): return REPEAT\nif A._bots and B: return BOT",
    ),
    _chunks(
        "a dropped event's id is not remembered",
        _JUDGE,
        _INTERNAL,
        "if A._internal and B:\n"
        "    if keys is not None and self._duplicate: keys.discard([keys.fresh.pop()])\n"
        "    return INTERNAL",
    ),
    _chunks(
        "a dropped event's reader is remembered",
        _JUDGE,
        _BOT,
        f"if A._bots and B: return [keys is not None and self._types and keys.add(xxh3_64_digest({_READER}.encode(), self._seed)), BOT][1]",
    ),
    _chunks("duplicates count", _JUDGE, "A._duplicate and B", "False"),
    _chunks("repeats count", _JUDGE, "A.event_type in B", "False"),
    _chunks("repeats of all types", _JUDGE, "A.event_type in B", "True"),
    _chunks("repeats of all values", _JUDGE, "A.value == 1", "True"),
    _chunks(
        "visitor_id goes before repeat_key", _JUDGE, "A.repeat_key or A.visitor_id", "A.visitor_id or A.repeat_key"
    ),
    _chunks("repeat_key alone", _JUDGE, "A.repeat_key or A.visitor_id", "A.repeat_key"),
    _chunks("the article is no part of a key", _JUDGE, "A.article_id", "''"),
)

_PROGRAM, _MEMORIES = "ranker.store.program", "ranker.consume.memories:Memories"

HISTORIES = (
    _histories("memory does not move with n", f"{_PROGRAM}:assemble", "A.memory or B", "B"),
    _histories("what rules go by does not move with n", f"{_PROGRAM}:_meta_fields", "A.memory is not None", "False"),
    _histories(
        "the first bucket is not stored",
        f"{_PROGRAM}:_meta_fields",
        "A += ('latest_ms', B, 'first', C)",
        "A += ('latest_ms', B)",
    ),
    _histories(
        "keys are lost between two pieces",
        f"{_PROGRAM}:assemble",
        "range(0, len(A), PIECE_KEYS * KEY_BYTES)",
        "range(0, len(A), PIECE_KEYS * KEY_BYTES + KEY_BYTES)",
    ),
    _histories("new buckets are in no index", f"{_PROGRAM}:assemble", "map(str, A.keys)", "()"),
    _histories("buckets that are gone stay in the index", f"{_PROGRAM}:assemble", "map(str, A.gone)", "()"),
    _histories("buckets that are gone stay", f"{_PROGRAM}:assemble", "[key(A.remembered(B)) for B in C]", "[]"),
    _histories("settled and given up are not counted", "ranker.consume.batch:Batch.counters", "A |= B", "pass"),
    _histories("what was refused stays in memory", f"{_MEMORIES}.load", "A.drop_pending()", "None"),
    _histories("kept at another version", f"{_MEMORY}.is_at", "A.at == B", "True"),
    _histories("what is held is loaded", f"{_MEMORIES}.load", "A in B and C", "A in B"),
    _histories(
        "a piece is loaded without its last key", f"{_MEMORIES}._read", "A.hold(B, C.pop())", "A.hold(B, C.pop()[:-8])"
    ),
    _histories("a loaded memory has no time", f"{_MEMORIES}._read", "A.latest_ms", "0"),
    _histories("a loaded memory has given up nothing", f"{_MEMORIES}._read", "A.first", "0"),
    _histories(
        "a batch has the first chunk's memory",
        "ranker.core.partial_counts:PartialCounts.add",
        "A.memory.add(...)",
        "None",
    ),
)
