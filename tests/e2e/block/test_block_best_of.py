"""The block with the best of a week or a day: the newest document of a real reader, its name, its movements."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from ranker.core.best_of import Key
from ranker.serve.pages.best_of.rows import best_of_words
from ranker.serve.pages.ranges import range_words
from ranker.settings import Site as ReaderSite
from tests.support.best_of_documents import ROWS, SATURDAY, archived, calendar, hide, made, two_weeks
from tests.support.block_site import Site
from tests.support.block_visit import Visit, visit
from tests.support.published_scripts import BLOCK, FOLDER, included
from tests.support.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = SATURDAY + timedelta(days=6)


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    documents = two_weeks()
    for key in (Key("demo", "day", DAY, "read"), Key("demo", "week", SATURDAY, "commented")):
        documents[key] = made(key, ROWS[1:4])
    sites = {"demo": ReaderSite("Le Courrier", calendar=calendar("read", "commented"))}
    async with archived(redis_url, documents, sites) as running:
        yield running


def page_with(site: Site, reader: Reader, attributes: str, *, lang: str = "fr") -> str:
    """A page whose policy lets the block read that reader."""
    server = f"http://127.0.0.1:{reader.port}"
    policy = (
        f"default-src 'none'; script-src {site.api}; connect-src {server}; "
        f"style-src 'self' {site.block.style_source}; base-uri 'none'; require-trusted-types-for 'script'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">{BLOCK.line(site.api)}'
    return site.page(
        f'<articles-populaires src="{server}" site="demo" {attributes}></articles-populaires>', head=head, lang=lang
    )


async def drawn(browser: Browser, site: Site, reader: Reader, attributes: str, rows: int, **how: Any) -> Visit:
    lang = how.pop("lang", "fr")
    seen = await visit(browser, page_with(site, reader, attributes, lang=lang), **how)
    await expect(seen.part("link")).to_have_count(rows)
    return seen


async def test_the_newest_week(browser: Browser, site: Site, reader: Reader) -> None:
    """Its name above, every movement as the page has it, and nothing that a list has: no age, no period, no switch."""
    seen = await drawn(browser, site, reader, 'best-of="week"', 5)
    await expect(seen.page.locator("[part=heading]")).to_have_text("Best of du 21 au 27 novembre")
    await expect(seen.part("board-heading")).to_have_text("Les plus lus")
    assert await seen.texts("move") == ["▲ 3", "▼ 1", "nouveau", "retour", "▼ 2"]
    assert await seen.part("move").first.get_attribute("aria-label") == "monté de 3 places"
    assert await seen.texts("rank") == ["01.", "02.", "03.", "04.", "05."]
    assert (await seen.texts("count"))[0] == "20\u202f238\u00a0lectures"
    assert set(await seen.texts("age")) == {""}
    await expect(seen.page.locator("[part=switch], [part=period]")).to_have_count(0)
    await seen.shot("best-of")
    assert seen.complaints == []


async def test_a_day_in_english_of_another_board(browser: Browser, site: Site, reader: Reader) -> None:
    """`day`, `boards`, `limit` and the page's language; `heading` is the page's own."""
    seen = await drawn(browser, site, reader, 'best-of="day" limit="2"', 2, lang="en")
    await expect(seen.page.locator("[part=heading]")).to_have_text("Best of Friday 27 November")
    await expect(seen.part("board-heading")).to_have_text("Most read")
    own = await drawn(browser, site, reader, 'best-of boards="commented" heading="La semaine"', 3)
    await expect(own.page.locator("[part=heading]")).to_have_text("La semaine")
    await expect(own.part("board-heading")).to_have_text("Les plus commentés")


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_the_fragment_is_what_the_element_draws(browser: Browser, site: Site, reader: Reader, lang: str) -> None:
    """The same markup to the letter, one place taken down among them, without JavaScript."""
    await hide(reader.client, ROWS[3].article_id)
    seen = await drawn(browser, site, reader, f'best-of="week" limit="5" lang="{lang}"', 5)
    await expect(seen.part("link").nth(3)).to_have_text(str(best_of_words()[lang]["removed"]))
    answer = await reader.get(f"/v1/demo/best-of/week/{SATURDAY}?render=html&lang={lang}")
    given = await visit(browser, site.page(answer.body.decode()), java_script_enabled=False)
    await expect(given.part("link")).to_have_count(5)
    inner = "(node) => node.shadowRoot.querySelector('[part=block]').outerHTML"
    ours, theirs = [await one.page.locator("articles-populaires").evaluate(inner) for one in (seen, given)]
    assert ours == theirs
    await given.shot(f"best-of-fragment-{lang}")
    assert (seen.complaints, given.complaints) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_narrow_dark_and_for_everybody(browser: Browser, site: Site, reader: Reader, scheme: Any) -> None:
    """A column of 300 pixels; axe finds nothing, contrast included."""
    viewport = {"width": 320, "height": 900}
    seen = await drawn(
        browser, site, reader, 'best-of="week"', 5, color_scheme=scheme, viewport=viewport, bypass_csp=True
    )
    assert await seen.page.evaluate("document.documentElement.scrollWidth <= 320")
    found = (await Axe().run(seen.page)).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    await seen.shot(f"best-of-{scheme}")


async def test_the_browser_names_periods_as_the_server_does(browser: Browser) -> None:
    """Every week and day that begins within three years, with and without the year, in both languages."""
    days = [date(2025, 6, 1) + timedelta(days=n) for n in range(3 * 366)]
    cases = [
        ({"kind": kind, "date": str(day)}, lang, year)
        for day in days
        for kind in ("week", "day")
        for lang, year in (("fr", 2026), ("en", 2026))
    ]
    words = best_of_words()
    page = await browser.new_page()
    scripts = "".join(included(path) for path in (FOLDER.parent / "row.js", FOLDER / "best-of.js"))
    said = await page.evaluate(
        f"([cases, words]) => {{ {scripts}; return cases.map(([period, lang, year]) => "
        "rangeWords(period, words[lang], lang, year)); }",
        [cases, words],
    )
    expected = [
        range_words(period["kind"], date.fromisoformat(period["date"]), words[lang], now=date(year, 1, 1))
        for period, lang, year in cases
    ]
    assert said == expected
