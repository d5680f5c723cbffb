"""A reader with a large catalogue: how soon it serves and takes in changes, its memory, and what web traffic asks of Redis."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from deploy.local import waiting
from ranker.connect.redis import connect
from ranker.store.topic_copy import TopicCopy
from tests.bench import ids, load, processes, served
from tests.bench.figures import Part, percentile
from tests.bench.load import Connection
from tests.bench.progress import Progress
from tests.bench.served import PATH
from tests.bench.stack import Stack
from tests.support.redis_at import redis_at

ARTICLES = 100_000
CONNECTIONS = (0, 4, 64)
REFRESH_MS = 100
"""Refreshes are this far apart for the count of Redis commands, so that some seconds hold many."""
VISIBLE_S = 10.0


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Redis holds counts and catalogue already: this is a restart."""
    articles, changes, seconds = (10_000, 3, 2) if quick else (ARTICLES, 40, 8)
    part = Part("start")
    with progress.task(f"a reader with {articles:,} articles", changes + 2 + len(CONNECTIONS)) as done:
        with served.reader(stack, articles, more=f"refresh_ms = {REFRESH_MS}\n") as reader:
            done(1)
            bare_s, bare_bytes = reader.first_s, processes.resident_bytes(reader.child.pid)
            asked = []
            for connections in CONNECTIONS:
                asked.append(_commands(stack, reader.port, connections, seconds))
                done(1)
        with served.reader(stack, articles, named=True) as reader:
            if b'"title":null' in reader.body:
                raise RuntimeError("the first list of the bench lacks titles")
            memory = processes.resident_bytes(reader.child.pid)
            done(1)
            took = asyncio.run(_changes(stack.redis.url, reader.port, articles, changes, done))
    part.add("start of the process to the first list, titles and all", reader.first_s, "s")
    part.add("the same without a catalogue", bare_s, "s")
    part.add("memory of the reader with its first list", memory / 1e6, "MB")
    part.add("the same without a catalogue", bare_bytes / 1e6, "MB")
    part.add("memory per article of the catalogue", (memory - bare_bytes) / articles / 1000, "kB")
    part.add("catalogue change in Redis to the answer that shows it: p50", statistics.median(took), "ms")
    part.add("catalogue change in Redis to the answer that shows it: p99", percentile(took, 0.99), "ms", "<= 2000")
    for connections, (commands, per_s) in zip(CONNECTIONS, asked, strict=True):
        beside = f"{per_s:,.0f} requests per s meanwhile"
        part.add(f"Redis commands, {connections} connections", commands, "per s", beside=beside)
    ratio = asked[-1][0] / asked[0][0]
    part.add("Redis commands, with the most web load / with none", ratio, "times", "<= 1.05")
    part.notes.append(
        f"{articles:,} articles with counts on {served.PARTITIONS} partitions, and, if there is a catalogue, a record for each "
        f"(about 250 bytes). {changes} changes of a title at random moments, asked for every 20 ms. For the Redis commands the "
        f"reader refreshes every {REFRESH_MS} ms; it reads the one list in use whether it is asked for or not."
    )
    part.details["visible_ms"] = took
    return part


def _commands(stack: Stack, port: int, connections: int, seconds: int) -> tuple[float, float]:
    """Redis commands and requests per second while so many connections ask for one list."""
    served.fetch(port, PATH)
    with ThreadPoolExecutor() as pool, stack.redis.client() as client:
        asking = pool.submit(load.run, port, [PATH], connections, seconds + 2, stack.directory) if connections else None
        time.sleep(1)  # the load is under way
        began, before = time.perf_counter(), client.info("stats")["total_commands_processed"]
        time.sleep(seconds)
        commands = client.info("stats")["total_commands_processed"] - before - 1
        per_s = commands / (time.perf_counter() - began)
        return per_s, asking.result().per_s if asking else 0.0


async def _changes(url: str, port: int, articles: int, changes: int, done: Callable[[float], None]) -> list[float]:
    """Milliseconds from each change of the first article's title until the list shows it."""
    rng = random.Random(ids.SEED)
    first = ids.article_ids(articles, "7")[0]
    took = []
    connection = await Connection.to(port)
    async with connect(redis_at(url)) as client:
        catalogue = TopicCopy(client, 0)
        for number in range(changes):
            await asyncio.sleep(rng.random())
            title = f"Title {number} "

            async def shown(title: str = title) -> bool:
                return title.encode() in (await connection.get(PATH))[2]

            began = time.perf_counter()
            await served.change(catalogue, first, title)
            await waiting.until_async("The new title in the list", shown, VISIBLE_S)
            took.append((time.perf_counter() - began) * 1000)
            done(1)
    connection.close()
    return took
