"""Days and weeks in a real browser: the page, on paper, the mail by day and by night, the archive, the front page."""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from ranker.core.best_of import Key, Row
from ranker.settings import Site
from tests.support.best_of_documents import BEFORE, ROWS, SATURDAY, calendar, has, made, store, two_weeks
from tests.support.page_site import KINDS, SECTIONS, SHOTS, TITLES, clocks, newspaper
from tests.support.reader import Reader, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEEK = "/v1/demo/best-of/week/2026-11-21"


def documents() -> dict[Key, bytes]:
    """Two weeks, one with twelve articles, and the days of the newest."""
    found = two_weeks()
    rows = [
        *ROWS[:4],
        *(
            Row(f"/{n}", 4_000 - n * 100, title, f"https://demo.example/{n}", SECTIONS[n % 5], KINDS[n % 5])
            for n, title in enumerate(TITLES[5:])
        ),
        Row("/sans-titre", 900),
    ]
    before = SATURDAY - timedelta(days=7)
    listed: Mapping[Any, Any] = {
        before - timedelta(days=7): ["/culture/cinema"],
        before: (*BEFORE[:2], "/sans-titre", BEFORE[3], "/0"),
    }
    found[Key("demo", "week", SATURDAY, "read")] = made(Key("demo", "week", SATURDAY, "read"), rows, earlier=listed)
    for n in range(7):
        key = Key("demo", "day", SATURDAY + timedelta(days=n), "read")
        found[key] = made(key)
    return found


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """The newspaper of twelve articles, with an archive."""
    site = Site("La Dépêche de Port-Aulne", calendar=calendar("read"))
    async with newspaper(redis_url, site=site) as running:
        await store(running.client, documents())
        await until(lambda: has(running, "demo", SATURDAY), "week")
        yield running


async def opened(browser: Browser, reader: Reader, address: str, **how: Any) -> tuple[Page, list[str]]:
    """A page, and what the browser says against it or requests from elsewhere."""
    page = await browser.new_page(**{"locale": "fr-FR", "viewport": {"width": 1280, "height": 1010}, **how})
    said: list[str] = []
    origin = f"http://127.0.0.1:{reader.port}"
    page.on("console", lambda message: said.append(message.text) if message.type != "log" else None)
    page.on("request", lambda request: None if request.url.startswith(origin) else said.append(request.url))
    await page.goto(origin + address)
    return page, said


async def shot(page: Page, name: str, **how: Any) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SHOTS / f"{name}.png", **how)


async def faults_of(page: Page) -> list[tuple[str, list[str]]]:
    found = (await Axe().run(page)).response
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


async def test_the_page_of_a_week(browser: Browser, reader: Reader) -> None:
    """Heading, places, movements, and the week before, without a script."""
    page, said = await opened(browser, reader, f"{WEEK}.html", java_script_enabled=False)
    await expect(page.locator("h1")).to_have_text("Best of du 21 au 27 novembre 2026")
    moves = await page.locator(".board [part=move]").all_inner_texts()
    assert moves[:4] == ["▲ 3", "▼ 1", "nouveau", "retour"]
    assert await page.locator("[part=rank]").all_inner_texts() == [f"{n:02d}." for n in range(1, 13)]
    await expect(page.locator("[part=about]").first).to_have_text("2ᵉ semaine")
    await shot(page, "best-of", full_page=True)
    await page.get_by_role("link", name="du 14 au 20 novembre").click()
    await expect(page.locator("h1")).to_have_text("Best of du 14 au 20 novembre 2026")
    await page.get_by_role("link", name="du 21 au 27 novembre").click()
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("h1")).to_have_text("Best of 21–27 November 2026")
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, reader: Reader, scheme: Any) -> None:
    """On the page, in the archive, in the mail; contrast included, by day and by night."""
    for address in (f"{WEEK}.html", "/v1/demo/best-of.html", f"{WEEK}.mail.html"):
        page, _ = await opened(browser, reader, address, color_scheme=scheme, bypass_csp=True)
        assert await faults_of(page) == [], address


@pytest.mark.parametrize("width", [360, 700])
async def test_narrow_and_dark(browser: Browser, reader: Reader, width: int) -> None:
    """No sideways scrolling, neither of the page nor of the archive nor of the mail; dark if that is preferred."""
    how: dict[str, Any] = {"color_scheme": "dark", "viewport": {"width": width, "height": 900}}
    for name, address in (
        ("page", f"{WEEK}.html"),
        ("archive", "/v1/demo/best-of.html?kind=day"),
        ("mail", f"{WEEK}.mail.html"),
    ):
        page, said = await opened(browser, reader, address, **how)
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", background)[:3])) < 150
        await shot(page, f"best-of-{name}-dark-{width}", full_page=True)
        assert said == []


async def test_on_paper(browser: Browser, reader: Reader) -> None:
    """Dark on white, places and movements; nothing to press."""
    page, _ = await opened(browser, reader, f"{WEEK}.html", color_scheme="dark", viewport={"width": 700, "height": 990})
    await page.emulate_media(media="print")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for pressed in (".languages", ".beside", ".forms"):
        await expect(page.locator(pressed).first).to_be_hidden()
    await expect(page.locator("[part=move]").first).to_be_visible()
    await shot(page, "best-of-paper", full_page=True)
    assert (await page.pdf(format="A4")).startswith(b"%PDF")


async def test_the_mail(browser: Browser, reader: Reader) -> None:
    """Nothing is loaded, nothing runs; by day as by night."""
    page, said = await opened(browser, reader, f"{WEEK}.mail.html", viewport={"width": 700, "height": 1000})
    await expect(page.locator("h1")).to_have_text("Best of du 21 au 27 novembre 2026")
    assert await page.locator(".rank").count() == 12
    await shot(page, "best-of-mail", full_page=True)
    assert said == []


async def test_the_front_page(browser: Browser, reader: Reader) -> None:
    """Its section has ten places of the newest week, and leads to the page and the archive."""
    async with clocks(reader):
        page, said = await opened(browser, reader, "/", viewport={"width": 1280, "height": 1600})
        section = page.locator("section.best-of")
        await expect(section.locator("h2")).to_have_text(re.compile("^Best of du 21 au 27 novembre"))
        await expect(section.locator("li")).to_have_count(10)
        await expect(page.locator("#latest [part=age]").first).not_to_be_empty()
        await shot(page, "best-of-front", full_page=True)
        await section.get_by_role("link", name="Archives").click()
        await expect(page.locator("h1")).to_have_text("Best of\u00a0: les archives")
        await shot(page, "best-of-archive", full_page=True)
        await page.get_by_role("link", name="Jours").click()
        await page.get_by_role("link", name="vendredi 27 novembre").click()
        await expect(page.locator("h1")).to_have_text("Best of du vendredi 27 novembre 2026")
        assert said == []
        page, _ = await opened(browser, reader, "/", bypass_csp=True)
        await expect(page.locator("#latest [part=age]").first).not_to_be_empty()
        assert await faults_of(page) == []
