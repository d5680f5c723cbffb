"""The dearest requests that a stranger can send to a reader: none costs much, and what is refused is answered shortly."""

import time
from pathlib import Path

from ranker.connect.redis import connect
from tests.support.example_site import record, write_articles
from tests.support.reader import GENERATION, PARTITIONS
from tests.support.reader_process import reader_process
from tests.support.redis_at import redis_at
from tests.support.shard_writer import publish
from tests.support.strangers import MOST_CPU_MS, MOST_TIMES, cost, idle, of_reader

ARTICLES = 2_500
SECTIONS = ("Sport", "Culture")
WITHIN_BOUNDS = '[serve]\nclient_lists_s = 100000\nproxies = ["127.0.0.1"]\n'


async def test_a_request_costs_little(redis_url: str, tmp_path: Path) -> None:
    """At most 10 ms of CPU, three times that on a busy machine; a refusal has at most 64 times the request's bytes."""
    now_ms = time.time_ns() // 1_000_000
    names = [f"/{number}" for number in range(ARTICLES)]
    async with connect(redis_at(redis_url)) as client:
        await publish(client, GENERATION, PARTITIONS, [("demo", name, "view", 1) for name in names], now_ms)
        about = {"title": "Un titre", "format": "récit", "published_at": now_ms - 1}
        records = [record("demo", name, section=SECTIONS[at % 2], **about) for at, name in enumerate(names)]
        await write_articles(client, records)
    with reader_process(redis_url, tmp_path, config=WITHIN_BOUNDS) as reader:
        reader.until_ready()
        assert reader.get("/").status == reader.get("/docs").status == 200
        share = await idle(reader.child.pid, 1.0)
        for name, kind in of_reader("demo", SECTIONS, "/7").items():
            spent = await cost(reader.port, reader.child.pid, kind, share, at_once=20)
            statuses = {reply.status for reply in spent.replies}
            assert statuses < {200, 204} if kind.document else all(400 <= one < 500 for one in statuses), (name, spent)
            assert kind.wide or spent.cpu_ms <= 3 * MOST_CPU_MS, (name, spent)
            assert kind.document or max(reply.times for reply in spent.replies) <= MOST_TIMES, (name, spent)
