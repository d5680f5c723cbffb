"""The longest `advance` at the largest steps that the consumer can make, by Redis' own measurement."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace

import redis

from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.core.partial_counts import Articles, Group
from ranker.core.retire import Retirement
from ranker.core.route import Router
from ranker.core.step import MAX_COST, SMALL_SHARD, SMALL_TIMES, Step
from tests.bench import ids, processes
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.shards import Shard, begin
from tests.bench.stack import Stack
from tests.bench.traffic import SITE
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at

LONGEST_MS = 30
SIZES = (12_500, 100_000)
KINDS = ("7", "80")
MINUTES = 60
"""Slices that a batch of a backlog touches."""
SLICES_PER_ARTICLE = 4


class Steps:
    """Carries steps out one by one, and keeps what each took by its kind."""

    def __init__(self, client: redis.Redis, pid: int) -> None:
        self._client = client
        self._pid = pid
        self.ms: dict[str, list[float]] = {}
        """As the slow log has it."""
        self.cpu_ms: dict[str, list[float]] = {}
        """Of Redis' thread for the whole command: its arguments read and its writing to the log are in it."""

    async def take(self, what: str, shard: Shard, steps: Iterable[Step]) -> None:
        ms, cpu_ms = self.ms.setdefault(what, []), self.cpu_ms.setdefault(what, [])
        for step in steps:
            self._client.slowlog_reset()
            cpu = processes.main_thread_cpu_s(self._pid)
            await shard.advance(step)
            cpu_ms.append((processes.main_thread_cpu_s(self._pid) - cpu) * 1000)
            scripts = [entry for entry in self._client.slowlog_get(10) if entry["command"].startswith(b"EVALSHA")]
            if len(scripts) != 1:
                raise RuntimeError(f"the slow log has {len(scripts)} scripts of one step")
            ms.append(scripts[0]["duration"] / 1000)


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Each size of shard and length of ids on an empty Redis."""
    part = Part("script")
    batches = 4 if quick else 25
    with progress.task("the longest scripts", len(SIZES) * len(KINDS)) as done:
        for size in SIZES:
            for kind in KINDS:
                stack.empty_redis()
                with stack.redis.client() as client:
                    client.config_set("slowlog-log-slower-than", 0)
                    steps = Steps(client, stack.redis.pid)
                    asyncio.run(_measure(stack.redis.url, steps, size, kind, batches))
                _figures(part, size, kind, steps)
                done(1)
    stack.empty_redis()
    part.notes.append(
        f"The largest steps that the limits allow ({MAX_COST:,} increments and appends, {SMALL_TIMES} times as many in a "
        f"batch for a shard of up to {SMALL_SHARD:,} articles): a batch of different articles, "
        f"each in {SLICES_PER_ARTICLE} of {MINUTES} minutes; the same if every article is a stray and is marked; the "
        "retiring of a minute that holds every article, where totals stay and where they come to zero and go. Milliseconds "
        "are those of the slow log: they include the time in which other processes had the core. CPU is that of Redis' "
        "main thread from before the step is sent until it is answered, so of more than the script."
    )
    return part


def _figures(part: Part, size: int, kind: str, steps: Steps) -> None:
    label = f"{size:,} articles, ids of {kind}: "
    target = f"<= {LONGEST_MS}" if size == max(SIZES) else ""
    longest = max(max(each) for each in steps.ms.values())
    part.add(label + "longest", longest, "ms", target, f"of {sum(map(len, steps.ms.values()))} scripts")
    part.add(label + f"longest / {LONGEST_MS} ms", longest / LONGEST_MS, "times")
    for what, each in steps.ms.items():
        cpu = steps.cpu_ms[what]
        beside = (
            f"longest {max(each):.3g}; CPU: median {statistics.median(cpu):.3g}, most {max(cpu):.3g}; {len(each)} steps"
        )
        part.add(label + f"{what}, median", statistics.median(each), "ms", beside=beside)
    part.details[label.rstrip(": ")] = {"ms": steps.ms, "cpu_ms": steps.cpu_ms}


async def _measure(url: str, steps: Steps, size: int, kind: str, number: int) -> None:
    generation = Generation("bench-script", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    articles = ids.article_ids(size, kind)
    rng = random.Random(ids.SEED)
    async with connect(redis_at(url)) as client:
        now_ms = int(time.time() * 1000)
        batches, retires = await begin(client, generation, 2, now_ms)
        minute = now_ms // generation.windows[0].grain_ms
        oldest = retires.version.floors[0] // generation.lanes
        once = dict.fromkeys(articles, 1)
        many = dict(zip(articles, ids.expected(size, 100 * size)["view"], strict=True))
        await batches.count(minute, {"view": many})
        await retires.count(oldest, {"view": once})
        await retires.count(oldest + 1, {"view": many})
        for what, stray in (("a batch", False), ("a batch of strays", True)):
            made = (_batch(batches, articles, minute, rng, stray=stray) for _ in range(number))
            await steps.take(what, batches, made)
        for what, slice_, counts in (("totals stay", oldest, once), ("totals go", oldest + 1, many)):
            plan = Retirement(generation, Router(generation)).plan(
                retires.version,
                retires.watermark_ms,
                0,
                (slice_ + 1) * generation.lanes,
                {(0, slice_): {SITE: {"view": counts}}},
            )
            await steps.take(f"retiring, {what}", retires, plan)


def _batch(shard: Shard, articles: list[str], minute: int, rng: random.Random, *, stray: bool) -> Step:
    """A routed batch of as many different articles as one step may hold; marked as strays, if they are."""
    windows = len(shard.generation.windows)
    limit = MAX_COST * SMALL_TIMES if len(articles) <= SMALL_SHARD else MAX_COST
    most = (limit - MINUTES - windows) // windows
    chosen = rng.sample(articles, most)
    partial: dict[Group, Articles] = {(minute - back, SITE, "view"): {} for back in range(MINUTES)}
    groups = list(partial.values())
    for article in chosen:
        for group in rng.sample(groups, SLICES_PER_ARTICLE):
            group[article] = 1
    changes = Router(shard.generation).route(partial, shard.version.floors)
    if not limit - windows < changes.cost <= limit:
        raise RuntimeError(f"a step of {changes.cost} is not the largest one: limit {limit}")
    step = shard.step(changes, most * SLICES_PER_ARTICLE)
    return replace(step, strays={f"{SITE}/{article}" for article in chosen}) if stray else step
