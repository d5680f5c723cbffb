"""Findings on how Redis keeps what it holds: room, copies on disk and on replicas, keys that it threw away."""

from __future__ import annotations

import re
from typing import Any

from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, fault, note, ok
from ranker.service.runbook import Section
from ranker.store import redis_info
from ranker.store.errors import StoreUnavailableError
from ranker.store.redis_info import Server

_NEARLY_FULL, _FULL = 0.8, 0.95
"""Shares of maxmemory. A full Redis refuses counts; a failover's copy and the buffers of replicas need room as well."""
_MIB = 1 << 20


async def findings(client: Any, now_ms: Clock) -> list[Finding]:
    """On each server; nothing if one is away, which check_redis reports."""
    try:
        servers = await redis_info.servers(client, now_ms)
    except StoreUnavailableError:
        return []
    return [finding for one in servers for finding in judged(one)]


def judged(one: Server) -> list[Finding]:
    """What is wrong with one server; if nothing is, that it keeps counts and where."""
    at = f" at {one.name}" if one.name else ""
    found = [*_room(one, at), *_disk(one, at), *_replicas(one, at)]
    evicted = int(one.info.get("evicted_keys", "0") or 0)
    if evicted:
        text = f"Redis{at} has thrown {evicted:,} keys away to make room, since it started: counts may be missing"
        fix = "run `ranker verify`; once nothing differs, CONFIG RESETSTAT takes this line away"
        found.append(fault("Redis", Section.REDIS_FULL, text, fix))
    return found


def _room(one: Server, at: str) -> list[Finding]:
    if one.used_bytes is None:
        return []
    used = f"Redis{at} uses {one.used_bytes / _MIB:,.0f} MiB"
    if not one.max_bytes:
        return [ok("Redis", f"{used}, without a limit of its own" if one.max_bytes == 0 else used)]
    share = one.used_bytes / one.max_bytes
    text = f"{used} of {one.max_bytes / _MIB:,.0f} ({share:.0%} of maxmemory)"
    fix = "raise maxmemory, or drop generations that nobody shows (`ranker generations`)"
    if share >= _FULL:
        return [fault("Redis", Section.REDIS_FULL, f"{text}: views wait when it is full", fix)]
    return [note("Redis", Section.REDIS_FULL, text, fix)] if share >= _NEARLY_FULL else [ok("Redis", text)]


def _disk(one: Server, at: str) -> list[Finding]:
    info, found = one.info, []
    for field, what in (("rdb_last_bgsave_status", "snapshot"), ("aof_last_write_status", "write to the AOF")):
        if info.get(field, "ok") != "ok":
            text = f"Redis{at}: its last {what} failed, and it refuses writes then"
            found.append(fault("Redis", Section.REDIS_FULL, text, "see its log and its disk"))
    if info.get("aof_enabled") == "0" and info.get("rdb_saves") == "0":
        text = (
            f"Redis{at} has written nothing to its disk since it started: what it loses is counted again from the log"
        )
        found.append(note("Redis", Section.RESTORE, text, "set appendonly yes, if that would take too long"))
    return found


def _replicas(one: Server, at: str) -> list[Finding]:
    replicas = [value for field, value in one.info.items() if re.fullmatch(r"slave[0-9]+", field)]
    away = [value for value in replicas if "state=online" not in value]
    if away:
        text = f"Redis{at}: {len(away)} of its {len(replicas)} replicas are not in sync"
        return [note("Redis", Section.REDIS_FAILS_OVER, text, "see the log of the replica; until then no failover")]
    return [ok("Redis", f"Redis{at} has {len(replicas)} replicas in sync")] if replicas else []
