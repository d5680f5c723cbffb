"""Findings on the generations beside the active one: what they take, and how far they are."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ranker.core.generation import Generation
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, note
from ranker.operate.generations import not_level
from ranker.service.runbook import Section
from ranker.store import generations, inventory
from ranker.store.errors import StoreForbidsError, StoreUnavailableError
from ranker.store.inventory import Shard

_MEASURING_S = 3.0
"""For all of them together: `ranker generations` takes as long as is necessary."""
_NAMED = 8


async def counted(client: Any, settings: Generation) -> list[Generation]:
    """The generations that somebody should count: that of the settings, and the active one if it is another."""
    try:
        active = await generations.read_active(client)
        known = None if active is None else await generations.configuration(client, active.generation)
    except StoreUnavailableError:
        known = None
    return [settings] if known is None or known.id == settings.id else [known, settings]


async def findings(client: Any, now_ms: Clock) -> list[Finding]:
    """On each registered generation that is not shown; nothing if Redis is away, which check_redis reports.

    If this user may not look at all of it, a note says so, after what it may.
    """
    found: list[Finding] = []
    try:
        active = await generations.read_active(client)
        others = [one for one in await generations.registered(client) if active is None or one != active.generation]
        if not others:
            return []
        shown = await inventory.shards_of(client, active.generation, range(active.partitions)) if active else []
        until_s = asyncio.get_running_loop().time() + _MEASURING_S
        for other in others[:_NAMED]:
            shards = [shard for shard in await inventory.shards(client, other) if not shard.dropped]
            size = await _size(client, other, shards, until_s)
            found.append(_judged(other, shards, shown, size, now_ms()))
        if len(others) > _NAMED:
            text = f"{len(others) - _NAMED} more generations are not shown"
            found.append(note("generation", Section.CHANGE_RULES, text, "`ranker generations` lists all"))
    except StoreForbidsError as error:
        text, _, fix = str(error).partition("; ")
        text = f"generations that are not shown could not be looked at: {text}"
        found.append(note("generation", Section.CHANGE_RULES, text, f"run this as the user operator ({fix})"))
    except StoreUnavailableError:
        return []
    return found


def _judged(name: str, shards: list[Shard], shown: list[Shard], size: str, now_ms: int) -> Finding:
    text = f"{name} is not shown: {len(shards)} shards, {size}"
    activate, drop = f"`ranker generations activate {name}`", f"`ranker generations drop {name}`"
    if not shards:
        return note("generation", Section.CHANGE_RULES, text, f"if nobody counts it, {drop}")
    if reasons := not_level(shards, shown, now_ms):
        text += f"; not level with what is shown: {', '.join(reasons[:3])}"
        fix = f"if it is being built, wait; if it is an old one, give its memory back with {drop}"
        return note("generation", Section.CHANGE_RULES, text, fix)
    fix = f"show it with {activate}, or give its memory back with {drop}"
    return note("generation", Section.CHANGE_RULES, f"{text}; level with what is shown", fix)


async def _size(client: Any, name: str, shards: list[Shard], until_s: float) -> str:
    known = await generations.configuration(client, name)
    sizes: list[int | None] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(until_s):
            for shard in shards if known is not None else []:
                assert known is not None
                sizes.append(await inventory.memory_bytes(client, known, shard.partition))
            sizes.append(await inventory.history_bytes(client, name))
            if None not in sizes:
                return f"{sum(size or 0 for size in sizes) / (1 << 20):,.1f} MiB"
    return "memory not measured (`ranker generations` does)"
