"""What days and weeks take: nine days of press, made in one pass by `ranker freeze`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
from collections.abc import AsyncIterator
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.waiting import until_async
from ranker import settings
from ranker.connect.redis import connect
from ranker.core import best_of
from ranker.log.documents import MAX_BYTES
from ranker.store import generations
from tests.bench import backlog, processes
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.proof import PRESS, Ended, to_its_end, week
from tests.bench.stack import Stack
from tests.support.redis_at import redis_at

TOPIC = "bench-freeze"
HISTORY = "9d"
CALENDAR = '[sites.demo.calendar]\nzone = "Europe/Paris"\nweek_starts = "saturday"\n'


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Whole processes, their start included; every run has the same log and no document yet."""
    part = Part("freeze")
    found: list[Ended] = []
    made: list[dict[str, Any]] = []
    with progress.task(f"writing {events:,} events of {HISTORY}", 1):
        asyncio.run(_create(stack.kafka.bootstrap))
        sent = stack.configure(TOPIC, PRESS)
        words = ("--history", HISTORY, "--history-events", str(events), "--events", "0", "--topic", TOPIC, "--demo")
        argv = processes.producers("simulate", *words)
        subprocess.run(argv, check=True, env={**os.environ, **processes.environment(), **sent}, capture_output=True)
    with progress.task("making days and weeks of them", repeats) as done:
        for _ in range(repeats):
            env = stack.configure(TOPIC, PRESS + CALENDAR)
            asyncio.run(_begin(stack, env))
            ended, text = to_its_end(("freeze", "--json"), env)
            found.append(ended)
            made = text["made"]
            done(1)
    periods = len(made) // 3
    rate = statistics.median(events / one.seconds for one in found)
    week(part, "freeze", rate, f"{events:,} events, {periods} periods, 3 boards, {repeats} runs")
    part.add("freeze: CPU", 1e6 * statistics.median(one.cpu_s for one in found) / events, "s / million")
    part.add("freeze: peak memory", max(one.resident_bytes for one in found) / 1e6, "MB")
    part.add("document: size of 100 places", statistics.median(one["bytes"] for one in made) / 1e3, "kB")
    return part


async def _create(bootstrap: str) -> None:
    """Records keep the times that the simulator gives them: those of the events."""
    kept = {"retention.ms": "-1"}
    topics = [NewTopic(TOPIC, backlog.PARTITIONS, 1, topic_configs=kept), NewTopic("articles", 1, 1)]
    async with _admin(bootstrap) as admin:
        await admin.create_topics(topics)


async def _begin(stack: Stack, env: dict[str, str]) -> None:
    """Without a document, and with the generation active."""
    async with _admin(stack.kafka.bootstrap) as admin:
        await admin.delete_topics([best_of.TOPIC])
        await until_async("the topic's end", lambda: _is_there(admin, False))
        compacted = {"cleanup.policy": "compact", "max.message.bytes": str(MAX_BYTES)}
        await admin.create_topics([NewTopic(best_of.TOPIC, 1, 1, topic_configs=compacted)])
        await until_async("the topic", lambda: _is_there(admin, True))
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    stack.empty_redis()
    client = connect(redis_at(stack.redis.url))
    try:
        await generations.register(client, generation)
        await generations.activate(client, generation.id, backlog.PARTITIONS, 0)
    finally:
        await client.aclose()


async def _is_there(admin: AIOKafkaAdminClient, wanted: bool) -> bool:
    return (best_of.TOPIC in await admin.list_topics()) == wanted


@contextlib.asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
