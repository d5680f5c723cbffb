"""Findings on what Redis holds: which generation is shown, and whether its partitions are level."""

from __future__ import annotations

from itertools import islice
from typing import Any

from ranker.core.watermark import age_ms
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, fault, note, ok
from ranker.service.runbook import Section
from ranker.store import generations, inventory
from ranker.store.errors import StoreUnavailableError

_PARTITIONS = 8
"""At most so many are named."""


def active(active: generations.Active | None, generation: str) -> list[Finding]:
    if active is None:
        return [ok("generation", f"none is active yet; {generation}, of these settings, may begin")]
    if active.generation == generation:
        return [ok("generation", f"{generation} is active, {active.partitions} partitions")]
    return [
        note(
            "generation",
            Section.CHANGE_RULES,
            f"{active.generation} is active, these settings make {generation}: readers show the active one",
            f"when its consumers have caught up, run `ranker generations activate {generation}`",
        )
    ]


async def begun(client: Any) -> str | None:
    """The active generation if one of its shards exists; None too if Redis is away."""
    try:
        active = await generations.read_active(client)
        marks = [] if active is None else await inventory.watermarks_ms(client, active.generation, active.partitions)
    except StoreUnavailableError:
        return None
    return None if active is None or set(marks) <= {None} else active.generation


async def findings(client: Any, now_ms: Clock, behind_ms: int) -> list[Finding]:
    """Partitions of the active generation whose T is more than `behind_ms` old: stopped, or catching up.

    A T that lies ahead is reported alone: clocks jumped, or this one is wrong. If all partitions are behind, that is a
    note only: they may catch up, and if nobody counts them, check_groups reports that.
    """
    try:
        active = await generations.read_active(client)
        marks = [] if active is None else await inventory.watermarks_ms(client, active.generation, active.partitions)
    except StoreUnavailableError:
        return []  # `redis` reports it
    now = now_ms()
    ahead_ms = max((-age_ms(now, ms) for ms in marks if ms is not None), default=0)
    if ahead_ms > 0:
        text = f"T of a partition lies {ahead_ms // 1000} s ahead of this machine's clock, so lists are not complete"
        return [
            fault("counting", Section.CLOCKS_DIFFER, text, "see that this clock is right, then /readyz of the consumer")
        ]
    behind = {partition: ms for partition, ms in enumerate(marks) if ms is None or now - ms > behind_ms}
    if not behind:
        return [ok("counting", f"{len(marks)} partitions are level")] if marks else []
    shown = [
        f"{partition} ({'not begun' if ms is None else f'{(now - ms) // 1000} s behind'})"
        for partition, ms in islice(behind.items(), _PARTITIONS)
    ]
    text = f"partition {', '.join(shown)}: stands still or catches up, so lists are not complete"
    if len(behind) > len(shown):
        text += f"; so do {len(behind) - len(shown)} more"
    finding = note if len(behind) == len(marks) else fault
    return [
        finding(
            "counting",
            Section.PARTITION_STOPPED,
            text,
            "see /readyz of its consumer; if none runs, start `ranker consume`",
        )
    ]
