"""Everything that `ranker check` looks at, at once: every fault is reported, whatever else is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import metadata

from ranker import kernel
from ranker.connect.redis import connect
from ranker.kernel.shape import shape_of
from ranker.log import aiokafka_patch
from ranker.log.value_schemas import format_of, needed
from ranker.operate import (
    check_counting,
    check_dead_letters,
    check_generations,
    check_groups,
    check_kafka,
    check_memory,
    check_periods,
    check_processes,
    check_producers,
    check_redis,
    check_rules,
)
from ranker.operate.clocks import Clock
from ranker.operate.findings import Finding, note, ok
from ranker.service import endpoints
from ranker.service.runbook import Section
from ranker.settings import BEHIND, Settings


async def everything(
    settings: Settings, now_ms: Clock, admin_ports: Sequence[tuple[str, int, bool]] = ()
) -> list[Finding]:
    """Every finding on the servers of these settings, on what they hold, on who counts, and on this process' packages.

    `admin_ports` (host, port, whether TLS) are those of the processes that get requests.
    """
    generation = settings.generation
    behind_ms = BEHIND * settings.stale_after_s * 1000
    calendars = {name: site.calendar for name, site in settings.sites.items() if site.calendar}
    client = connect(settings.redis)
    try:
        counted = await check_generations.counted(client, generation)
        found = await asyncio.gather(
            check_kafka.findings(
                settings.kafka,
                generation,
                now_ms,
                accept_create_time=settings.accept_create_time,
                calendars=settings.calendars,
                schemas=needed(format_of(generation.source), settings.registry),
            ),
            check_redis.findings(client, endpoints.shown(settings.redis.url), generation.id, now_ms),
            check_memory.findings(client, now_ms),
            check_generations.findings(client, now_ms),
            check_counting.findings(client, now_ms, behind_ms),
            check_groups.findings(settings.kafka, counted, await check_counting.begun(client)),
            check_rules.paused(client, now_ms),
            check_producers.findings(client),
            check_dead_letters.findings(settings.kafka, generation.topic),
            check_periods.documents(client, calendars, now_ms()),
            check_processes.findings(admin_ports),
        )
    finally:
        await client.aclose()
    return [
        *(one for part in found for one in part),
        check_rules.in_force(generation),
        *versions(can_read=shape_of(generation) is not None),
    ]


def versions(*, can_read: bool = True) -> list[Finding]:
    """Findings on this process' packages: whether batches can be taken apart inside the client, and what folds.

    `can_read`: the topic has a form that the kernel reads.
    """
    named = f"aiokafka {metadata.version('aiokafka')}"
    if aiokafka_patch.install():
        return [
            ok("versions", f"{named}, batches are taken apart inside the client; {kernel.named(can_read=can_read)}")
        ]
    text = f"{named} is not the version that the fold was written for: counts are the same, speed is not"
    return [note("versions", Section.UPGRADE, text, "install the aiokafka of requirements.txt")]
