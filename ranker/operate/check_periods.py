"""Finding on periods: whether the topic keeps its records until a day or week can be made."""

from __future__ import annotations

from collections.abc import Collection

from ranker.core.generation import Generation
from ranker.core.periods import Calendar
from ranker.core.times import DAY_MS
from ranker.log.admin import TopicState
from ranker.operate.findings import Finding, fault, ok
from ranker.operate.topics import RETENTION, period_ms
from ranker.service.runbook import Section


def retention(generation: Generation, state: TopicState, calendars: Collection[Calendar]) -> list[Finding]:
    """Nothing if no site has a calendar. A topic without a retention by time keeps its records for ever."""
    if not calendars:
        return []
    longest = max(calendars, key=lambda calendar: calendar.longest_ms())
    needs_ms, keeps_ms = period_ms(generation, longest), int(state.config.get(RETENTION) or -1)
    kind = "week" if "week" in longest.kinds else "day"
    if 0 <= keeps_ms < needs_ms:
        text = f"topic {state.name} keeps records for {keeps_ms / DAY_MS:.1f} days, and a {kind} with close_after_s = "
        text += f"{longest.close_after_ms // 1000} is made from records that are up to {needs_ms / DAY_MS:.1f} days old"
        return [
            fault(
                "periods",
                Section.PERIODS_MISSING,
                text,
                f"have it keep them for longer ({RETENTION}={needs_ms} or more)",
            )
        ]
    return [ok("periods", f"records are kept until a {kind} is made")]
