"""The page shows what rises, beside the other lists and in a window of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from ranker.settings import Site
from tests.support.page_site import shot, visit
from tests.support.reader import Reader
from tests.support.rising_site import expected, rising

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRENCH = [
    "×\u00a011,5 en une heure",
    "×\u00a012,3 en une heure",
    "×\u00a030,0 en une heure",
    "×\u00a018,3 en une heure",
]
ENGLISH = [text.replace(",", ".").replace("en une heure", "in an hour") for text in FRENCH]


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Reader]:
    async with rising(redis_url, site=getattr(request, "param", None)) as (running, _):
        yield running


async def test_what_rises_stands_behind_what_it_is_of(browser: Browser, reader: Reader) -> None:
    """Its times beside the age, its own window whatever the period; windows of its own are no period to choose."""
    assert [round(line[3], 1) for line in expected()] == [11.5, 12.3, 30.0, 18.3]
    seen = await visit(browser, reader)
    await expect(seen.page.locator("#boards h2")).to_have_text(["Les plus lus", "En hausse", "Les plus commentés"])
    assert await seen.column("rising", "[part=count]") == FRENCH
    await expect(seen.page.locator("#choices .switch label")).to_have_text(["24 heures", "7 jours"])
    assert any(address.startswith("/v1/demo/popular/rising/1h/stream?") for address in seen.asked)
    async with seen.page.expect_request(lambda request: "/popular/read/7d/stream?" in request.url):
        await seen.page.get_by_role("radio", name="7\u00a0jours").check()
    await expect(seen.board("rising").locator("[part=count]")).to_have_text(FRENCH)
    assert not any("/rising/7d" in address for address in seen.asked)
    await expect(seen.board("rising").locator(".check")).to_have_count(0)
    await expect(seen.board("read").locator(".check")).to_have_count(1)
    await shot(seen, "page-rising")
    assert (seen.complaints, seen.foreign) == ([], [])


async def test_it_is_explained(browser: Browser, reader: Reader) -> None:
    """What was to be expected; its place is that of this list; the lists of all boards leave it out."""
    seen = await visit(browser, reader)
    await seen.board("rising").locator(".why").first.click()
    dialog = seen.page.locator("#why")
    await expect(dialog.locator(".kicker")).to_have_text("En hausse, 1 heure")
    terms = {
        name: await dialog.locator(f"dt:has-text('{name}') + dd").inner_text() for name in ("Place", "Compte", "Hausse")
    }
    assert terms["Place"] == "1"
    assert terms["Compte"].startswith("60\u00a0lectures, soit ")
    assert terms["Hausse"] == "×\u00a011,5 en une heure\u202f; à prévoir\u00a0: 5\u00a0lectures"
    await expect(dialog.locator("tbody th")).to_have_text(["Les plus lus", "Les plus commentés", "Les plus partagés"])
    await expect(dialog.locator("figcaption")).to_contain_text("Lectures par heure")
    assert seen.complaints == []


async def test_in_english_and_without_a_script(browser: Browser, reader: Reader) -> None:
    """The server writes the same words."""
    await reader.ranking("/v1/demo/popular/rising/1h")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    for lang, texts, heading in (("fr", FRENCH, "En hausse"), ("en", ENGLISH, "Rising")):
        await page.goto(f"http://127.0.0.1:{reader.port}/?lang={lang}")
        board = page.locator('.board[data-board="rising"]')
        await expect(board.locator("h2")).to_have_text(heading)
        await expect(board.locator("[part=count]")).to_have_text(texts)
    await context.close()


@pytest.mark.parametrize("reader", [Site("Le Discret", show_counts=False)], indirect=True)
async def test_counts_that_are_hidden(browser: Browser, reader: Reader) -> None:
    """The order alone."""
    seen = await visit(browser, reader)
    await expect(seen.board("rising").locator("[part=item]")).to_have_count(4)
    assert await seen.column("rising", "[part=count]") == [""] * 4
    assert seen.complaints == []
