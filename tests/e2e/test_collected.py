"""From a reader's browser to the list: tracker, collector, Kafka, consumer, reader, page, each in its own process."""

import asyncio
import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.launcher import program
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from deploy.local.supervisor import Supervisor
from tests.conftest import without
from tests.support.page_site import Visit, chromium
from tests.support.tracked_site import AGENT, CollectorServer, Newsstand, newsstand, read, reading
from tests.support.tracker_site import PRERENDER, Unwatched, unwatched

pytestmark = pytest.mark.asyncio(loop_scope="module")
# The embedded broker takes seconds to form a group, Apache Kafka longer to come back on a busy machine.
COUNTED_S = 60.0


@dataclass
class Engine:
    """Everything runs; nothing has been read yet."""

    broker: EmbeddedKafka | ApacheKafka
    supervisor: Supervisor
    collector: CollectorServer
    site: Newsstand
    page: str

    def places(self, board: str) -> dict[str, int]:
        """Article to count, as the API has it."""
        url = f"{self.page}v1/demo/popular/{board}/24h?limit=1000"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5.0) as reply:
            answer: Any = json.load(reply)
            return {item["article_id"]: item["count"] for item in answer["items"]}
        return {}

    async def until(self, what: str, ask: Callable[[], bool]) -> None:
        """Wait for a named condition, the test's own loop going on."""
        await asyncio.to_thread(self.supervisor.until, what, ask, COUNTED_S)

    async def counted(self, article: str, count: int, board: str = "read") -> None:
        await self.until(f"{board} {article} at {count}", lambda: self.places(board).get(article) == count)


@pytest.fixture(scope="module", params=["embedded", pytest.param("apache", marks=pytest.mark.long)])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[Engine]:
    """On a broker of its own, which the tests may stop; the site's pages are what ranker.toml allows, and no others."""
    directory = tmp_path_factory.mktemp(f"collected-{request.param}")
    try:
        ranker = program("ranker")
        kind = EmbeddedKafka if request.param == "embedded" else ApacheKafka
        broker = kind(directory / "kafka")
    except MissingTool as missing:
        without(missing)
    except LocalFault as fault:
        without(MissingTool(str(fault)))
    redis_server.flush()
    with newsstand() as site:
        config = directory / "ranker.toml"
        config.write_text(f'[sites.demo]\norigins = ["{site.origin}"]\n')
        environment = {
            "RANKER_KAFKA_BOOTSTRAP": broker.bootstrap,
            "RANKER_REDIS_URL": redis_server.url,
            "RANKER_ENV": "production" if request.param == "apache" else "development",
            "RANKER_CONFIG": str(config),
            "RANKER_WRITE_KEYS": "demo=a-key-for-servers-of-the-tests",
        }
        supervisor = Supervisor(directory, environment)
        collector = CollectorServer(directory / "collector", config, environment)
        port, consumer_port, reader_port = free_port(), free_port(), free_port()
        try:
            broker.start()
            supervisor.run("topics command", [ranker, "topics", "apply"])
            consumer = supervisor.start("consumer", [ranker, "consume", "--admin-port", str(consumer_port)])
            ports = ["--port", str(port), "--admin-port", str(reader_port)]
            reader = supervisor.start("reader", [ranker, "serve", *ports, "--drain-s", "0"])
            collector.start()
            site.collector = collector.url
            supervisor.until_ready(consumer, consumer_port, 30.0)
            supervisor.until_ready(reader, reader_port, 30.0)
            yield Engine(broker, supervisor, collector, site, f"http://{HOST}:{port}/")
            supervisor.check()
        finally:
            collector.stop()
            supervisor.stop(5.0)
            broker.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(engine: Engine) -> AsyncIterator[BrowserContext]:
    """A reader's browser, closed before the servers that it visits."""
    del engine
    async with reading() as context:
        yield context


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(engine: Engine) -> AsyncIterator[Browser]:
    """Another browser, driven by a program as it says itself."""
    del engine
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tabs(engine: Engine) -> AsyncIterator[Unwatched]:
    """A browser with real background tabs and prerendered pages."""
    del engine
    async with unwatched(f"--user-agent={AGENT}") as tabs:
        yield tabs


async def shown(page: Visit, board: str) -> list[tuple[str, str]]:
    """Article and count in digits, as people see them on the page; of one moment, since it goes on changing."""
    cells = "rows => rows.map(row => ['[part=title]', '[part=count]'].map(cell => row.querySelector(cell).innerText.trim()))"
    rows: list[list[str]] = await page.board(board).locator("li:has([part=title])").evaluate_all(cells)
    return [(title, "".join(filter(str.isdigit, count))) for title, count in rows]


async def test_what_is_read_and_shared_is_on_the_page(engine: Engine, reader: BrowserContext, editor: Browser) -> None:
    """Each opening is a view under the canonical link, a click a share; the editor's own browser sees them come."""
    seen = Visit(await editor.new_page(locale="fr-FR"), engine.page)
    await seen.page.goto(f"{engine.page}?site=demo")
    views, shares = [("/articles/ecluses", "3"), ("/articles/marais", "1")], [("/articles/ecluses", "1")]
    for query in ("", "?id=1#part", "?id=2"):
        assert await read(reader, engine.site.article("ecluses") + query, share=not query) == 202
    assert await read(reader, engine.site.article("marais")) == 202
    deadline = time.monotonic() + COUNTED_S
    found = None
    while found != (views, shares) and time.monotonic() < deadline:
        found = await shown(seen, "read"), await shown(seen, "shared")
        await asyncio.sleep(0.1)
    assert found == (views, shares)
    assert await shown(seen, "commented") == []
    assert seen.complaints == []
    await seen.page.close()


