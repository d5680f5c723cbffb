"""A newspaper of twelve articles on a real reader, and a browser that visits its page."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from deploy.local.faults import MissingTool
from ranker.core import delta
from ranker.core.generation import Generation, ListName
from ranker.core.home import home
from ranker.core.times import HOUR_MS
from ranker.settings import Site
from ranker.store.history import write_ranks
from ranker.store.keys import ShardKeys
from ranker.store.topic_copy import Change, TopicCopy
from tests.conftest import without
from tests.support.reader import GENERATION, Reader, beside, running_reader, until
from tests.support.shard_writer import meta_of, publish

SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SHARDS = 2
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TITLES = (
    "À Port-Aulne, la marée ne rend plus ce qu’elle prend",
    "Dans les coulisses du dernier cinéma de quartier",
    "Pourquoi la facture d’eau va doubler d’ici à 2030",
    "Une nuit avec les éclusiers du canal",
    "Football\u00a0: l’improbable remontée des Corsaires",
    "Bibliothèques\u00a0: la fin des amendes",
    "Le retour inattendu de la machine à écrire",
    "Les marais salants, laboratoire du climat",
    "Cinq soupes pour ne plus craindre novembre",
    "Faut-il encore apprendre à conduire\u202f?",
    "Tramway\u00a0: la ligne C attendra le printemps",
    "Le carnet de bord d’une factrice à vélo",
)
KINDS = ("enquête", "décryptage", "pépites", "light", "rendez-vous")
SECTIONS = ("Environnement", "Culture", "Économie", "Société", "Sport")
MINUTE_MS = 60_000
AGES_MIN = (310, 61, 24 * 60, 3 * 24 * 60, 0, 12, 121, 60, 75 * 24 * 60, 600, 20 * 60, 26 * 60)
BEFORE = (0, 3, 1, 2, 5, 4, 7, 6, 8, 10, 11, 9)
"""In which order the articles stood an hour ago, among the most read; /5 was away, and /1 had come four hours ago."""
LIST = "/v1/demo/popular/read/24h"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def counts(article: int) -> dict[str, int]:
    """What an article has been counted, by outcome: no two alike among the first ten, singulars among them."""
    return {"view": 1234 - article * 100, "comment": 1 + (article * 7) % 12, "share": 2 + (article * 5) % 12}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    if path is None:
        without(MissingTool("chromium is not installed: apt-get install chromium"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def close_pages(browser: Browser) -> None:
    for context in browser.contexts:
        await context.close()


@asynccontextmanager
async def newspaper(
    redis_url: str, generation: Generation = GENERATION, site: Site | None = None
) -> AsyncIterator[Reader]:
    """Twelve articles with titles, their hours, and the ranks they had; the clock is the real one and goes on."""
    site = site or Site("La Dépêche de Port-Aulne")
    async with running_reader(redis_url, {"demo": site}, None) as running:
        views = [("demo", f"/{i}", outcome, count) for i in range(len(TITLES)) for outcome, count in counts(i).items()]
        await _history(running.client, generation)
        await publish(running.client, generation, SHARDS, views, now_ms())
        await _hours(running.client, generation)
        await _catalogue(running)
        yield running


async def _hours(client: Any, generation: Generation) -> None:
    """Each article's views in slices of one minute an hour; the last hours have most of them."""
    minute = now_ms() // MINUTE_MS
    for i in range(len(TITLES)):
        keys = ShardKeys(generation.id, home(f"demo//{i}".encode(), SHARDS))
        for ago in range(24):
            counted = {"view": {f"/{i}": 90 - 3 * ago + (ago * 7 + i) % 20}, "share": {f"/{i}": 1 + ago % 2}}
            slice_ = minute - ago * 60
            await client.sadd(keys.slices, f"0:{slice_}")
            await client.rpush(keys.slice(0, slice_), delta.pack({"demo": counted}))


async def _history(client: Any, generation: Generation) -> None:
    hour = now_ms() // HOUR_MS
    name = ListName("demo", "read", "24h")
    for ago in range(5, -1, -1):
        # the entry that is compared with is half an hour to two hours old: the last two say the same
        order = BEFORE if ago < 3 else BEFORE[::-1]
        ids = [f"/{i}" for i in order if (i != 5 or ago > 2) and (i != 1 or ago < 5)]
        await write_ranks(client, generation.id, hour - ago, {name: ids})


async def _catalogue(running: Reader) -> None:
    shard = TopicCopy(running.client, 0)
    await shard.begin("ab" * 8, 1)
    state = await shard.load()
    assert state is not None
    articles = [
        {
            "site_id": "demo",
            "article_id": f"/{i}",
            "title": title,
            "url": f"https://demo.example/{i}",
            "format": KINDS[i % 5],
            "section": SECTIONS[i % 5],
            "published_at": now_ms() - AGES_MIN[i] * MINUTE_MS - 1000,
            "status": "published",
        }
        for i, title in enumerate(TITLES)
    ]
    changes = [Change(f"demo//{i}".encode(), orjson.dumps(article), i) for i, article in enumerate(articles)]
    assert await shard.advance(state, len(changes), "9:1:1", changes)

    async def titled() -> bool:
        return len(running.board.articles) == len(TITLES)

    await until(titled, "catalogue")


@asynccontextmanager
async def clocks(reader: Reader, generation: Generation = GENERATION) -> AsyncIterator[None]:
    """What consumers do while nothing comes: the clocks of the shards go on."""

    async def go_on() -> None:
        while True:
            for shard in range(SHARDS):
                meta = meta_of(generation, now_ms(), SHARDS)
                await reader.client.hset(ShardKeys(generation.id, shard).meta, mapping=meta)
            await asyncio.sleep(0.2)

    async with beside(go_on()):
        yield


class Visit:
    """One open page, what it requested, and what the browser had to complain about."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._ask(request.url, origin))

    def _ask(self, url: str, origin: str) -> None:
        (self.asked if url.startswith(origin) else self.foreign).append(url.removeprefix(origin.rstrip("/")))

    def board(self, name: str) -> Locator:
        return self.page.locator(f'.board[data-board="{name}"]')

    async def column(self, board: str, cell: str) -> list[str]:
        return [text.strip() for text in await self.board(board).locator(cell).all_inner_texts()]


async def visit(browser: Browser, reader: Reader, query: str = "", **how: Any) -> Visit:
    """Opens the page and waits until it is live."""
    page = await browser.new_page(**{"locale": "fr-FR", "viewport": {"width": 1280, "height": 1010}, **how})
    origin = f"http://127.0.0.1:{reader.port}/"
    seen = Visit(page, origin)
    await page.goto(origin + query)
    await expect(seen.page.locator("#updated")).not_to_be_empty()
    return seen


async def shot(seen: Visit, name: str, **how: Any) -> None:
    """A screenshot once nothing moves any more; kept in build/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    # Not wait_for_function: it needs eval, which the page's own policy may refuse it.
    await seen.page.evaluate("Promise.allSettled(document.getAnimations().map((moving) => moving.finished))")
    await seen.page.screenshot(path=SHOTS / f"{name}.png", **how)
