"""Rising boards: what their lists find on a modelled site, and what their windows and their readings cost."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from ranker.connect.redis import connect
from ranker.consume.upkeep import Upkeep
from ranker.core.generation import Generation, from_table
from ranker.core.rising_boards import boards
from ranker.core.step import Changes
from ranker.lists.articles import Articles
from ranker.lists.rising import RisingReader
from ranker.store.shard import ShardStore
from schemas import configuration
from tests.bench import backlog, ids, memory, processes, produce
from tests.bench import rising_model as model
from tests.bench.backlog import PARTITIONS, Consumed
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.shards import Shard, homes, pieces
from tests.bench.stack import Stack
from tests.bench.traffic import ARTICLES, SITE, Backlog
from tests.support.redis_at import redis_at
from tests.support.sessions import open_session

TOPIC = "bench-rising"
RISING = '[rising.rising]\nof = "read"\n'
SIZES = (50.0, 500.0)
"""Views a minute of the modelled sites, as the mean of a day."""
SITES = 3
MINUTES = 30
"""Of the upkeep that is measured."""
SPIKES = 30
READINGS = 20
KINDS = ("7", "80")
BOARD = boards(configuration.filled({"rising": {"rising": {"of": "read"}}}))["rising"]


def generation(topic: str, *, rising: bool) -> Generation:
    table = {"topic": topic} | ({"rising": {"rising": {"of": "read"}}} if rising else {})
    return from_table(configuration.filled(table))


def run(stack: Stack, events: int, repeats: int, quick: bool, progress: Progress) -> Part:
    """The model, without servers; then a backlog, a week's memory, half an hour's upkeep and a list's reading."""
    part = Part("rising")
    _model(part, 1 if quick else SITES, progress)
    _backlog(stack, events, repeats, part, progress)
    with progress.task("a week with the windows and without, their upkeep, and readings", 2 * len(KINDS)) as done:
        for kind in KINDS:
            _week(stack, kind, (2, 1) if quick else (24, 6), part, lambda: done(1))
    stack.empty_redis()
    part.notes.append(
        f"The model: {model.DAYS} days of {len(SIZES)} sizes of site, {SITES} sites each: readers by Poisson's law around "
        f"the simulator's interest in {model.NEW_A_DAY} new articles a day and its day's curve, {len(model.APPOINTMENTS)} "
        "pages that are read at their hour, and spikes of 2 to 35 % of all views that rise in 10 to 40 minutes. All rules "
        "have the same thresholds and the same cut by publication; a place is false if its article has no spike in the "
        f"hour. Lists are looked at every {model.EVERY} minutes. A spike begins with a hundredth of its peak; from the "
        f"minute on in which it has {model.THRESHOLDS.least} views in an hour a list could have it."
    )
    part.notes.append(
        f"The week is that of the part memory: {memory.EVENTS_PER_S:,} events/s over {ARTICLES:,} articles on {PARTITIONS} "
        f"shards. Upkeep is what one consumer does for one shard in {MINUTES} minutes: slices leave windows and are sealed. "
        f"A reading is of one list with {SPIKES} articles that may be listed, beside everything else."
    )
    return part


def _model(part: Part, sites: int, progress: Progress) -> None:
    with progress.task("sites of Poisson readers", len(SIZES) * sites) as done:
        for size in SIZES:
            each = []
            for seed in range(sites):
                each.append(model.score(model.site(seed, size)))
                done(1)
            for name, score in model.together(each).items():
                label = f"{size:g} views a minute, {name}: "
                part.add(label + "false places", score.false_places / score.lists, "a list")
                within = f"{score.found} of {score.spikes}"
                part.add(label + "found within 20 min", 100 * score.found / score.spikes, "% of spikes", beside=within)
                part.add(
                    label + "within 20 min of 20 views",
                    100 * score.found_of_possible / max(1, score.possible),
                    "% of spikes",
                    beside=f"{score.found_of_possible} of {score.possible} that came to 20",
                )
                part.add(label + "found after", statistics.median(score.found_after or [0]), "min", beside="median")


