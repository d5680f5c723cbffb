"""How the cost of an event grows: by the number of articles, of partitions, and by the length of ids."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import asdict

from tests.bench import backlog, produce
from tests.bench.backlog import Consumed
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.rules import PRESS
from tests.bench.stack import Stack
from tests.bench.traffic import Backlog

ARTICLES = (1_000, 10_000, 100_000, 1_000_000)
PARTITIONS = (1, 4, 16, 64)
ID_LENGTHS = (7, 80)
USUAL = {"articles": 10_000, "partitions": 4, "id_length": 7}


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """One thing at a time is another one than usual; each point is the median of `repeats` runs."""
    part = Part("growth")
    points = [{**USUAL, "articles": articles, "id_length": length} for articles in ARTICLES for length in ID_LENGTHS]
    points += [{**USUAL, "partitions": partitions} for partitions in PARTITIONS if partitions != USUAL["partitions"]]
    part.details["points"] = []
    with progress.task("costs by articles, ids and partitions", len(points)) as done:
        for point in points:
            runs = _runs(stack, events, repeats, point)
            part.details["points"].append({**point, "events": events, "runs": [asdict(one) for one in runs]})
            name = "articles {articles:,}, partitions {partitions}, ids of {id_length}: ".format(**point)
            part.add(name + "rate", statistics.median(events / one.seconds for one in runs), "events/s")
            part.add(name + "consumer", statistics.median(one.cpu_s * 1e6 / events for one in runs), "CPU s / million")
            part.add(
                name + "Redis", statistics.median(one.redis_cpu_s * 1e6 / events for one in runs), "CPU s / million"
            )
            part.add(name + "longest script", max(one.longest_script_ms for one in runs), "ms")
            done(1)
    part.notes.append(
        "Rules press, each event of another reader, 10,000 events a minute; popularity by Zipf's law, so more articles are "
        "more (article, minute) pairs. One process; Kafka and Redis share the cores."
    )
    return part


def _runs(stack: Stack, events: int, repeats: int, point: dict[str, int]) -> list[Consumed]:
    topic = "growth-{articles}-{partitions}-{id_length}".format(**point)
    now_ms = int(time.time() * 1000)
    made = Backlog(events, point["partitions"], now_ms, point["articles"], id_length=point["id_length"])
    bootstrap, size = stack.kafka.bootstrap, produce.BATCHES["big"]
    asyncio.run(produce.make_topics(bootstrap, [topic, f"{topic}.dead"], made.partitions))
    asyncio.run(produce.write(bootstrap, topic, made.partitions, made.real_chunks(), size, lambda _: None))
    return [backlog.consume(stack, topic, made, more=PRESS) for _ in range(repeats)]
