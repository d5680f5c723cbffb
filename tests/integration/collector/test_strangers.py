"""The dearest requests that a stranger can send to a collector: none costs much, and each is answered shortly."""

import asyncio
from pathlib import Path

from tests.support.collector_process import SITES, collector, new_topic
from tests.support.strangers import MOST_CPU_MS, MOST_TIMES, cost, idle, of_collector

WITHIN_BOUNDS = SITES + "[collect]\nclient_events_s = 1000000\nclient_burst = 1000000\n"


async def test_a_request_costs_little(kafka_embedded: str, tmp_path: Path) -> None:
    """At most 10 ms of CPU, three times that on a busy machine; a refusal has at most 64 times the request's bytes."""
    topic = await new_topic(kafka_embedded, "collect.strangers")
    with collector(kafka_embedded, topic, tmp_path, WITHIN_BOUNDS) as running:
        assert (await asyncio.to_thread(running.ask, "GET", "/")).status == 200
        share = await idle(running.child.pid, 1.0)
        for name, kind in of_collector().items():
            spent = await cost(running.port, running.child.pid, kind, share, at_once=20)
            statuses = {reply.status for reply in spent.replies}
            assert (
                statuses < {200, 204} if kind.document else all(one == 207 or 400 <= one < 500 for one in statuses)
            ), (name, spent)
            assert spent.cpu_ms <= 3 * MOST_CPU_MS, (name, spent)
            assert kind.document or max(reply.times for reply in spent.replies) <= MOST_TIMES, (name, spent)
