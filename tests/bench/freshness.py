"""Time from an event sent to Kafka until the list over HTTP shows it, at a steady rate of events."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import uvloop
from aiokafka import AIOKafkaProducer

from deploy.local import waiting
from deploy.local.children import Child
from deploy.local.ports import free_port
from ranker import settings
from ranker.core.home import home
from tests.bench import counted, ids, processes, produce
from tests.bench.figures import Part, percentile
from tests.bench.load import Connection
from tests.bench.progress import Progress
from tests.bench.stack import Stack
from tests.bench.traffic import ARTICLES, SITE

PARTITIONS = 4
EVENTS_PER_S = 5_000
TICK_S = 0.01
PROBE_EVERY_S = 0.05
PROBE_VALUE = 1_000
"""Weight of a probe's one view: places it among the first, where the list shows it."""
POLL_S = 0.005
PATH = f"/v1/{SITE}/popular/read/24h?limit=1000"
REFRESHES_MS = {"as configured by default": None, "refresh_ms = 1000": 1000}
WITHIN_S = 30.0


@dataclass
class Probes:
    """Articles of one view each, when it was sent, and when a list first showed it (clock of perf_counter)."""

    sent: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    events: int = 0
    """Of the steady rate."""
    sent_all: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def all_seen(self) -> bool:
        return len(self.seen) == len(self.sent)

    def seconds(self) -> list[float]:
        return [self.seen[article] - sent for article, sent in self.sent.items()]


def run(stack: Stack, repeats: int, quick: bool, progress: Progress) -> Part:
    """Each refresh interval with a consumer and a reader of its own; p50 and p99 are medians of the repeats."""
    part = Part("freshness")
    seconds = 4 if quick else 20
    with progress.task("from event to visible", len(REFRESHES_MS) * repeats) as done:
        for number, (name, refresh_ms) in enumerate(REFRESHES_MS.items()):
            more = f"[serve]\nrefresh_ms = {refresh_ms}\n" if refresh_ms else ""
            topic = f"bench-freshness-{number}"
            env = stack.configure(topic, more)
            effective = settings.load(env["RANKER_CONFIG"], env)
            stack.empty_redis()
            took = []
            with _engine(stack, topic, env) as port:
                for repeat in range(repeats):
                    probes = uvloop.run(_traffic(stack.kafka.bootstrap, topic, port, repeat, seconds))
                    took.append(probes.seconds())
                    done(1)
            p50, p99 = (statistics.median(percentile(one, share) for one in took) for share in (0.50, 0.99))
            intervals = (effective.flush_ms + effective.refresh_ms) / 1000
            part.add(f"{name}: p50", p50, "s", beside=f"{sum(map(len, took))} probes in {repeats} runs of {seconds} s")
            part.add(f"{name}: p99", p99, "s", "< 1")
            part.add(f"{name}: p99 / (flush + refresh)", p99 / intervals, "times", beside=f"{intervals:g} s")
            part.details[name] = took
    stack.empty_redis()
    part.notes.append(
        f"{EVENTS_PER_S:,} events/s on {PARTITIONS} partitions, acks=all; among them every {PROBE_EVERY_S * 1000:g} ms, at "
        "random moments, a first view of an article that only then appears in the list. From the call that sends it to the "
        f"answer that shows it; asked every {POLL_S * 1000:g} ms over one connection. The list's total is checked at the "
        "end. Producer and client are one process and share the cores with Kafka, Redis, consumer and reader."
    )
    return part


@contextlib.contextmanager
def _engine(stack: Stack, topic: str, env: dict[str, str]) -> Iterator[int]:
    """A consumer and a reader at work; yields the reader's port."""
    asyncio.run(produce.make_topics(stack.kafka.bootstrap, [topic, f"{topic}.dead"], PARTITIONS))
    port = free_port()
    generation = settings.load(env["RANKER_CONFIG"], env).generation
    commands = {"consume": ["--admin-port", "0"], "serve": ["--port", str(port), "--admin-port", "0"]}
    with contextlib.ExitStack() as running, stack.redis.client() as client:
        children: list[Child] = [
            running.enter_context(
                processes.running(
                    f"ranker {name}", processes.ranker(name, *words), stack.directory / f"{topic}.{name}", env
                )
            )
            for name, words in commands.items()
        ]

        def begun() -> bool:
            for child in children:
                processes.check(child)
            return None not in counted.next_offsets(client, generation, PARTITIONS)

        waiting.until("the beginning of every shard", begun, 120.0)
        try:
            yield port
        except RuntimeError as error:
            raise RuntimeError("\n".join([str(error), *(child.tail(10) for child in children)])) from error


