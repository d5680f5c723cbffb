"""The page in a real browser: lists in two languages, narrow, dark, on paper, without JavaScript, for everybody."""

import re
from importlib import resources
from typing import Any

import orjson
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from ranker.settings import Site
from tests.support.page_site import TITLES, Visit, chromium, clocks, newspaper, shot, visit
from tests.support.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def faults_of(seen: Visit) -> list[tuple[str, list[str]]]:
    """What axe finds, by rule, with the elements concerned."""
    found = (await Axe().run(seen.page)).response
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]


async def test_three_lists(browser: Browser, reader: Reader, beating: None) -> None:
    """Numbers, titles, kinds, ages and counts in French; beside them what has just been published."""
    seen = await visit(browser, reader)
    await expect(seen.page.locator("h1")).to_have_text("Articles populaires")
    assert await seen.page.locator(".board h2").all_inner_texts() == [
        "Les plus lus",
        "Les plus commentés",
        "Les plus partagés",
    ]
    await expect(seen.board("shared").locator("[part=age]")).to_have_count(10)
    await expect(seen.board("shared").locator("[part=age]").last).not_to_be_empty()
    assert await seen.column("read", "[part=rank]") == [f"{rank:02d}." for rank in range(1, 11)]
    assert await seen.column("read", "[part=title]") == list(TITLES[:10])
    assert (await seen.column("read", "[part=count]"))[0] == "1\u202f234\u00a0lectures"
    assert await seen.column("commented", "[part=count]") == [f"{n}\u00a0commentaires" for n in range(12, 2, -1)]
    ages = await seen.column("read", "[part=age]")
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
    assert re.fullmatch("le (1ᵉʳ|\\d+)\u00a0\\w+ \\d{4}", ages[8])
    link = seen.board("read").locator("[part=link]").first
    assert await link.get_attribute("href") == "https://demo.example/0"
    newest = seen.page.locator("#latest li")
    await expect(newest).to_have_count(6)
    await expect(newest.first).to_contain_text(TITLES[4])
    await expect(seen.page.locator("#updated")).to_have_text(
        re.compile("^À jour (à l’instant|il y a\u00a0\\d+\u00a0s)$")
    )
    await shot(seen, "page")
    assert (seen.complaints, seen.foreign) == ([], [])


async def test_french_until_english_is_chosen(browser: Browser, reader: Reader, beating: None) -> None:
    """An English browser sees French; the choice stands in the address alone, so another visit is French again."""
    seen = await visit(browser, reader, locale="en-GB")
    heading, language = seen.page.locator("h1"), seen.page.locator("html")
    await expect(heading).to_have_text("Articles populaires")
    await expect(language).to_have_attribute("lang", "fr")
    await expect(seen.board("read").locator("[part=count]").first).to_have_text("1\u202f234\u00a0lectures")
    await seen.page.get_by_role("link", name="English").click()
    await expect(heading).to_have_text("Popular articles")
    await expect(language).to_have_attribute("lang", "en")
    await seen.page.reload()
    await expect(heading).to_have_text("Popular articles")
    await seen.page.goto(seen.page.url.partition("?")[0])
    await expect(heading).to_have_text("Articles populaires")
    assert seen.complaints == []


async def test_every_word_in_both_languages() -> None:
    """The same texts with the same places to fill, and no straight apostrophe or unbound punctuation in French."""
    words = orjson.loads(resources.files("ranker.serve.pages").joinpath("front/words.json").read_bytes())

    def texts(said: Any, path: str = "") -> dict[str, str]:
        if isinstance(said, str):
            return {path: said}
        return {key: text for name, one in said.items() for key, text in texts(one, f"{path}.{name}").items()}

    french, english = texts(words["fr"]), texts(words["en"])
    assert french.keys() == english.keys()
    for key, text in french.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key
        assert "'" not in text, key
        assert not re.search(r"(?<![\u00a0\u202f{\w])[:;?!»](?!\w)| [:;?!»]", text), key


