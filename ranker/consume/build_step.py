"""The step that applies a batch, complete when it is made: it is not changed before `advance`."""

from __future__ import annotations

from dataclasses import replace

from ranker.consume.batch import Batch
from ranker.consume.session import Session
from ranker.core.step import Changes, Step, Version


async def build_step(
    session: Session, batch: Batch, changes: Changes, *, lineage: str | None, watermark_ms: int, gap_ms: int | None
) -> Step:
    """From the session's version to the batch's end. `changes` are its counts, routed at the session's floors.

    `lineage` is set if a new one begins; `gap_ms` is the append time of the last record that could not be read.
    `watermark_ms` is the T that these records allow. The session takes it over only when the step was applied: a step
    that is sent before must not claim these records.
    """
    partial, version = batch.partial, session.version
    producers = session.producers.plan_update(partial.sequences, partial.last_seen_ms)
    watermark_ms = max(session.watermark_ms, watermark_ms)
    new = set(changes.slices) - session.live
    step = replace(
        session.step(Version(lineage or version.lineage, batch.end, version.floors)),
        watermark_ms=watermark_ms,
        changes=changes,
        sealed=frozenset(slice_id for slice_id in new if session.has_ended(slice_id, watermark_ms)),
        counters=batch.counters() | {"untracked": producers.untracked},
        mark=partial.mark,
        gap_ms=gap_ms,
        producers=producers,
        memory=partial.memory,
    )
    return await session.with_marks(step)
