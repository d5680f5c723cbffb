"""Findings on Redis: whether it would keep and take counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ranker.operate import check_counting
from ranker.operate.clocks import CLOCKS_APART_MS, TIME_SERVICE, Clock
from ranker.operate.findings import Finding, fault, note, ok
from ranker.service.runbook import Section
from ranker.store import generations, redis_info
from ranker.store.errors import StoreUnavailableError

OLDEST_REDIS = (7, 0)


async def findings(client: Any, url: str, generation: str, now_ms: Clock) -> list[Finding]:
    """Findings on Redis: version, eviction policy, role, clock, and what is active. `url` is shown: mask it before."""
    found: list[Finding] = []
    try:
        for one in await redis_info.servers(client, now_ms):
            found += server(one)
        found += check_counting.active(await generations.read_active(client), generation)
    except StoreUnavailableError as error:
        what, _, fix = str(error).partition("; ")
        found.append(
            fault(
                "Redis", Section.REDIS_LOST, f"{url}: {what}", fix or "start it, or set RANKER_REDIS_URL to where it is"
            )
        )
    return found


async def unfit(client: Any, now_ms: Clock, noted: Callable[[str], object] | None = None) -> list[str]:
    """Why this Redis would lose or refuse counts, as sentences with the fix: the consumer's check before it counts.

    What it does not tell goes to `noted`. Raises StoreUnavailableError if it does not answer: the consumer waits for
    it. Clocks that differ are left out, since the consumer measures them all the time.
    """
    found = [finding for one in await redis_info.servers(client, now_ms) for finding in server(one)]
    for one in found:
        if noted is not None and one.kind == "note" and one.fix:
            noted(f"{one.text}; {one.fix}")
    return [f"{one.text}; {one.fix}" for one in found if one.kind == "fault" and one.subject == "Redis"]


def server(one: redis_info.Server) -> list[Finding]:
    named = f"{one.product} {'.'.join(map(str, one.version))}".rstrip() + (f" at {one.name}" if one.name else "")
    found: list[Finding] = []
    if one.product == "Redis" and one.version and (*one.version, 0) < OLDEST_REDIS:
        found.append(fault("Redis", Section.REDIS_LOST, f"{named} is too old", "run Redis 7.0 or later, or Valkey"))
    elif "EVAL" in one.withheld:
        text = f"{named} does not run our scripts ({one.withheld['EVAL']}), and counts change by them alone"
        rights = "allow this user what it needs (ACL SETUSER … +@read +@write +eval +evalsha +info +time)"
        found.append(fault("Redis", Section.REDIS_LOST, text, f"run Redis 7.0 or later, or Valkey; or {rights}"))
    if not one.policy:
        found.append(
            note(
                "Redis",
                Section.REDIS_FULL,
                f"{named} does not show its maxmemory-policy{_why(one, 'INFO', 'CONFIG')}",
                "see to it that this is noeviction, or counts are thrown away when its memory is full",
            )
        )
    elif one.policy != "noeviction":
        found.append(
            fault(
                "Redis",
                Section.REDIS_FULL,
                f"{named} has maxmemory-policy {one.policy}: it would throw counts away",
                "set maxmemory-policy noeviction in its configuration",
            )
        )
    if not one.version and "EVAL" not in one.withheld:
        found.append(
            note(
                "Redis",
                Section.REDIS_LOST,
                f"{named} does not show its version{_why(one, 'INFO')}, but runs our scripts",
                "see to it that it is Redis 7.0 or later, or a product that promises the same",
            )
        )
    if one.loading:
        found.append(note("Redis", Section.REDIS_LOST, f"{named} is still loading its data"))
    if one.clock_ahead_ms is None:
        found.append(
            note(
                "clocks",
                Section.CLOCKS_DIFFER,
                f"{named} does not show its time{_why(one, 'TIME')}: lists follow the consumers' clocks alone",
                f"allow TIME, or on every machine of theirs {TIME_SERVICE}",
            )
        )
    elif abs(one.clock_ahead_ms) > CLOCKS_APART_MS:
        way = "ahead of" if one.clock_ahead_ms > 0 else "behind"
        text = f"{named}: its clock is {abs(one.clock_ahead_ms) / 1000:.1f} s {way} this machine's; nothing is retired"
        found.append(fault("clocks", Section.CLOCKS_DIFFER, text, TIME_SERVICE))
    return found or [ok("Redis", f"{named}, {one.policy}, clock within {max(abs(one.clock_ahead_ms or 0), 1)} ms")]


def _why(one: redis_info.Server, *commands: str) -> str:
    """Why it does not tell something, as far as it was refused; else a field was left out."""
    refused = [f"{command}: {one.withheld[command]}" for command in commands if command in one.withheld]
    return f" ({'; '.join(refused)})" if refused else ""