@pytest.mark.parametrize("width", [360, 700])
async def test_narrow_and_dark_in_english(browser: Browser, reader: Reader, beating: None, width: int) -> None:
    """No sideways scrolling, with the explanation open neither; dark if that is preferred; English words."""
    narrow: dict[str, Any] = {"color_scheme": "dark", "viewport": {"width": width, "height": 900}}
    seen = await visit(browser, reader, "?lang=en", **narrow)
    await expect(seen.page.locator("h1")).to_have_text("Popular articles")
    await expect(seen.board("read").locator("[part=age]").first).to_have_text("5\u00a0hours\u00a010\u00a0min ago")
    assert (await seen.column("read", "[part=count]"))[0] == "1,234\u00a0reads"
    background = await seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", background)[:3])) < 150
    await shot(seen, f"page-dark-{width}")
    await seen.board("read").locator(".why").first.click()
    await expect(seen.page.locator("dialog dl")).to_be_visible()
    for scroller in ("document.documentElement", "document.querySelector('dialog')"):
        assert await seen.page.evaluate(f"{scroller}.scrollWidth <= {scroller}.clientWidth")
    await shot(seen, f"page-explained-{width}")
    assert seen.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, reader: Reader, beating: None, scheme: Any) -> None:
    """On the page, and with an explanation open; contrast included, by day and by night."""
    # axe has to be put into the page, which the page's own policy forbids
    seen = await visit(browser, reader, color_scheme=scheme, bypass_csp=True)
    await expect(seen.page.locator("#latest [part=age]").first).not_to_be_empty()
    assert await faults_of(seen) == []
    await seen.board("read").locator(".why").nth(1).click()
    await expect(seen.page.locator("dialog dl")).to_be_visible()
    assert await faults_of(seen) == []


async def test_on_paper(browser: Browser, reader: Reader, beating: None) -> None:
    """Dark on white whatever the screen prefers; numbered lists with the moment they are of, and nothing to press."""
    seen = await visit(browser, reader, color_scheme="dark", viewport={"width": 700, "height": 990})
    await expect(seen.board("shared").locator(".why")).to_have_count(10)
    await seen.page.emulate_media(media="print")
    assert await seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for pressed in (".why", ".switch", "select", ".languages", "#latest", "#updated"):
        await expect(seen.page.locator(pressed).first).to_be_hidden()
    await expect(seen.page.locator("#as-of")).to_have_text(
        # of a browser: its \w has no accents
        re.compile(r"^État du (1ᵉʳ|[2-9]|\d\d) \S+ \d{4} à \d+\u202fh\u202f\d\d\u202fmin\u202f\d\d\u202fs$")
    )
    assert await seen.column("shared", "[part=rank]") == [f"{rank:02d}." for rank in range(1, 11)]
    await shot(seen, "page-paper", full_page=True)
    assert (await seen.page.pdf(format="A4")).startswith(b"%PDF")


async def test_without_javascript(browser: Browser, reader: Reader, beating: None) -> None:
    """The lists come with the page; the period is chosen by a form."""
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(f"http://127.0.0.1:{reader.port}/?section=Culture")
    shown = page.locator('.board[data-board="read"] [part=title]')
    assert await shown.all_inner_texts() == [TITLES[1], TITLES[6], TITLES[11]]
    await expect(page.locator("#latest li")).to_have_count(3)
    await expect(page.locator("noscript .notice")).to_be_visible()
    await page.get_by_role("radio", name="7\u00a0jours").check(force=True)
    await page.locator("noscript button").click()
    await expect(page.get_by_role("radio", name="7\u00a0jours")).to_be_checked()
    assert await shown.all_inner_texts() == [TITLES[1], TITLES[6], TITLES[11]]


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_first_paint_stays(browser: Browser, reader: Reader, beating: None, width: int) -> None:
    """What JavaScript takes over stands where it stood: the browser counts next to no layout shift."""
    seen = await visit(browser, reader, viewport={"width": width, "height": 1010})
    await expect(seen.page.locator("#latest [part=age]").first).not_to_be_empty()
    shifted = await seen.page.evaluate(
        """new Promise((tell) => new PerformanceObserver((seen) =>
            tell(seen.getEntries().reduce((sum, entry) => sum + entry.value, 0))
        ).observe({ type: "layout-shift", buffered: true })
        || setTimeout(() => tell(0), 500))"""
    )
    assert shifted < 0.02


async def test_a_site_that_shows_no_counts(redis_url: str) -> None:
    """No count, no share, no distance, no hours, and no empty place where they would be; ranks and moves stay."""
    async with (
        newspaper(redis_url, site=Site("La Dépêche", show_counts=False)) as reader,
        clocks(reader),
        chromium() as browser,
    ):
        seen = await visit(browser, reader)
        await expect(seen.board("read").locator("[part=age]").first).not_to_be_empty()
        assert set(await seen.column("read", "[part=count]")) == {""}
        assert "lecture" not in await seen.page.locator("main").inner_text()
        await expect(seen.board("read").locator(".move.up").first).to_be_visible()
        await seen.page.get_by_role("combobox", name="Rubrique").select_option("Culture")
        await seen.board("read").locator(".why").first.click()
        await expect(seen.page.locator("dialog dt").first).to_have_text("Place")
        said = await seen.page.locator("dialog").inner_text()
        assert "lecture" not in said
        assert "null" not in said
        await expect(seen.page.locator("dialog .spark")).to_have_count(0)
        await shot(seen, "page-no-counts")
        assert seen.complaints == []
