"""The step that applies a batch, whole when it is made: what `advance` is given is not changed any more."""

from __future__ import annotations

from dataclasses import replace

from ranker.consume.batch import Batch
from ranker.consume.session import Session
from ranker.core.step import Changes, Step, Version


async def build_step(
    session: Session, batch: Batch, changes: Changes, *, lineage: str | None, watermark_ms: int, gap_ms: int | None
) -> Step:
    """From the session's version to the batch's end. `changes` is its tally, routed at the session's floors.

    `lineage` is the new one if a new one begins, `gap_ms` reaches over what could not be read. `clock_ms` is how far
    these records bring T: the step's alone until it is applied, as another step that overtakes it must not claim them.
    """
    partial, version = batch.partial, session.version
    producers = session.producers.plan_update(partial.sequences, partial.last_seen_ms)
    step = replace(
        session.step(Version(lineage or version.lineage, batch.end, version.floors)),
        watermark_ms=max(session.watermark_ms, watermark_ms),
        changes=changes,
        counters=batch.counters() | {"untracked": producers.untracked},
        mark=partial.mark,
        gap_ms=gap_ms,
        producers=producers,
    )
    return await session.with_marks(step)