async def test_one_article_however_its_address_is_written(engine: Engine, reader: BrowserContext) -> None:
    """The browser keeps the case of an address's digits and its trailing slash, in the canonical link too."""
    for spelling in (
        "soci%C3%A9t%C3%A9",
        "soci%c3%a9t%c3%a9/",
        "soci\u00e9t%c3%a9?utm_source=x",
        "x/../socie\u0301te\u0301",
    ):
        assert await read(reader, engine.site.article(spelling)) == 202
    await engine.counted("/articles/société", 4)


async def test_a_browser_that_is_driven_is_in_no_list(engine: Engine, reader: BrowserContext, editor: Browser) -> None:
    """It is accepted, as bot; the reader who comes after it is counted."""
    assert await read(await editor.new_context(), engine.site.article("robots")) == 202
    assert await read(reader, engine.site.article("robots")) == 202
    await engine.counted("/articles/robots", 1)


async def test_a_tab_behind_another_is_read_when_it_is_shown(engine: Engine, tabs: Unwatched) -> None:
    """Loaded and never seen is no view."""
    site, path = engine.site, "/articles/behind"
    front = await tabs.open(site.article("front"))
    await engine.counted("/articles/front", 1)
    site.held[path] = threading.Event()
    behind = await tabs.open(site.article("behind"))
    await tabs.show(front)
    site.held.pop(path).set()
    await engine.until("The loading of the tab", lambda: (path, "hidden") in site.said)
    other = await tabs.open(site.article("after"))
    await engine.counted("/articles/after", 1)
    assert path not in engine.places("read")
    await tabs.show(behind)
    await engine.counted(path, 1)
    for tab in (front, behind, other):
        await tabs.close(tab)


async def test_a_page_prepared_in_advance_is_not_read(engine: Engine, tabs: Unwatched) -> None:
    """Prerendered by the browser, script and all, and never gone to."""
    site, path = engine.site, "/articles/prepared"
    site.heads["/articles/preparing"] = PRERENDER.format(path)
    tab = await tabs.open(site.article("preparing"))
    await engine.until("The prerendering", lambda: (path, "prerendered") in site.said)
    await engine.counted("/articles/preparing", 1)
    other = await tabs.open(site.article("afterwards"))
    await engine.counted("/articles/afterwards", 1)
    assert path not in engine.places("read")
    for one in (tab, other):
        await tabs.close(one)


async def test_simulated_traffic_goes_this_way_in_part(engine: Engine) -> None:
    """With the site's key from the environment: the share is reported, accepted by the collector, and counted with the rest."""
    before = engine.collector.metric("collector_events_total")
    argv: list[str | Path] = [
        program("producers"),
        "simulate",
        "--articles",
        "20",
        "--rate",
        "2000",
        "--events",
        "1000",
    ]
    argv += ["--collector", engine.collector.url, "--collector-share", "0.25", "--json"]
    await asyncio.to_thread(engine.supervisor.run, "simulate", argv)
    summary = json.loads(engine.supervisor.log_of("simulate").read_text().splitlines()[-1])
    assert (summary["live"], summary["collected"]) == (1000, 250)
    assert summary["kinds"] == {"plain": 1000}
    assert engine.collector.metric("collector_events_total") == before + 250

    def counted() -> int:
        boards = [engine.places(board) for board in ("read", "commented", "shared")]
        return sum(count for places in boards for name, count in places.items() if not name.startswith("/articles/"))

    await engine.until("All events counted", lambda: counted() == 1000)


async def test_nothing_accepted_is_lost(engine: Engine, reader: BrowserContext) -> None:
    """Kafka away, and the collector killed meanwhile: what was answered with 202 is counted when Kafka is back.

    What was under way may be in the log twice; no more than the metric says.
    """
    article, collector, broker = engine.site.article("tenace"), engine.collector, engine.broker
    assert await read(reader, article) == 202
    await engine.counted("/articles/tenace", 1)
    # The embedded broker forgets everything when it ends, so it is frozen: the consumer and its group see it go, too.
    away, back = (broker.kill, broker.start) if isinstance(broker, ApacheKafka) else (broker.suspend, broker.resume)
    await asyncio.to_thread(away)
    try:
        assert [await read(reader, article) for _ in range(2)] == [202, 202]
        assert collector.metric("collector_spool_events") == 2
        collector.kill()
        await asyncio.to_thread(collector.start)
        assert collector.metric("collector_spool_events") == 2
        assert await read(reader, article) == 202
    finally:
        await asyncio.to_thread(back)
    await engine.until("An empty spool", lambda: collector.metric("collector_spool_events") == 0)
    resent = int(collector.metric("collector_resent_events_total"))
    accepted = 4
    await engine.until("All views counted", lambda: engine.places("read").get("/articles/tenace", 0) >= accepted)
    assert accepted <= engine.places("read")["/articles/tenace"] <= accepted + resent
