"""Findings on periods: whether the topic keeps its records until a day or week can be made, and whether it was."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ranker.core.best_of import Key
from ranker.core.generation import Generation
from ranker.core.periods import Calendar
from ranker.core.times import DAY_MS, HOUR_MS
from ranker.log.admin import TopicState
from ranker.operate.findings import Finding, fault, note, ok
from ranker.operate.topics import RETENTION, period_ms
from ranker.service.runbook import Section
from ranker.store.errors import StoreUnavailableError
from ranker.store.keys import BEST_OF
from ranker.store.topic_copy import read_keys

_LATE_MS = 3 * HOUR_MS
"""A timer runs `ranker freeze` twice an hour, at :12 and :42 (deploy/systemd); one run may take long."""
_NAMED = 8


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


async def documents(client: Any, sites: Mapping[str, Calendar], now_ms: int) -> list[Finding]:
    """The latest period of each site and kind that could have been made for `_LATE_MS` and has no document here.

    Redis has what consumers have copied of the topic; nothing if it is away, which check_redis reports.
    """
    try:
        keys = [Key.parse(raw.decode()) for raw in await read_keys(client, BEST_OF)] if sites else []
    except (StoreUnavailableError, ValueError):
        return []
    there = {(key.site, key.kind, key.first) for key in keys}
    missing = [
        f"{site} {kind} {period.first}"
        for site, calendar in sites.items()
        for kind in calendar.kinds
        if (site, kind, (period := next(calendar.latest(kind, now_ms - _LATE_MS))).first) not in there
    ]
    if not missing:
        return [ok("periods", "every site has the document of its latest period")] if sites else []
    text = f"no document of {', '.join(missing[:_NAMED])}"
    text += f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    fix = "run `ranker freeze`, and see that its timer runs it; it says what the log no longer has"
    return [note("periods", Section.PERIODS_MISSING, text, fix)]
