"""Many open streams on one reader: how soon a changed list has reached them all, and what they cost."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import waiting
from ranker.connect.redis import connect
from ranker.store.topic_copy import TopicCopy
from tests.bench import ids, processes, served
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.served import PATH
from tests.bench.stack import Stack
from tests.support.redis_at import redis_at

STREAMS = 5_000
ARTICLES = 1_000
PROXY = 'proxies = ["127.0.0.1"]\n'
"""The listeners stand for many clients."""
IDLE_S = 16.0
"""Longer than from one beat to the next."""


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """Changes come one by one, each when the one before has reached all."""
    count, changes, idle_s = (500, 2, 2.0) if quick else (STREAMS, 8, IDLE_S)
    part = Part("streams")
    log = stack.directory / "listeners.log"
    with (
        served.reader(stack, ARTICLES, more=PROXY, named=True) as reader,
        progress.task(f"{count:,} streams", changes + 2) as done,
    ):
        before = processes.resident_bytes(reader.child.pid)
        argv = processes.module("tests.bench.listeners", str(reader.port), PATH, str(count))
        began = time.time()
        with processes.running("the listeners", argv, log, {}) as listeners:

            def reached(lists: int) -> Callable[[], bool]:
                def told() -> bool:
                    processes.check(listeners)
                    return len(_told(log)) >= lists

                return told

            waiting.until("the first list on every stream", reached(1), 120.0)
            opened_s = time.time() - began
            done(1)
            memory = processes.resident_bytes(reader.child.pid) - before
            cpu = processes.cpu_s(reader.child.pid)
            time.sleep(idle_s)
            idle = processes.cpu_s(reader.child.pid) - cpu
            done(1)
            cpu, changed, first = processes.cpu_s(reader.child.pid), [], ids.article_ids(ARTICLES, "7")[0]
            for number in range(changes):
                changed.append(time.time())
                asyncio.run(_rename(stack.redis.url, first, f"Title {number}"))
                waiting.until("the change on every stream", reached(number + 2), 60.0)
                done(1)
            busy = processes.cpu_s(reader.child.pid) - cpu
            if int(reader.metric("ranker_streams")) != count:
                raise RuntimeError(f"of {count} streams of the bench {reader.metric('ranker_streams'):.0f} are open")
        arrived = _told(log)[1:]
    spread = [1000 * (each["last"] - each["first"]) for each in arrived]
    to_all = [1000 * (each["last"] - at) for at, each in zip(changed, arrived, strict=True)]
    part.add("streams open in one reader", count, "", beside=f"opened in {opened_s:.1f} s, each with its first list")
    part.add("from a change in Redis to all streams: p50", statistics.median(to_all), "ms", beside=f"{changes} changes")
    part.add("from a change in Redis to all streams: most", max(to_all), "ms")
    part.add("from the first stream to the last: p50", statistics.median(spread), "ms")
    part.add("from the first stream to the last: most", max(spread), "ms")
    part.add("memory per stream", memory / count / 1000, "kB")
    part.add("CPU per stream and change", 1e6 * busy / changes / count, "us", beside="with the refreshes meanwhile")
    part.add("CPU while nothing changes", 100 * idle / idle_s, "% of a core", beside="a beat every 15 s, and refreshes")
    part.notes.append(
        f"One list of ten, {len(reader.body):,} bytes. A change is an article's new title in the catalogue, written as the consumer "
        "does it; up to one interval of refreshing passes before the reader sees it. The listeners are one process and share "
        "the cores with the reader."
    )
    part.details["to_all_ms"], part.details["spread_ms"] = to_all, spread
    return part


def _told(log: Path) -> list[dict[str, float]]:
    """What the listeners have reported of each list so far."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


async def _rename(url: str, article: str, title: str) -> None:
    async with connect(redis_at(url)) as client:
        await served.change(TopicCopy(client, 0), article, title)
