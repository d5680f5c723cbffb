"""What rules left out, on the page: at the foot of the lists, and in an article's explanation."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from ranker.core import delta
from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.core.times import HOUR_MS
from ranker.settings import Site
from ranker.store.keys import ShardKeys
from tests.support.defaults import PRESS, press
from tests.support.page_site import (
    MINUTE_MS,
    SHARDS,
    TITLES,
    Visit,
    clocks,
    close_pages,
    newspaper,
    now_ms,
    shot,
    visit,
)
from tests.support.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")
NBSP, NARROW = "\u00a0", "\u202f"


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """All rules are in force, and two articles have had crawlers and reloads."""
    async with newspaper(redis_url, PRESS) as running:
        await drop(running.client, "/0", {"!repeat": 1_310, "!bot": 40, "!internal": 1})
        await drop(running.client, "/1", {"!repeat": 1})
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def beating(reader: Reader) -> AsyncIterator[None]:
    async with clocks(reader, PRESS):
        yield


async def drop(client: Any, article: str, counts: dict[str, int], generation: Generation = PRESS) -> None:
    """Dropped events, in the slice of a minute ago and in the sums of every window."""
    keys = ShardKeys(generation.id, home(f"demo/{article}".encode(), SHARDS))
    minute = now_ms() // MINUTE_MS - 1
    await client.sadd(keys.slices, f"0:{minute}")
    counted = {"demo": {outcome: {article: count} for outcome, count in counts.items()}}
    await client.rpush(keys.slice(0, minute), delta.pack(counted))
    for window in generation.windows:
        for outcome, count in counts.items():
            await client.hincrby(keys.sums, f"demo:{window.name}:{outcome}", count)


async def test_the_foot_of_the_lists(browser: Browser, reader: Reader, beating: None) -> None:
    """Which rules count, what they left out in the chosen period, and the way to their text."""
    seen = await visit(browser, reader)
    foot = seen.page.locator(".counting")
    await expect(foot).to_contain_text(
        f"Ce qui compte{NBSP}: une lecture par lecteur et par article chaque heure, sans les robots, "
        "sans le réseau interne, sans les doublons. Les règles en détail"
    )
    left_out = (
        f"Sur 24{NBSP}heures{NBSP}: 1{NARROW}311{NBSP}rechargements écartés, 40{NBSP}passages de robots écartés, "
        f"1{NBSP}passage interne écarté."
    )
    await expect(seen.page.locator("#dropped")).to_have_text(left_out)
    await shot(seen, "page-counting", full_page=True)
    await seen.page.get_by_role("radio", name="7 jours").check()
    await expect(seen.page.locator("#dropped")).to_contain_text(f"Sur 7{NBSP}jours{NBSP}: 1{NARROW}311")
    await foot.get_by_role("link").click()
    await expect(seen.page).to_have_url(f"http://127.0.0.1:{reader.port}/definitions?lang=fr")
    assert seen.complaints == []


async def test_the_foot_of_the_lists_in_english(browser: Browser, reader: Reader, beating: None) -> None:
    """And rules that had to be paused, as soon as they were; never until a time that has not come."""
    seen = await visit(browser, reader, "?lang=en", locale="en-GB", timezone_id="UTC")
    first_said = (
        f"In 24{NBSP}hours: 1,311{NBSP}reloads left out, 40{NBSP}crawlers’ visits left out, "
        f"1{NBSP}internal visit left out."
    )
    await expect(seen.page.locator("#dropped")).to_have_text(first_said)
    left_out, hour = seen.page.locator("#dropped"), now_ms() // HOUR_MS
    ended, ahead = (
        re.compile(rf"at {(at - 1) % 12 + 1}:00\s[AP]M there were too many readers to remember them all: some reloads")
        for at in (hour - 2, hour + 2)
    )
    await reader.client.hset(ShardKeys(PRESS.id, 0).meta, "first", hour - 2)
    await expect(left_out).to_contain_text(ended)
    await reader.client.hset(ShardKeys(PRESS.id, 0).meta, "first", hour + 2)
    await expect(left_out).not_to_contain_text(ended)
    await expect(left_out).to_contain_text("there were too many readers")
    await expect(left_out).not_to_contain_text(ahead)
    assert seen.complaints == []


async def test_an_explanation_has_what_was_left_out(browser: Browser, reader: Reader, beating: None) -> None:
    """Beside what counted in the same hours, where views are counted; nothing is said of rules that dropped nothing."""
    seen = await visit(browser, reader)
    said = seen.page.locator("dialog dl")
    day = said.locator("dt", has_text="Sur 24 heures").locator("+ dd")
    reads = sum(90 - 3 * ago + ago * 7 % 20 for ago in range(24))
    await seen.board("read").locator(".why").first.click()
    await expect(day).to_have_text(
        f"1{NARROW}{reads - 1000}{NBSP}lectures, 1{NARROW}310{NBSP}rechargements écartés, "
        f"40{NBSP}passages de robots écartés, 1{NBSP}passage interne écarté"
    )
    await shot(seen, "page-explained-counting")
    await seen.page.keyboard.press("Escape")
    await seen.board("read").locator(".why").nth(1).click()
    await expect(seen.page.get_by_role("dialog").get_by_role("heading")).to_have_text(TITLES[1])
    await expect(day).to_contain_text(f"lectures, 1{NBSP}rechargement écarté")
    await seen.page.keyboard.press("Escape")
    await seen.board("read").locator(".why").nth(2).click()
    await expect(seen.page.get_by_role("dialog").get_by_role("heading")).to_have_text(TITLES[2])
    await expect(said).to_be_visible()
    await expect(day).to_have_count(0)
    await seen.page.keyboard.press("Escape")
    await seen.board("commented").get_by_role("button", name=TITLES[1]).click()
    await expect(said).to_be_visible()
    await expect(day).to_have_count(0)
    assert seen.complaints == []


@pytest.mark.parametrize(
    ("generation", "site", "text"),
    [
        (press(preset="none"), None, f"Tout compte{NBSP}: aucune règle n’écarte rien."),
        (PRESS, Site("Discret", show_counts=False), f"Ce qui compte{NBSP}: une lecture par lecteur"),
    ],
)
async def test_nothing_to_say_of_what_was_left_out(
    chromium_of_module: Browser, redis_url: str, generation: Generation, site: Site | None, text: str
) -> None:
    """Without rules, and if counts are hidden: the rules are named all the same."""
    async with newspaper(redis_url, generation, site) as reader, clocks(reader, generation):
        await drop(reader.client, "/0", {"!repeat": 7}, generation)
        seen = await visit(chromium_of_module, reader)
        await expect(seen.page.locator(".counting")).to_contain_text(text)
        await expect(seen.page.locator("#dropped")).to_be_empty()
        await close_pages(chromium_of_module)


@pytest.mark.parametrize(("lang", "locale"), [("fr", "fr-FR"), ("en", "en-GB")])
async def test_the_definitions(browser: Browser, reader: Reader, lang: str, locale: str) -> None:
    """In the browser's language, wide, narrow and dark, from this host alone, for everybody, and on to the other one."""
    page = await browser.new_page(locale=locale, viewport={"width": 1280, "height": 900})
    seen = Visit(page, f"http://127.0.0.1:{reader.port}")
    await page.goto(f"http://127.0.0.1:{reader.port}/definitions")
    assert await page.evaluate("document.documentElement.lang") == lang
    rules = page.locator("section[id]")
    await expect(rules).to_have_count(4)
    assert (await Axe().run(page)).response["violations"] == []
    await shot(seen, f"definitions-{lang}", full_page=True)
    await page.get_by_role("link", name="unique_item@counter-5.1").click()
    await expect(rules.last).to_be_in_viewport()
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    assert (await Axe().run(page)).response["violations"] == []
    await shot(seen, f"definitions-{lang}-narrow-dark")
    other = {"fr": "en", "en": "fr"}[lang]
    await page.locator(f".languages a[lang={other}]").click()
    await expect(page.locator("html")).to_have_attribute("lang", other)
    assert (seen.complaints, seen.foreign) == ([], [])
