"""The block over time: nothing moves, servers go away and come back, attributes change."""

import asyncio
import time
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.block_site import ARTICLES, Site, answer, moment
from tests.support.block_visit import WATCH, Visit, visit
from tests.support.published_scripts import BLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "width", [pytest.param(1280, marks=pytest.mark.long), pytest.param(700, marks=pytest.mark.long), 360]
)
async def test_nothing_moves(browser: Browser, site: Site, width: int) -> None:
    """Space is there before the lists are: no layout shift on arrival, on a new order, another period, a lost server."""
    late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context = await browser.new_context(viewport={"width": width, "height": 2600})

    async def wait(route: Any) -> None:
        await late
        await route.continue_()

    await context.route("**/v1/**", wait)
    seen = await visit(context, site.page(site.element('refresh="5"')))
    await expect(seen.page.locator("[aria-busy] [aria-hidden]")).to_have_count(21)
    height = await seen.page.locator("main").evaluate("(node) => node.offsetHeight")
    await seen.painted()
    if width == 1280:
        await seen.shot("waiting")
    late.set_result(None)
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.painted()
    site.changes = {"items": answer("commented")["items"], "complete": False}
    await expect(seen.part("link").first).to_have_text(ARTICLES[2][0], timeout=15_000)
    # By script, since a shift within half a second of a reader's own click is not counted.
    await seen.page.get_by_role("radio").nth(1).evaluate("(radio) => radio.click()")
    await expect(seen.page.locator("[aria-busy]")).to_have_count(0)
    site.away = True
    await expect(seen.page.locator("[part=status]")).to_contain_text("Connexion perdue", timeout=20_000)
    await seen.painted()
    assert await seen.page.locator("main").evaluate("(node) => node.offsetHeight") == height
    assert await seen.page.evaluate("shifts") == []
    # The observer does see what moves.
    await seen.page.evaluate("document.querySelector('main').prepend(Object.assign(document.createElement('hr')))")
    await seen.painted()
    assert await seen.page.evaluate("shifts.length") > 0


async def test_a_deferred_script_with_space_reserved_by_the_page(browser: Browser, site: Site) -> None:
    """If the script comes after the page, one rule in the page's style keeps the space; the README has it."""
    site.css += "articles-populaires { display: block; min-block-size: 54rem }"
    script = BLOCK.line(site.api, "defer")
    late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    context = await browser.new_context(viewport={"width": 1280, "height": 1200})

    async def wait(route: Any) -> None:
        await late
        await route.continue_()

    await context.route("**/block.*", wait)
    page = await context.new_page()
    await page.add_init_script(WATCH)
    await page.goto(site.page(site.element(), head=script), wait_until="commit")
    await expect(page.get_by_text("After.")).to_be_visible()
    seen = Visit(page)
    await seen.painted()
    late.set_result(None)
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.painted()
    assert await page.evaluate("shifts") == []


async def test_the_server_away_and_back(browser: Browser, site: Site) -> None:
    """The last known lists stay, with their age in words, also after a reload; they are live again by themselves."""
    site.changes = {"as_of": moment(5)}
    seen = await visit(browser, site.page(site.element('boards="read" refresh="5"')))
    await expect(seen.part("link")).to_have_count(7)
    status, updated = seen.page.locator("[part=status]"), seen.page.locator("[part=updated]")
    await expect(status).to_be_empty()
    await expect(status).to_have_role("status")
    site.away = True
    for _ in range(2):
        await expect(status).to_have_text("Connexion perdue\u00a0: dernière liste connue.", timeout=20_000)
        await expect(updated).to_have_text("Mis à jour il y a\u00a05\u00a0min")
        await expect(seen.part("link")).to_have_count(7)
        await seen.shot("away")
        await seen.page.reload()
        await expect(seen.part("link")).to_have_count(7)
    site.away, site.changes = False, {}
    await expect(updated).to_have_text("Mis à jour à l’instant", timeout=20_000)
    await expect(status).to_be_empty()
    stored = await seen.page.evaluate("JSON.parse(sessionStorage.getItem('articles-populaires')).length")
    assert stored == 1


@pytest.mark.long
async def test_retries_back_off_and_hidden_pages_rest(browser: Browser, site: Site) -> None:
    """Each failure waits longer than the one before; a page in the background asks nothing."""
    site.away = True
    seen = await visit(browser, site.page(site.element('boards="read" windows="24h"')))
    gone = seen.page.locator("[part=status]")
    await expect(gone).to_have_text("Les listes sont indisponibles pour le moment.", timeout=10_000)
    at = [time.monotonic()]
    for _ in range(2):
        await seen.page.wait_for_event("request", lambda request: "/v1/" in request.url, timeout=15_000)
        at.append(time.monotonic())
    first, second = at[1] - at[0], at[2] - at[1]
    assert 2.5 < first < 5.5 < second < 10.5  # 4 s and 8 s, a quarter more or less
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    site.away = False
    await seen.page.clock.install()
    await seen.page.evaluate(hide, True)
    before = len(site.asked)
    await seen.page.clock.run_for(600_000)
    assert len(site.asked) == before
    await seen.page.evaluate(hide, False)
    await seen.page.clock.run_for(1_000)
    await expect(seen.part("link")).to_have_count(7)
    assert len(site.asked) == before + 1


async def test_a_focused_link_keeps_the_focus(browser: Browser, site: Site) -> None:
    """An article that moves takes the focus along."""
    seen = await visit(browser, site.page(site.element('boards="read" refresh="5"')))
    link = seen.part("link").nth(2)
    await link.focus()
    title = await link.text_content()
    site.changes = {"items": answer("commented")["items"]}
    await expect(seen.part("link").first).to_have_text(str(title), timeout=15_000)
    await expect(seen.part("link").first).to_be_focused()


async def test_reduced_motion(browser: Browser, site: Site) -> None:
    """Nothing is animated, for anybody."""
    seen = await visit(browser, site.page(site.element()), reduced_motion="reduce")
    await expect(seen.part("link", 2)).to_have_count(7)
    await seen.page.get_by_role("radio").nth(1).check()
    assert await seen.page.evaluate("document.getAnimations().length") == 0


async def test_attributes_that_change(browser: Browser, site: Site) -> None:
    """A page that sets another language or other boards gets them at once; a block that is taken out asks no more."""
    seen = await visit(browser, site.page(site.element()))
    host = seen.page.locator("articles-populaires")
    await host.evaluate("(node) => { node.lang = 'en'; node.setAttribute('boards', 'latest,long_reads'); }")
    await expect(seen.page.locator("[part=board-heading]")).to_have_text(["Just published", "Long reads"])
    await expect(seen.part("link", 1)).to_have_count(7)
    await seen.page.clock.install()
    await host.evaluate("(node) => node.remove()")
    before = len(site.asked)
    await seen.page.clock.run_for(600_000)
    assert len(site.asked) == before
