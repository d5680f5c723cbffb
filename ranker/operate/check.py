"""Everything that `ranker check` looks at, at once: every fault is reported, whatever else is wrong."""

from __future__ import annotations

import asyncio
from importlib import metadata

from ranker.connect.redis import connect
from ranker.log import aiokafka_patch
from ranker.log.value_schemas import format_of, needed
from ranker.operate import check_counting, check_kafka, check_redis, check_rules
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, note, ok
from ranker.service import endpoints
from ranker.service.runbook import Section
from ranker.settings import BEHIND, Settings


async def everything(settings: Settings, now_ms: Clock) -> list[Finding]:
    """Every finding on the servers of these settings, on what they hold, and on this process' packages."""
    generation = settings.generation
    behind_ms = BEHIND * settings.stale_after_s * 1000
    client = connect(settings.redis)
    try:
        kafka, redis, counting, paused = await asyncio.gather(
            check_kafka.findings(
                settings.kafka,
                generation,
                now_ms,
                accept_create_time=settings.accept_create_time,
                calendars=settings.calendars,
                schemas=needed(format_of(generation.source), settings.registry),
            ),
            check_redis.findings(client, endpoints.shown(settings.redis.url), generation.id, now_ms),
            check_counting.findings(client, now_ms, behind_ms),
            check_rules.paused(client, now_ms),
        )
    finally:
        await client.aclose()
    return [*kafka, *redis, *counting, check_rules.in_force(generation), *paused, *versions()]


def versions() -> list[Finding]:
    """Findings on this process' packages: whether batches can be taken apart inside the client."""
    named = f"aiokafka {metadata.version('aiokafka')}"
    if aiokafka_patch.install():
        return [ok("versions", f"{named}, batches are taken apart inside the client")]
    text = f"{named} is not the version that the fold was written for: counts are the same, speed is not"
    return [note("versions", Section.UPGRADE, text, "install the aiokafka of requirements.txt")]
