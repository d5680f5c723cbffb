"""A web server's real log through the real commands, to the list over HTTP and on the page, against a recount."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.local import launcher
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from deploy.local.supervisor import Supervisor
from producers import agents
from tests.conftest import without
from tests.support import access_log
from tests.support.access_log import AccessLog
from tests.support.recount import ranked

CHECKOUT = Path(__file__).parents[2]
LOG = CHECKOUT.parent / "shared" / "data" / "access-2015-05-17.log"
SHOTS = CHECKOUT / "build" / "screenshots"
PATTERN = r"^/((?:blog/(?!tags/)[^/]+|articles|projects|presentations)/[^/]+?)(?:\.html|/)?$"
# The log twice, each under a site of its own: what is done with bots, which end in no list either way.
SITES = {"marked": "mark", "dropped": "drop"}
WINDOWS_S = {"24h": 86_400, "7d": 7 * 86_400}
# The embedded broker's end offsets can lag one batch: it says too early that all is read, for less than this.
SETTLED_MS = 1_000
# While one shard's floor has moved and another's has not, the last list stays this long.
KEPT_MS = 5_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Engine:
    """Everything runs and the log was sent, before `sent_by_ms`. `summaries` is what replay printed, by site."""

    kafka: str
    supervisor: Supervisor
    page: str
    metrics: str
    log: AccessLog
    summaries: dict[str, Any]
    sent_from_ms: int
    sent_by_ms: int

    def answer(self, site: str, window: str) -> Any:
        """Return the whole list over HTTP, once it says that all of the log is counted."""
        url = f"{self.page}v1/{site}/popular/read/{window}?limit=1000"

        def all_counted() -> Any:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5.0) as reply:
                answer = json.load(reply)
                return answer if milliseconds(answer["as_of"]) >= self.sent_by_ms + SETTLED_MS else None

        return self.supervisor.until(f"An as_of of {site} after the replay", all_counted, 30.0)

    def recounted(self, site: str, answer: Any) -> list[tuple[int, str, int]]:
        """Return what the answer's items should be."""
        from_ms = milliseconds(answer["window"]["from"])
        counts = self.log.counts(from_ms - self.summaries[site]["shift_ms"])
        return [(rank, article, count) for rank, (article, count) in enumerate(ranked(counts), 1)]


def milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def places(answer: Any) -> list[tuple[int, str, int]]:
    return [(item["rank"], item["article_id"], item["count"]) for item in answer["items"]]


@pytest.fixture(scope="module")
def log() -> AccessLog:
    """The recount of the log that lies beside the checkout."""
    if not LOG.is_file():
        without(MissingTool(f"the log {LOG.name} is not in shared/data beside the checkout"))
    return access_log.read(LOG)