async def _traffic(bootstrap: str, topic: str, port: int, repeat: int, seconds: int) -> Probes:
    """Events at the steady rate with probes among them, until all are seen. Raises if the total is wrong."""
    probes = Probes()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0, max_batch_size=64 << 10)
    await producer.start()
    connection = await Connection.to(port)
    try:
        before = await _total(connection)
        watching = asyncio.create_task(_watch(connection, probes))
        await _send(producer, topic, repeat, seconds, probes)
        await producer.flush()
        expected = before + probes.events + PROBE_VALUE * len(probes.sent)
        try:
            await asyncio.wait_for(watching, WITHIN_S)
        except TimeoutError as error:
            missing = len(probes.sent) - len(probes.seen)
            raise RuntimeError(f"{missing} of {len(probes.sent)} probes were not seen within {WITHIN_S:g} s") from error
        await waiting.until_async("the last view in the total", lambda: _reached(connection, expected), WITHIN_S)
    finally:
        connection.close()
        await producer.stop()
    return probes


async def _send(producer: AIOKafkaProducer, topic: str, repeat: int, seconds: int, probes: Probes) -> None:
    rng = random.Random(f"{ids.SEED} {repeat}")
    articles = ids.article_ids(ARTICLES, "7")
    cumulative = list(itertools.accumulate(1 / rank for rank in range(1, ARTICLES + 1)))
    homes = {article: home(f"{SITE}/{article}".encode(), PARTITIONS) for article in articles}
    loop = asyncio.get_running_loop()
    began = loop.time()
    next_probe = began + rng.uniform(0, 2 * PROBE_EVERY_S)

    async def send(article: str, partition: int, value: int) -> None:
        event = {
            "event_id": f"{repeat}-{probes.events}-{article}",
            "event_type": "view",
            "site_id": SITE,
            "article_id": article,
            "occurred_at": time.time_ns() // 1_000_000,
            "value": value,
        }
        await producer.send(topic, orjson.dumps(event), f"{SITE}/{article}".encode(), partition)

    for tick in range(round(seconds / TICK_S)):
        await asyncio.sleep(max(0.0, began + tick * TICK_S - loop.time()))
        for article in rng.choices(articles, cum_weights=cumulative, k=round(EVENTS_PER_S * TICK_S)):
            await send(article, homes[article], 1)
            probes.events += 1
        while loop.time() >= next_probe:
            next_probe += rng.uniform(0, 2 * PROBE_EVERY_S)
            article = f"probe-{repeat}-{len(probes.sent)}"
            probes.sent[article] = time.perf_counter()
            await send(article, home(f"{SITE}/{article}".encode(), PARTITIONS), PROBE_VALUE)
    probes.sent_all.set()


async def _watch(connection: Connection, probes: Probes) -> None:
    """Ask for the list until it has shown every probe."""
    etag = ""
    while not (probes.sent_all.is_set() and probes.all_seen):
        status, etag_now, body = await connection.get(PATH, etag)
        now = time.perf_counter()
        if status == 200:
            etag = etag_now
            for item in orjson.loads(body)["items"]:
                article = item["article_id"]
                if article in probes.sent and article not in probes.seen:
                    probes.seen[article] = now
        await asyncio.sleep(POLL_S)


async def _reached(connection: Connection, expected: int) -> bool:
    """Whether all is counted. Raises RuntimeError if more is."""
    total = await _total(connection)
    if total > expected:
        raise RuntimeError(f"the list's total is {total}, but {expected} views were sent")
    return total == expected


async def _total(connection: Connection) -> int:
    """The list's total; 0 while the site is not known."""
    status, _, body = await connection.get(PATH)
    return int(orjson.loads(body)["total"]) if status == 200 else 0
