"""“Check this list”: below each list its receipt, and the command that counts it again."""

from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, expect

from ranker.recount import receipts
from ranker.settings import Site
from tests.e2e.test_page_choices import MANY
from tests.support.defaults import PRESS
from tests.support.page_site import Visit, clocks, close_pages, newspaper, shot, visit
from tests.support.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    async with newspaper(redis_url, PRESS) as running, clocks(running, PRESS):
        yield running


def check(seen: Visit, board: str) -> Locator:
    return seen.board(board).locator(".check")


async def points_to(seen: Visit, board: str, window: str) -> None:
    """Link, file and command are those of this list."""
    file = f"receipt-demo-{board}-{window}.json"
    link = check(seen, board).locator(".receipt")
    await expect(link).to_have_attribute("href", f"/v1/demo/popular/{board}/{window}?receipt=true")
    await expect(link).to_have_attribute("download", file)
    await expect(check(seen, board).locator("code")).to_have_text(f"ranker verify {file}")


async def test_the_receipt_of_a_list(browser: Browser, reader: Reader) -> None:
    """By keyboard: opened, read, downloaded; what is saved is a receipt with the list that is shown."""
    seen = await visit(browser, reader)
    await expect(seen.page.get_by_text("Vérifier cette liste")).to_have_count(3)
    await expect(check(seen, "read").locator(".receipt")).to_be_hidden()
    await check(seen, "read").locator("summary").focus()
    await seen.page.keyboard.press("Enter")
    await expect(check(seen, "read")).to_contain_text("Le reçu dit de quels événements enregistrés la liste est faite")
    await expect(check(seen, "shared").locator(".receipt")).to_be_hidden()
    rules = check(seen, "read").get_by_role("link", name="Les règles en détail")
    await expect(rules).to_have_attribute("href", "/definitions?lang=fr")
    await points_to(seen, "read", "24h")
    await seen.page.keyboard.press("Tab")
    await seen.page.keyboard.press("Tab")
    async with seen.page.expect_download() as downloading:
        await seen.page.keyboard.press("Enter")
    download = await downloading.value
    assert download.suggested_filename == "receipt-demo-read-24h.json"
    text = (await download.path()).read_bytes()
    receipt, items, _, _ = receipts.read(text)
    assert (receipt.board, receipt.window, receipt.rows) == ("read", "24h", 12)
    shown = await seen.column("read", "[part=title]")
    assert [item["title"] for item in orjson.loads(text)["items"]] == shown
    assert len(items) == 10
    assert seen.complaints == []


async def test_it_follows_the_choice(browser: Browser, reader: Reader) -> None:
    """Another window is another list; a filter is not, since a receipt is that of the whole list."""
    seen = await visit(browser, reader)
    await seen.page.get_by_role("radio", name="7 jours").check()
    for board in ("read", "commented", "shared"):
        await points_to(seen, board, "7d")
    await seen.page.get_by_role("combobox", name="Rubrique").select_option("Culture")
    await expect(seen.board("read").locator("[part=title]")).to_have_count(3)
    await points_to(seen, "read", "7d")
    assert seen.complaints == []


async def test_a_board_that_is_chosen_later(chromium_of_module: Browser, redis_url: str) -> None:
    """Has its own, closed."""
    async with newspaper(redis_url, MANY) as reader, clocks(reader, MANY):
        seen = await visit(chromium_of_module, reader, "?window=1h")
        await check(seen, "read").locator("summary").click()
        await points_to(seen, "read", "1h")
        await seen.page.get_by_role("checkbox", name="Most loved").check()
        await points_to(seen, "most_loved", "1h")
        await expect(check(seen, "most_loved").locator(".receipt")).to_be_hidden()
        assert seen.complaints == []
        await close_pages(chromium_of_module)


async def test_without_script(browser: Browser, reader: Reader) -> None:
    """The same of the list that is shown, filters of the address left out."""
    page = await browser.new_page(java_script_enabled=False)
    seen = Visit(page, f"http://127.0.0.1:{reader.port}/")
    await page.goto(f"http://127.0.0.1:{reader.port}/?lang=en&window=7d&section=Culture")
    await check(seen, "commented").get_by_text("Check this list").click()
    await expect(check(seen, "commented").get_by_role("link", name="Download the receipt")).to_be_visible()
    await points_to(seen, "commented", "7d")
    assert seen.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("lang", "locale"), [("fr", "fr-FR"), ("en", "en-GB")])
async def test_for_everybody(browser: Browser, reader: Reader, lang: str, locale: str, scheme: str) -> None:
    """Wide and narrow, light and dark: nothing that axe finds, nothing that is cut off."""
    seen = await visit(browser, reader, f"?lang={lang}", locale=locale, color_scheme=scheme)
    await seen.page.evaluate("for (const one of document.querySelectorAll('.check')) one.open = true")
    assert (await Axe().run(seen.page)).response["violations"] == []
    await shot(seen, f"page-receipt-{lang}-{scheme}", full_page=True)
    await seen.page.set_viewport_size({"width": 360, "height": 740})
    assert await seen.page.evaluate("document.documentElement.scrollWidth") == 360
    await check(seen, "read").scroll_into_view_if_needed()
    await shot(seen, f"page-receipt-{lang}-{scheme}-narrow")
    assert seen.complaints == []


async def test_none_if_counts_are_hidden(chromium_of_module: Browser, redis_url: str) -> None:
    """A receipt needs a token then, which a link cannot send."""
    async with newspaper(redis_url, PRESS, Site("Discret", show_counts=False)) as reader, clocks(reader, PRESS):
        seen = await visit(chromium_of_module, reader)
        await expect(seen.page.get_by_text("Les règles en détail")).to_have_count(1)
        await expect(seen.page.locator(".check")).to_have_count(0)
        await seen.page.get_by_role("radio", name="7 jours").check()
        await expect(seen.board("read").locator("[part=title]")).to_have_count(10)
        assert seen.complaints == []
        await close_pages(chromium_of_module)
