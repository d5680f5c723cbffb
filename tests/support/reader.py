"""A reader that runs in the test's own loop, on the real server and a real Redis, with a clock set by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from ranker.connect.redis import ANSWER_S, connect
from ranker.core.generation import Generation
from ranker.core.rising_boards import RisingBoard
from ranker.lists.boards import NOTHING_RISES
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.api.clients import Clients
from ranker.serve.app import Web
from ranker.serve.http.reader_port import reader_port
from ranker.serve.live.board import Board
from ranker.serve.live.build_live import build_live
from ranker.serve.live.demand import Demand
from ranker.serve.live.hourly import Hourly
from ranker.serve.live.published import Ages
from ranker.serve.live.refresh import Refresh
from ranker.serve.pages.front import Page
from ranker.service import http_server
from ranker.service.address import Addresses, Network
from ranker.service.connections import Connections
from ranker.settings import Caching, Site
from tests.support.defaults import CACHING, DEFAULT_BOARDS, DEFAULT_WINDOWS, LISTS_S, STREAMS
from tests.support.http import Answer, head, raw
from tests.support.redis_at import redis_at

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
T = 1_795_396_624_735
LIST = "/v1/demo/popular/read/24h"
PARTITIONS = 2
VIEWS = [("demo", f"/{i}", "view", i + 1) for i in range(30)]


@dataclass
class Reader:
    """A reader that runs: its port, its clock (set by hand), its Redis."""

    port: int
    board: Board
    demand: Demand
    refresh: Refresh
    web: Web
    client: Any
    registry: Any
    now_ms: int | None = T

    async def get(self, target: str, method: str = "GET", **headers: str) -> Answer:
        return await raw(self.port, head(target, method, connection="close", **headers))

    async def ranking(self, target: str = LIST) -> Any:
        answer = await self.get(target)
        assert answer.status == 200, answer
        return answer.json

    def items(self, answer: Any) -> list[tuple[str, int]]:
        return [(item["article_id"], item["count"]) for item in answer["items"]]


async def ready(reader: Reader) -> bool:
    return reader.board.not_ready() == []


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Waits for a named condition: its first true answer, which must come within 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if result := await condition():
            return result
        await asyncio.sleep(0.02)
    pytest.fail(f"within 20 s there was no {what}")


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the block, and has it ended before anything it uses is closed."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        if not done:
            task.print_stack()
            pytest.fail(f"{task.get_name()} goes on after it was cancelled")


@asynccontextmanager
async def running_reader(
    redis_url: str,
    sites: Mapping[str, str | Site],
    now_ms: int | None = T,
    *,
    caching: Caching = CACHING,
    refresh_ms: int = 50,
    proxies: Iterable[Network] = (),
    rising: Mapping[str, RisingBoard] = NOTHING_RISES,
    unusual: Collection[str] = (),
    answer_s: float = ANSWER_S,
) -> AsyncIterator[Reader]:
    """`sites` by name, with a title or as configured. `now_ms` None: the real clock. `answer_s`: how long for Redis.

    `rising` boards are the configured ones; `unusual` windows are there for them alone.
    """
    async with AsyncExitStack() as stack:
        client = connect(redis_at(redis_url), answer_s=answer_s)
        stack.push_async_callback(client.aclose)
        registry = new_registry()
        metrics = ReaderMetrics(registry)
        configured = {name: Site(site) if isinstance(site, str) else site for name, site in sites.items()}
        live = build_live(
            client,
            sites=configured,
            refresh_ms=refresh_ms,
            ages=Ages(30_000, 3_600_000),
            metrics=metrics,
            now_ms=lambda: time.time_ns() // 1_000_000 if running.now_ms is None else running.now_ms,
            rising=rising,
        )
        clients = Clients(Addresses(proxies), STREAMS, LISTS_S)
        hourly = Hourly(client, live.board.now_ms)
        web = Web(live, hourly, Page(configured, unusual), caching, clients, metrics)
        public = reader_port(web.app.at_once, Connections(), asyncio.Event(), lambda: None)
        port = await stack.enter_async_context(http_server.serving(web.app, "127.0.0.1", 0, public))
        running = Reader(port, live.board, live.demand, live.refresh, web, client, registry, now_ms)
        await stack.enter_async_context(beside(live.refresh.run()))
        await stack.enter_async_context(beside(web.run()))
        yield running
