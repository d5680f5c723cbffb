"""The page in a real browser: three lists that move, two languages, narrow and dark, and honest when it is behind."""

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.local.faults import MissingTool
from ranker.store.catalogue import CatalogueShard, Change
from ranker.store.keys import ShardKeys
from tests.by_hand import count_in, meta_of, publish, write
from tests.conftest import without
from tests.reading import GENERATION, Reader, beside, running_reader, until

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
)
KINDS = ("enquête", "décryptage", "pépites", "light", "rendez-vous")
SECTIONS = ("Environnement", "Culture", "Économie", "Société", "Sport")
MINUTE_MS = 60_000
AGES_MIN = (310, 61, 24 * 60, 3 * 24 * 60, 0, 12, 121, 60, 45 * 24 * 60, 600)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    if path is None:
        without(MissingTool("chromium is not installed: apt-get install chromium"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def keep_alive(reader: Reader) -> None:
    """What consumers do while nothing comes: the clocks of the shards go on."""
    while True:
        for shard in range(SHARDS):
            meta = meta_of(GENERATION, now_ms(), SHARDS)
            await reader.client.hset(ShardKeys(GENERATION.id, shard).meta, mapping=meta)
        await asyncio.sleep(0.2)


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """Ten articles of a newspaper, with titles; the clock is the real one."""
    async with running_reader(redis_url, {"demo": "La Dépêche de Port-Aulne"}, None) as running:
        views = [
            ("demo", f"/{i}", outcome, count)
            for i in range(10)
            for outcome, count in (("view", 1234 - i * 100), ("comment", 1 + (i * 7) % 10), ("share", 2 + (i * 3) % 10))
        ]
        await publish(running.client, GENERATION, SHARDS, views, now_ms())
        shard = CatalogueShard(running.client, 0)
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
            return len(running.refresher.articles) == len(TITLES)

        await until(titled, "catalogue")
        yield running


@pytest.fixture
async def beating(reader: Reader) -> AsyncIterator[None]:
    """Clocks that go on."""
    async with beside(keep_alive(reader)):
        yield


class Visit:
    """One open page, and what the browser had to complain about."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(origin) else self.foreign.append(r.url))

    def board(self, name: str) -> Any:
        return self.page.locator(f'.board[data-board="{name}"]')

    async def column(self, board: str, cell: str) -> list[str]:
        return [text.strip() for text in await self.board(board).locator(cell).all_inner_texts()]


async def visit(browser: Browser, reader: Reader, query: str = "", **how: Any) -> Visit:
    page = await browser.new_page(**{"locale": "fr-FR", "viewport": {"width": 1280, "height": 1010}, **how})
    origin = f"http://127.0.0.1:{reader.port}/"
    visit = Visit(page, origin)
    await page.goto(origin + query)
    await expect(visit.board("read").locator(".rank").first).to_be_visible()
    return visit


async def shot(visit: Visit, name: str) -> None:
    """A screenshot once nothing moves any more; kept in build/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    # Not wait_for_function: it needs eval, which the page's own policy may refuse it.
    await visit.page.evaluate("Promise.allSettled(document.getAnimations().map((moving) => moving.finished))")
    await visit.page.screenshot(path=SHOTS / f"{name}.png")


async def test_three_lists_that_move(browser: Browser, reader: Reader, beating: None) -> None:
    """Numbers, titles, kinds, ages and counts in French; an article that overtakes another climbs while one looks."""
    seen = await visit(browser, reader)
    await expect(seen.page.locator("h1")).to_have_text("Articles populaires")
    assert await seen.page.locator("h2").all_inner_texts() == [
        "Les plus lus",
        "Les plus commentés",
        "Les plus partagés",
    ]
    await expect(seen.board("shared").locator(".rank")).to_have_count(10)
    assert await seen.column("read", ".rank") == [f"{rank:02d}." for rank in range(1, 11)]
    assert await seen.column("read", ".title") == list(TITLES)
    assert (await seen.column("read", ".count"))[0] == "1\u202f234\u00a0lectures"
    assert (await seen.column("commented", ".count"))[-1] == "1\u00a0commentaire"
    ages = await seen.column("read", ".age")
    assert ages[:8] == [
        text.replace("_", "\u00a0")
        for text in (
            "il y a_5_heures_10_min",
            "il y a_1_heure_1_min",
            "il y a_1_jour",
            "il y a_3_jours",
            "à l’instant",
            "il y a_12_min",
            "il y a_2_heures_1_min",
            "il y a_1_heure",
        )
    ]
    assert re.fullmatch(r"\d+ \w+ \d{4}", ages[8])
    link = seen.board("read").locator(".title a").first
    assert await link.get_attribute("href") == "https://demo.example/0"
    await shot(seen, "page")
    async with reader.client.pipeline(transaction=False) as pipe:
        for shard in range(SHARDS):
            count_in(pipe, GENERATION, shard, "demo", "/none", "view", 1)
        await pipe.execute()
    views = [("demo", f"/{i}", "view", 5000 if i == 4 else 1234 - i * 100) for i in range(10)]
    await write(reader.client, GENERATION, SHARDS, views, now_ms())
    await expect(seen.board("read").locator(".title").first).to_have_text(TITLES[4])
    assert await seen.column("read", ".rank") == [f"{rank:02d}." for rank in range(1, 11)]
    await expect(seen.board("shared").locator("li")).to_have_text("Rien encore sur cette période.")
    assert (seen.complaints, seen.foreign) == ([], [])


async def test_the_period_by_keyboard(browser: Browser, reader: Reader, beating: None) -> None:
    """Tab to the switch, an arrow key: seven days, in the address too, so that it can be shared."""
    seen = await visit(browser, reader)
    day, week = (seen.page.get_by_role("radio", name=name) for name in ("24\u00a0heures", "7\u00a0jours"))
    await expect(day).to_be_checked()
    await day.focus()
    async with seen.page.expect_response(lambda response: "/popular/read/7d?" in response.url):
        await seen.page.keyboard.press("ArrowRight")
    await expect(week).to_be_checked()
    await expect(week).to_be_focused()
    assert "window=7d" in seen.page.url
    await seen.page.reload()
    await expect(seen.page.get_by_role("radio", name="7\u00a0jours")).to_be_checked()
    await seen.page.get_by_role("link", name="English").click()
    await expect(seen.page.get_by_role("radio", name="7\u00a0days")).to_be_checked()
    assert seen.complaints == []


async def test_french_until_english_is_chosen(browser: Browser, reader: Reader, beating: None) -> None:
    """An English browser sees French; the choice stands in the address alone, so another visit is French again."""
    seen = await visit(browser, reader, locale="en-GB")
    heading, language = seen.page.locator("h1"), seen.page.locator("html")
    await expect(heading).to_have_text("Articles populaires")
    await expect(language).to_have_attribute("lang", "fr")
    await expect(seen.board("read").locator(".count").first).to_have_text("1\u202f234\u00a0lectures")
    await seen.page.get_by_role("link", name="English").click()
    await expect(heading).to_have_text("Popular articles")
    await expect(language).to_have_attribute("lang", "en")
    await seen.page.reload()
    await expect(heading).to_have_text("Popular articles")
    await seen.page.goto(seen.page.url.partition("?")[0])
    await expect(heading).to_have_text("Articles populaires")
    assert seen.complaints == []


@pytest.mark.parametrize("width", [360, 700])
async def test_narrow_and_dark_in_english(browser: Browser, reader: Reader, beating: None, width: int) -> None:
    """No sideways scrolling, dark where that is preferred, English words and singulars."""
    narrow: dict[str, Any] = {"color_scheme": "dark", "viewport": {"width": width, "height": 900}}
    seen = await visit(browser, reader, "?lang=en", **narrow)
    await expect(seen.page.locator("h1")).to_have_text("Popular articles")
    await expect(seen.board("shared").locator(".rank")).to_have_count(10)
    assert (await seen.column("read", ".count"))[0] == "1,234\u00a0reads"
    assert (await seen.column("read", ".age"))[0] == "5\u00a0hours\u00a010\u00a0min ago"
    assert await seen.page.evaluate("document.documentElement.scrollWidth") <= width
    background = await seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", background)[:3])) < 150
    await shot(seen, f"page-dark-{width}")
    assert seen.complaints == []


async def test_it_says_when_it_is_behind_or_incomplete(browser: Browser, reader: Reader) -> None:
    """A list that is late, short of something, or no longer refreshed is marked, in words."""
    seen = await visit(browser, reader)
    notice = seen.page.locator("#notice")
    await expect(notice).to_be_hidden()
    views = [("demo", f"/{i}", "view", 10 + i) for i in range(10)]
    await write(reader.client, GENERATION, SHARDS, views, now_ms(), {1: {"refused": 1}})
    await expect(notice).to_contain_text("Liste incomplète\u00a0:")
    started_ms = time.monotonic_ns() // 1_000_000
    ahead_ms = now_ms() + 31_000
    reader.refresher.now_ms = lambda: ahead_ms + time.monotonic_ns() // 1_000_000 - started_ms
    await expect(notice).to_contain_text("Liste en retard\u00a0:")
    await shot(seen, "page-stale")
    await seen.page.context.set_offline(True)
    await expect(notice).to_contain_text("Connexion perdue", timeout=20_000)
    await expect(seen.board("read").locator(".rank")).to_have_count(10)
    await seen.page.context.set_offline(False)
    await expect(notice).to_contain_text("Liste en retard\u00a0:", timeout=20_000)
