"""What the page shows can be chosen, and what is chosen stands in the address."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, expect

from ranker.core.generation import Generation, Window
from tests.support.defaults import DEFAULT_WINDOWS
from tests.support.page_site import TITLES, Visit, chromium, clocks, newspaper, shot, visit
from tests.support.reader import Reader

pytestmark = pytest.mark.asyncio(loop_scope="module")

CULTURE = [TITLES[1], TITLES[6], TITLES[11]]
MANY = Generation(
    "page-views",
    (Window("1h", 3_600_000, 60_000), *DEFAULT_WINDOWS),
    {
        "read": {"view": 1},
        "commented": {"comment": 1},
        "shared": {"share": 1},
        "engaged": {"view": 1, "comment": 3, "share": 5},
        "most_loved": {"share": 2},
    },
)


def address(seen: Visit) -> dict[str, list[str]]:
    return parse_qs(urlsplit(seen.page.url).query)


async def test_the_period_by_keyboard(browser: Browser, reader: Reader, beating: None) -> None:
    """Tab to the switch, an arrow key: seven days, in the address too, so that it can be shared."""
    seen = await visit(browser, reader)
    day, week = (seen.page.get_by_role("radio", name=name) for name in ("24\u00a0heures", "7\u00a0jours"))
    await expect(day).to_be_checked()
    await day.focus()
    async with seen.page.expect_request(lambda request: "/popular/read/7d/stream?" in request.url):
        await seen.page.keyboard.press("ArrowRight")
    await expect(week).to_be_checked()
    await expect(week).to_be_focused()
    assert address(seen) == {"window": ["7d"]}
    await seen.page.reload()
    await expect(seen.page.get_by_role("radio", name="7\u00a0jours")).to_be_checked()
    await seen.page.get_by_role("link", name="English").click()
    await expect(seen.page.get_by_role("radio", name="7\u00a0days")).to_be_checked()
    assert seen.complaints == []


async def test_filters_and_the_address(browser: Browser, reader: Reader, beating: None) -> None:
    """Sections and formats that occur, with their numbers; all lists follow, and the address brings them back."""
    seen = await visit(browser, reader)
    sections = seen.page.get_by_role("combobox", name="Rubrique")
    await expect(sections.locator("option")).to_have_text(
        ["Toutes les rubriques", "Culture (3)", "Économie (2)", "Environnement (3)", "Société (2)", "Sport (2)"]
    )
    await sections.select_option("Culture")
    await expect(seen.board("read").locator("[part=title]")).to_have_text(CULTURE)
    await expect(seen.board("shared").locator("[part=section]")).to_have_text(["Culture"] * 3)
    await expect(seen.page.locator("#latest [part=title]")).to_have_text(CULTURE)
    await expect(seen.board("read").locator(".move")).to_have_text([""] * 3)
    assert address(seen)["section"] == ["Culture"]
    await shot(seen, "page-filtered")
    await seen.page.reload()
    await expect(sections).to_have_value("Culture")
    await expect(seen.board("read").locator("[part=title]")).to_have_text(CULTURE)
    await seen.page.get_by_role("combobox", name="Format").select_option("light")
    await expect(seen.board("read").locator("li")).to_have_text(["Aucun article ne correspond à ces filtres."])
    await expect(seen.page.locator("#latest")).to_be_hidden()
    await seen.page.get_by_role("button", name="Tout afficher").click()
    await expect(seen.board("read").locator("[part=title]")).to_have_count(10)
    assert not {"section", "format"} & address(seen).keys()
    await expect(sections).to_be_focused()
    assert seen.complaints == []


@pytest.mark.parametrize("strange", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "-", "€" * 80])
async def test_addresses_that_nobody_offered(browser: Browser, reader: Reader, beating: None, strange: str) -> None:
    """A filter out of a strange address is a text like any other; unknown boards and windows are passed over."""
    page = await browser.new_page()
    seen = Visit(page, f"http://127.0.0.1:{reader.port}/")
    await page.goto(f"http://127.0.0.1:{reader.port}/")
    await page.evaluate(
        "(strange) => { location.href = '/?' + new URLSearchParams({ section: strange, boards: strange, window: strange }) }",
        strange,
    )
    wanted = "" if strange.startswith("-") else strange[:64]  # the API's way of leaving one out is no choice here
    await expect(seen.page.get_by_role("combobox", name="Rubrique")).to_have_value(wanted)
    await expect(seen.page.locator(".board li.empty")).to_have_count(0 if wanted == "" else 3)
    await expect(seen.page.locator(".board")).to_have_count(3)
    await expect(seen.page.get_by_role("radio", name="24\u00a0heures")).to_be_checked()
    assert await seen.page.locator("img, script:not([src]):not([type])").count() == 0


async def test_three_of_many_boards(redis_url: str) -> None:
    """With five boards and three windows: chips, three at most, the oldest choice makes room; kept in the address."""
    async with newspaper(redis_url, MANY) as reader, clocks(reader, MANY), chromium() as browser:
        seen = await visit(browser, reader)
        headings = seen.page.locator(".board h2")
        await expect(headings).to_have_text(["Les plus lus", "Les plus commentés", "Les plus partagés"])
        await expect(seen.page.get_by_role("radio")).to_have_count(3)
        chips = seen.page.get_by_role("group", name="Listes affichées, trois au plus").get_by_role("checkbox")
        await expect(chips).to_have_count(5)
        await seen.page.get_by_role("checkbox", name="Most loved").check()
        await expect(headings).to_have_text(["Les plus commentés", "Les plus partagés", "Most loved"])
        await expect(seen.board("most_loved").locator("[part=rank]")).to_have_count(10)
        await expect(seen.page.get_by_role("checkbox", name="Les plus lus")).not_to_be_checked()
        assert address(seen)["boards"] == ["commented", "shared", "most_loved"]
        for name in ("Les plus commentés", "Les plus partagés"):
            await seen.page.get_by_role("checkbox", name=name).uncheck()
        await seen.page.get_by_role("checkbox", name="Most loved").click()  # the last one stays
        await expect(headings).to_have_text(["Most loved"])
        await expect(seen.page.get_by_role("checkbox", name="Most loved")).to_be_checked()
        await seen.page.reload()
        await expect(headings).to_have_text(["Most loved"])
        await shot(seen, "page-boards")
        assert seen.complaints == []