@pytest.fixture(scope="module", params=[pytest.param("embedded", marks=pytest.mark.long), "apache"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, log: AccessLog
) -> Iterator[Engine]:
    """The commands that README gives; on Apache Kafka as in production. The log comes while the consumer starts."""
    broker = request.getfixturevalue(f"kafka_{request.param}")
    try:
        ranker, producers = launcher.program("ranker"), launcher.program("producers")
    except LocalFault as fault:
        without(MissingTool(str(fault)))
    redis_server.flush()
    directory = tmp_path_factory.mktemp(request.param)
    topic, config = f"real-log.{os.urandom(4).hex()}", directory / "ranker.toml"
    config.write_text(f'topic = "{topic}"\n')
    supervisor = Supervisor(
        directory,
        {
            "RANKER_KAFKA_BOOTSTRAP": broker.bootstrap if isinstance(broker, ApacheKafka) else broker,
            "RANKER_REDIS_URL": redis_server.url,
            "RANKER_ENV": "production" if isinstance(broker, ApacheKafka) else "development",
            "RANKER_CONFIG": str(config),
        },
    )
    port, consumer_port, reader_port = free_port(), free_port(), free_port()
    try:
        supervisor.run("topics command", [ranker, "topics", "apply"])
        consumer = supervisor.start("consumer", [ranker, "consume", "--admin-port", str(consumer_port)])
        ports = ["--port", str(port), "--admin-port", str(reader_port)]
        reader = supervisor.start("reader", [ranker, "serve", *ports, "--drain-s", "0"])
        sent_from_ms = time.time_ns() // 1_000_000
        summaries = {}
        for site, bots in SITES.items():
            options = ["--article-pattern", PATTERN, "--rebase-to", "now", "--json", "--topic", topic]
            supervisor.run(f"replay {site}", [producers, "replay", LOG, "--site", site, "--bots", bots, *options])
            summaries[site] = json.loads(supervisor.log_of(f"replay {site}").read_text().splitlines()[-1])
        sent_by_ms = time.time_ns() // 1_000_000
        supervisor.until_ready(consumer, consumer_port, 30.0)
        supervisor.until_ready(reader, reader_port, 30.0)
        page, metrics = f"http://{HOST}:{port}/", f"http://{HOST}:{consumer_port}/metrics"
        yield Engine(request.param, supervisor, page, metrics, log, summaries, sent_from_ms, sent_by_ms)
        supervisor.check()
    finally:
        supervisor.stop(5.0)


@pytest.mark.parametrize("site", SITES)
def test_the_replay_reports_what_became_of_every_line(engine: Engine, site: str) -> None:
    """Lines, what was sent, what was skipped and why, and the times after the shift: all as the recount has them."""
    summary = dict(engine.summaries[site])
    shift_ms = summary["shift_ms"]
    assert engine.sent_from_ms <= engine.log.latest_ms + shift_ms <= engine.sent_by_ms
    sent = engine.log.views if site == "marked" else engine.log.people()
    bots = len(engine.log.views) - len(sent)
    assert summary == {
        "lines": engine.log.lines,
        "sent": len(sent),
        "skipped": {reason: engine.log.skipped[reason] for reason in ("malformed", "method", "status", "pattern")}
        | {"bot": bots, "future": 0},
        "shift_ms": shift_ms,
        "first_occurred_at": min(view.at_ms for view in sent) + shift_ms,
        "last_occurred_at": max(view.at_ms for view in sent) + shift_ms,
        "twice": 0,
        "faults": [],
        "not_understood": [],
        "without_repeat_key": None,
        "without_agent": 0,
        "formats": {"combined": 1},
        "hosts": [],
        "crawler_lists": agents.LISTS,
    }


@pytest.mark.parametrize("window", WINDOWS_S)
@pytest.mark.parametrize("site", SITES)
def test_the_list_is_the_recount(engine: Engine, site: str, window: str) -> None:
    """Every place, its count, the order of equals, and the total, since the answer's own `from`."""
    answer = engine.answer(site, window)
    expected = engine.recounted(site, answer)
    assert places(answer) == expected
    assert answer["total"] == sum(count for _, _, count in expected)
    assert (answer["complete"], answer["stale"]) == (True, False)
    assert answer["window"]["to"] == answer["as_of"]
    length_ms, grain_ms = WINDOWS_S[window] * 1000, answer["window"]["grain_s"] * 1000
    covered_ms = milliseconds(answer["as_of"]) - milliseconds(answer["window"]["from"])
    assert length_ms <= covered_ms < length_ms + grain_ms + KEPT_MS


def test_the_log_puts_the_engine_to_the_test(engine: Engine) -> None:
    """A day shows a part of it and a week all, equals stand in a row, bots are among the views."""
    day, week = engine.answer("marked", "24h"), engine.answer("marked", "7d")
    assert 0 < day["total"] < week["total"] == len(engine.log.people()) < len(engine.log.views)
    assert len({item["count"] for item in day["items"][:10]}) < 10


def test_bots_are_read_and_left_out(engine: Engine) -> None:
    """The consumer tells how many views it counted and how many a rule dropped."""
    for site in SITES:
        engine.answer(site, "7d")
    with urllib.request.urlopen(engine.metrics, timeout=5.0) as reply:
        lines = re.findall(r'^ranker_events_total{outcome="(.+)"} (.+)$', reply.read().decode(), re.MULTILINE)
    people = len(engine.log.people())
    counted = {outcome: float(count) for outcome, count in lines if float(count)}
    assert counted == {"view": people * len(SITES), "!bot": len(engine.log.views) - people}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, started once: it takes seconds."""
    path = shutil.which("chromium")
    if path is None:
        without(MissingTool("chromium is not installed: apt-get install chromium"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def shown_on(page: Page) -> list[tuple[int, str, int]]:
    """(rank, title, count) of the places that people see under "Les plus lus"."""
    rows = page.locator('.board[data-board="read"] li')
    cells = [await rows.locator(cell).all_inner_texts() for cell in ("[part=rank]", "[part=title]", "[part=count]")]
    return [
        (int(rank.rstrip(".")), title.strip(), int(re.sub(r"\D", "", count)))
        for rank, title, count in zip(*cells, strict=True)
    ]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_shows_the_same_first_ten(engine: Engine, browser: Browser) -> None:
    """In both periods. The screenshots are kept in build/screenshots."""
    page = await browser.new_page(locale="fr-FR", viewport={"width": 1280, "height": 1010})
    await page.goto(f"{engine.page}?site=marked")
    for window in WINDOWS_S:
        await page.locator(f'.switch input[value="{window}"]').check()
        deadline = time.monotonic() + 10
        while True:
            # A minute may leave the day while we look: the list then changes, and the page a second later.
            answer = await asyncio.to_thread(engine.answer, "marked", window)
            expected, shown = engine.recounted("marked", answer)[:10], await shown_on(page)
            if shown == expected or time.monotonic() > deadline:
                break
        assert shown == expected
        assert len(shown) == 10
        await expect(page.locator("#notice")).to_be_hidden()
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.evaluate("Promise.allSettled(document.getAnimations().map((moving) => moving.finished))")
        await page.screenshot(path=SHOTS / f"real-log-{engine.kafka}-{window}.png")
    await page.close()
