"""`python -m tests.bench.acked BOOTSTRAP TOPIC EVENTS TASKS SECONDS`: a bare aiokafka producer with acks=all.

So many tasks send so many events each, wait until all of them are acknowledged, and go on. Prints events per second and
the 50th and 99th percentile of the time for one such round, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time

import orjson
import uvloop
from aiokafka import AIOKafkaProducer

from tests.bench.figures import percentile
from tests.bench.posting import ARTICLES, event_id


async def main(bootstrap: str, topic: str, count: int, tasks: int, seconds: float) -> dict[str, float]:
    """What it took."""
    took: list[float] = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        began = time.perf_counter()

        async def rounds(task: int) -> None:
            n = task * 1_000_000_000
            while (asked := time.perf_counter()) < began + seconds:
                sent = []
                for _ in range(count):
                    article = f"/articles/{n % ARTICLES:05d}"
                    event = {
                        "event_id": event_id(n),
                        "event_type": "view",
                        "site_id": "demo",
                        "article_id": article,
                        "occurred_at": time.time_ns() // 1_000_000,
                    }
                    sent.append(await producer.send(topic, orjson.dumps(event), key=f"demo/{article}".encode()))
                    n += 1
                await asyncio.gather(*sent)
                took.append(1000 * (time.perf_counter() - asked))

        await asyncio.gather(*map(rounds, range(tasks)))
        per_s = len(took) * count / (time.perf_counter() - began)
    return {"per_s": per_s, "p50_ms": percentile(took, 0.50), "p99_ms": percentile(took, 0.99)}


if __name__ == "__main__":
    result = uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
