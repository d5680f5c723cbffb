"""What a request of a stranger costs: CPU of the reader and of the collector, and bytes answered for each byte sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.bench import ids, served
from tests.bench.collector import collector
from tests.bench.figures import Part
from tests.bench.produce import make_topics
from tests.bench.progress import Progress
from tests.bench.stack import Stack
from tests.bench.traffic import SITE
from tests.support.strangers import (
    AT_ONCE,
    MOST_CPU_MS,
    MOST_TIMES,
    Cost,
    Stranger,
    cost,
    idle,
    of_collector,
    of_reader,
)

ARTICLES = 100_000
_UNBOUNDED = 'client_lists_s = 100000\nproxies = ["127.0.0.1"]\n'
"""What a request costs that is within its client's bounds."""


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """One kind of request after the other."""
    part = Part("strangers")
    articles = 1_000 if quick else ARTICLES
    first = ids.article_ids(articles, "7")[0]
    with served.reader(stack, articles, more=_UNBOUNDED, named=True) as reader:
        kinds = of_reader(SITE, served.SECTIONS, first)
        for board in ("read", "shared", "commented"):  # that lists are in use is not a request's cost
            served.fetch(reader.port, f"/v1/{SITE}/popular/{board}/24h")
            served.fetch(reader.port, f"/v1/{SITE}/popular/{board}/7d")
        served.fetch(reader.port, "/docs")
        _measure(part, "reader", kinds, reader.port, reader.child.pid, progress)
    topic = "bench-strangers"
    asyncio.run(make_topics(stack.kafka.bootstrap, [topic], 1))
    server = collector(stack, topic)
    with server.running() as child:
        _measure(part, "collector", of_collector(), server.port, child.pid, progress)
    part.notes.append(
        f"{AT_ONCE} of each kind are sent at once, each on a connection of its own, and no two alike; the reader has {articles:,} "
        "articles in its catalogue. The CPU is that of the server, opening the connection included, with what it takes "
        "while nobody asks left out. What is refused is answered with a sentence; lists, pages and scripts have a size of "
        "their own, whatever the request's."
    )
    return part


def _measure(part: Part, server: str, kinds: Mapping[str, Stranger], port: int, pid: int, progress: Progress) -> None:
    share = asyncio.run(idle(pid, 3.0))
    with progress.task(f"requests of strangers to the {server}", len(kinds)) as done:
        for name, kind in kinds.items():
            spent = asyncio.run(cost(port, pid, kind, share))
            _add(part, f"{server}: {name}", kind, spent)
            done(1)


def _add(part: Part, name: str, kind: Stranger, spent: Cost) -> None:
    statuses = ", ".join(str(status) for status in sorted({reply.status for reply in spent.replies}))
    times, size = max(reply.times for reply in spent.replies), max(reply.size for reply in spent.replies)
    beside = f"{statuses}; {size:,} bytes, {times:.3g} times the request's"
    part.add(name, spent.cpu_ms, "ms", "" if kind.wide else f"<= {MOST_CPU_MS}", beside)
    if not kind.document:
        part.add(f"{name}: answered", times, "times", f"<= {MOST_TIMES}")
