"""Finding on producers: events of theirs that never came, and producers that send nothing any more."""

from __future__ import annotations

from typing import Any

from ranker.core.loss import Report
from ranker.core.times import HOUR_MS
from ranker.operate.findings import Finding, note, ok
from ranker.service.runbook import Section
from ranker.store import generations, producers
from ranker.store.errors import StoreUnavailableError

_SILENT_MS = HOUR_MS
_NAMED = 8


async def findings(client: Any) -> list[Finding]:
    """On the report of the active generation; nothing if none was written within a minute, or Redis is away."""
    try:
        active = await generations.read_active(client)
        report = None if active is None else await producers.read_report(client, active.generation)
    except StoreUnavailableError:
        return []
    return [] if report is None else judged(report)


def judged(report: Report) -> list[Finding]:
    """On a report of the consumer that has partition 0."""
    found = []
    if lossy := [f"{one.name} {one.missing:,}" for one in report.producers if one.missing]:
        text = f"events that producers sent and the log does not have: {_some(lossy)}"
        fix = "see the log of the producer: it was killed before Kafka acknowledged, or records were deleted"
        found.append(note("producers", Section.PRODUCERS, text, fix))
    silent = [
        f"{one.name} ({report.silent_ms(one) // 60_000:,} min)"
        for one in report.producers
        if report.silent_ms(one) > _SILENT_MS
    ]
    if silent:
        text = f"producers that sent within a day, and nothing for an hour: {_some(silent)}"
        found.append(note("producers", Section.PRODUCERS, text, "if they have not ended, see whether they run"))
    return found or [ok("producers", f"{len(report.producers)} of the last 24 h, no event of theirs is missing")]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
