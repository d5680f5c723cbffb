"""A reader under measurement: its counts, its catalogue, its process, and what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from deploy.local import waiting
from deploy.local.children import Child
from deploy.local.ports import free_port
from ranker import settings
from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.store.topic_copy import Change, CopyState, TopicCopy
from tests.bench import ids, processes
from tests.bench.shards import begin, homes, pieces
from tests.bench.stack import Stack
from tests.bench.traffic import SITE
from tests.support.redis_at import redis_at

PARTITIONS = 4
PATH = f"/v1/{SITE}/popular/read/24h"
FRESH = "[serve]\nstale_after_s = 3600\ngone_after_s = 7200\n"
"""No consumer moves the clock of the made-up counts: without this they would turn stale while they are measured."""
SECTIONS = [f"section-{number}" for number in range(20)]
FORMATS = [f"format-{number}" for number in range(10)]
LINEAGE = "00000000000000aa"


@dataclass
class Served:
    """A running reader, and how long it took from its start to its first list."""

    child: Child
    port: int
    admin_port: int
    first_s: float
    body: bytes

    def metric(self, pattern: str) -> float:
        """The sum of its metrics whose name and labels match."""
        said = fetch(self.admin_port, "/metrics")[1].decode()
        return sum(map(float, re.findall(rf"^{pattern} (\S+)$", said, re.MULTILINE)))


@contextlib.contextmanager
def reader(stack: Stack, articles: int, *, more: str = "", named: bool = False) -> Iterator[Served]:
    """Redis filled with so many articles, in the catalogue too if they are `named`, and a reader of it."""
    stack.empty_redis()
    env = stack.configure("bench-reader", FRESH + more)
    asyncio.run(_fill(stack.redis.url, settings.load(env["RANKER_CONFIG"], env).generation, articles, named=named))
    port, admin_port = free_port(), free_port()
    argv = processes.ranker("serve", "--port", str(port), "--admin-port", str(admin_port), "--drain-s", "0")
    began = time.perf_counter()
    with processes.running("ranker serve", argv, stack.directory / "serve.log", env) as child:
        body = first_body(child, port)
        yield Served(child, port, admin_port, time.perf_counter() - began, body)
    stack.empty_redis()


def first_body(child: Child, port: int, path: str = PATH) -> bytes:
    """Wait for the first 200."""

    def body() -> bytes:
        processes.check(child)
        with contextlib.suppress(OSError):
            status, content = fetch(port, path)
            return content if status == 200 else b""
        return b""

    return waiting.until(f"the first answer of {child.name}", body, 60.0)


def fetch(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10.0)) as connection:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()


def record(article: str, rng: random.Random, **more: str) -> bytes:
    """An article as the feed has it."""
    about = {
        "site_id": SITE,
        "article_id": article,
        "status": "published",
        "title": f"What there is to say about {article}, at the length that titles have",
        "url": f"https://www.example.org/{article}",
        "section": rng.choice(SECTIONS),
        "format": rng.choice(FORMATS),
        "published_at": int(time.time() * 1000) - rng.randrange(7 * 86_400_000),
    }
    return json.dumps(about | more).encode()


async def change(catalogue: TopicCopy, article: str, title: str) -> None:
    """One article under another title, as the consumer writes it."""
    state = await catalogue.load()
    assert state is not None
    value = record(article, random.Random(ids.SEED), title=title)
    changes = [Change(f"{SITE}/{article}".encode(), value, state.n)]
    await catalogue.advance(state, state.n + 1, "", changes)


async def _fill(url: str, generation: Generation, count: int, *, named: bool) -> None:
    now_ms = int(time.time() * 1000)
    articles = ids.article_ids(count, "7")
    at = homes(articles, PARTITIONS)
    counts = ids.expected(count, 80 * count)
    async with connect(redis_at(url)) as client:
        for number, shard in enumerate(await begin(client, generation, PARTITIONS, now_ms)):
            here = [(rank, article) for rank, article in enumerate(articles) if at[article] == number]
            of_kind = {kind: {article: each[rank] for rank, article in here} for kind, each in counts.items()}
            await shard.count(now_ms // generation.windows[0].grain_ms, of_kind)
        if named:
            rng = random.Random(ids.SEED)
            catalogue = TopicCopy(client, 0)
            await catalogue.begin(LINEAGE, 1)
            state = CopyState(LINEAGE, 0, "")
            for some in pieces(articles, 500):
                changes = [
                    Change(f"{SITE}/{article}".encode(), record(article, rng), state.n + number)
                    for number, article in enumerate(some)
                ]
                await catalogue.advance(state, state.n + len(some), "", changes)
                state = CopyState(LINEAGE, state.n + len(some), "")