def _backlog(stack: Stack, events: int, repeats: int, part: Part, progress: Progress) -> None:
    made = Backlog(events, PARTITIONS, int(time.time() * 1000), per_minute=max(1, events // 30))
    bootstrap = stack.kafka.bootstrap
    with progress.task(f"writing {events:,} events of half an hour", events) as written:
        asyncio.run(produce.make_topics(bootstrap, [TOPIC, f"{TOPIC}.dead"], PARTITIONS))
        asyncio.run(produce.write(bootstrap, TOPIC, PARTITIONS, made.chunks(), produce.BATCHES["big"], written))
    plain: list[Consumed] = []
    rising: list[Consumed] = []
    with progress.task("reading them without rising boards and with one", 2 * repeats) as done:
        for _ in range(repeats):
            plain.append(backlog.consume(stack, TOPIC, made))
            done(1)
            rising.append(backlog.consume(stack, TOPIC, made, more=RISING))
            done(1)
    figures: list[tuple[str, str, Callable[[Consumed], float]]] = [
        ("ranker consume", "events/s", lambda one: events / one.seconds),
        ("CPU of the consumer", "s / million", lambda one: one.cpu_s * 1e6 / events),
        ("CPU of Redis", "s / million", lambda one: one.redis_cpu_s * 1e6 / events),
        ("longest script", "ms", lambda one: one.longest_script_ms),
    ]
    for name, unit, figure in figures:
        with_, without = (statistics.median(figure(one) for one in each) for each in (rising, plain))
        beside = f"{without:,.4g} without; {repeats} pairs, {with_ / without - 1:+.1%}"
        part.add(f"backlog: {name}", with_, unit, beside=beside)
    part.details["backlog"] = {"without": list(map(asdict, plain)), "with": list(map(asdict, rising))}


@dataclass(frozen=True)
class Upkept:
    """Milliseconds a minute for one shard."""

    cpu_ms: float
    redis_cpu_ms: float


def _week(stack: Stack, kind: str, different: tuple[int, int], part: Part, done: Callable[[], None]) -> None:
    taken: dict[bool, tuple[float, Upkept]] = {}
    for rising in (False, True):
        of = generation("bench-week", rising=rising)
        few = (different[0],) * (len(of.windows) - 1) + (different[1],)
        stack.empty_redis()
        articles = ids.article_ids(ARTICLES, kind)
        with stack.redis.client() as client:
            before = memory._used(client)
            uvloop.run(_filled(stack.redis.url, of, memory._drawn(of, few), articles))
            used = memory._used(client) - before
        if rising:
            _reading(stack, of, articles, kind, part)
        taken[rising] = used / 1e6, uvloop.run(_upkeep(stack, of))
        done()
    for name, unit, with_, without in (
        ("Redis, in all after a week", "MB", taken[True][0], taken[False][0]),
        ("upkeep of a shard, CPU", "ms / min", taken[True][1].cpu_ms, taken[False][1].cpu_ms),
        ("upkeep of a shard, CPU of Redis", "ms / min", taken[True][1].redis_cpu_ms, taken[False][1].redis_cpu_ms),
    ):
        part.add(f"ids of {kind}: {name}", with_, unit, beside=f"{without:,.4g} without")


async def _filled(url: str, of: Generation, tiers: list[memory.Tier], articles: list[str]) -> None:
    await memory._fill(url, of, tiers, articles)


async def _upkeep(stack: Stack, of: Generation) -> Upkept:
    """Minutes go by for the first shard, in which nothing is counted."""
    async with connect(redis_at(stack.redis.url)) as client:
        session = await open_session(ShardStore(client, of, 0), of, PARTITIONS)
        upkeep = Upkeep(of)
        cpu, redis_cpu = time.process_time(), processes.cpu_s(stack.redis.pid)
        for _ in range(MINUTES):
            session.watermark_ms += 60_000
            for _ in range(4):  # rounds: what leaves, then what is to be sealed
                await upkeep.run(session, session.watermark_ms, clocks_agree=True, strays_due=False)
        cpu, redis_cpu = time.process_time() - cpu, processes.cpu_s(stack.redis.pid) - redis_cpu
    return Upkept(1000 * cpu / MINUTES, 1000 * redis_cpu / MINUTES)


def _reading(stack: Stack, of: Generation, articles: list[str], kind: str, part: Part) -> None:
    took, cpu, redis_cpu, listed = uvloop.run(_read(stack, of, articles))
    label = f"ids of {kind}: reading a list, "
    part.add(label + "from beginning to end", took, "ms", beside=f"{listed} listed; mean of {READINGS}, once a minute")
    part.add(label + "CPU of the reader", cpu, "ms")
    part.add(label + "CPU of Redis", redis_cpu, "ms")


async def _read(stack: Stack, of: Generation, articles: list[str]) -> tuple[float, float, float, int]:
    async with connect(redis_at(stack.redis.url)) as client:
        await _spike(client, of, articles)
        reader = RisingReader(client, {})
        unknown = Articles({})
        listed: list[Any] = []
        began, cpu, redis_cpu = time.perf_counter(), time.process_time(), processes.cpu_s(stack.redis.pid)
        for _ in range(READINGS):
            counts = await reader.counts(SITE, BOARD, of, PARTITIONS, unknown)
            listed, is_whole = await reader.rises(SITE, BOARD, of, PARTITIONS, unknown, counts)
            if not is_whole:
                raise RuntimeError("the list is not whole")
        took, cpu, redis_cpu = (
            time.perf_counter() - began,
            time.process_time() - cpu,
            processes.cpu_s(stack.redis.pid) - redis_cpu,
        )
        return (*(1000 * one / READINGS for one in (took, cpu, redis_cpu)), len(listed))  # type: ignore[return-value]


async def _spike(client: Any, of: Generation, articles: list[str]) -> None:
    """The site's sums; and some of the less read articles have many times what they have in an hour."""
    at = homes(articles, PARTITIONS)
    chosen = articles[len(articles) // 2 :][:SPIKES]
    for partition in range(PARTITIONS):
        store = ShardStore(client, of, partition)
        state = await store.load()
        if state is None:
            raise RuntimeError("the shard has not begun")
        shard = Shard(store, of, state.version, state.watermark_ms)
        events = [memory.EVENTS_PER_S * window.length_ms // 1000 // PARTITIONS for window in of.windows]
        sums = {(SITE, number, "view"): views for number, views in enumerate(events)}
        await shard.advance(shard.step(Changes(sums=sums)))
        here = {article: 1_000 for article in chosen if at[article] == partition}
        for some in pieces(here.items(), 100):
            await shard.count(state.watermark_ms // of.windows[0].grain_ms, {"view": dict(some)})
