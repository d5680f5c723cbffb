"""Makes minutes into moments: constants of the engine, smaller while a history runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from ranker.consume import batch, gate, loop, session, upkeep, worker
from ranker.core import fold, merge, retire, sequence_tracker, watermark
from ranker.recount import definition, recount
from ranker.store import program, shard
from tests.property.history import Drawn
from tests.property.sequences import SILENT_FULL_MS, SILENT_MS


@contextmanager
def small(drawn: Drawn, rng: random.Random) -> Iterator[None]:
    """Batches and retirements are cut at a few increments, slices are sealed and strays looked over all the time."""
    hurry = drawn.profile.hurry
    numbers = random.Random(rng.random())
    pieces = random.Random(drawn.generation.id)
    jitter = random.Random(rng.random())
    names = SimpleNamespace(token_hex=lambda size: f"{numbers.randrange(1 << 8 * size):0{2 * size}x}")
    seal_after_ms = rng.choice((0, 500, 4_000))
    wanted: list[tuple[Any, str, Any]] = [
        *((module, "MAX_COST", drawn.max_cost) for module in (batch, retire, upkeep)),
        (batch, "_BEHIND_RECORDS", rng.choice((3, 20_000))),
        (batch, "SMALL_SHARD", rng.choice((0, 6, 12_500))),
        *((module, "FUTURE_MS", drawn.future_ms) for module in (fold, gate, merge, definition, recount)),
        (batch, "MAX_KEYS", pieces.choice((2, 6, 262_144))),
        (program, "PIECE_KEYS", pieces.choice((1, 2, 1_024))),
        (shard, "_PIECES", pieces.choice((1, 2, 128))),
        *((module, "secrets", names) for module in (gate, upkeep)),
        (session, "random", jitter),
        *((module, "SEAL_AFTER_MS", seal_after_ms) for module in (session, upkeep)),
        (upkeep, "_SEAL_OPEN_DELTAS", rng.choice((2, 3, 64))),
        (upkeep, "_SEAL_AGAIN_DELTAS", rng.choice((2, 10))),
        (upkeep, "_SEAL_AGAIN_MS", rng.choice((1_000, 8_000))),
        (upkeep, "_SLICES_AT_ONCE", rng.choice((4, 8)) if hurry else rng.choice((1, 2, 32))),
        (worker, "_STRAYS_EVERY_TICKS", 1 if hurry else rng.choice((3, 7))),
        (sequence_tracker, "BLOCK", drawn.rules.bounds.block),
        (sequence_tracker, "KEPT", drawn.rules.bounds.kept),
        (sequence_tracker, "HEAD", drawn.rules.bounds.head),
        (sequence_tracker, "MAX_RUNS", drawn.rules.bounds.runs),
        (sequence_tracker, "INACTIVE_MS", SILENT_MS),
        (sequence_tracker, "INACTIVE_FULL_MS", SILENT_FULL_MS),
        (upkeep, "_FORGET_AT_ONCE", 2),
        (worker, "_FORGET_EVERY_TICKS", 3),
        (watermark, "STEADY_MS", 20_000),
        (worker, "_TICK_S", 0.3 if hurry else rng.choice((0.3, 1.0))),
        (loop, "_TICK_S", rng.choice((0.3, 1.0))),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in wanted]
    for module, name, value in wanted:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
