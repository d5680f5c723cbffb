"""Why an article stands where it stands: opened by a key, closed by a key, and said in whole sentences."""

import re

import pytest
from playwright.async_api import Browser, Route, expect

from tests.support.page_site import SHARDS, TITLES, now_ms, shot, visit
from tests.support.reader import GENERATION, Reader
from tests.support.shard_writer import write

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_explanation_by_keyboard(browser: Browser, reader: Reader, beating: None) -> None:
    """Tab to the button beside an article, Enter; what it says; Escape, and the focus is where it was."""
    seen = await visit(browser, reader)
    await seen.board("read").locator("[part=link]").nth(1).focus()
    await seen.page.keyboard.press("Tab")
    button = seen.board("read").get_by_role("button", name=f"Pourquoi cette place\u202f? {TITLES[1]}")
    await expect(button).to_be_focused()
    await seen.page.keyboard.press("Enter")
    dialog = seen.page.get_by_role("dialog", name=TITLES[1])
    await expect(dialog).to_be_visible()
    await expect(dialog.get_by_role("button", name="Fermer")).to_be_focused()
    said = dialog.locator("dl")
    for sentence in (
        "2, sa meilleure place",
        "monté d’une place\u00a0; place 3 il y a une heure environ",
        "1\u202f134\u00a0lectures, soit",
        "100\u00a0lectures de moins que la place au\u2011dessus",
        "100\u00a0lectures de plus que la place au\u2011dessous",
        "800\u00a0lectures de plus que la 10e\u00a0place",
    ):
        await expect(said).to_contain_text(sentence)
    await expect(said).to_contain_text(re.compile(r"depuis le (1ᵉʳ|\d+) \S+ \d{4} à \d+\u202fh\u202f00"))
    spark = dialog.get_by_role(
        "img", name=re.compile(r"^Lectures par heure depuis 24\sheures\s: de \d+ à \d+, et \d+ dans la dernière heure$")
    )
    await expect(spark.locator("rect")).to_have_count(24)
    cells = dialog.get_by_role("row", name="Les plus commentés").get_by_role("cell")
    await expect(cells).to_have_text(["05.8\u00a0commentaires"] * 2)
    await shot(seen, "page-explained")
    await seen.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(button).to_be_focused()
    assert seen.complaints == []


async def test_no_hours_if_none_are_counted(browser: Browser, reader: Reader, beating: None) -> None:
    """Closed by its button and by a click beside it; each article's own explanation."""
    seen = await visit(browser, reader)
    await seen.board("shared").locator(".why").first.click()
    dialog = seen.page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading")).to_have_text(TITLES[7])
    await expect(dialog.get_by_role("img", name=re.compile("^Partages par heure"))).to_be_visible()
    await dialog.get_by_role("button", name="Fermer").click()
    await expect(dialog).to_be_hidden()
    await seen.board("commented").locator(".why").first.click()
    await expect(dialog.get_by_role("heading")).to_have_text(TITLES[5])
    await seen.page.mouse.click(10, 500)
    await expect(dialog).to_be_hidden()


async def test_an_article_that_left_while_it_was_explained(browser: Browser, reader: Reader, beating: None) -> None:
    """The focus goes to the heading of the lists, not to nowhere."""
    seen = await visit(browser, reader)
    await seen.board("read").locator(".why").last.click()
    await expect(seen.page.locator("dialog dl")).to_be_visible()
    views = [("demo", f"/{i}", "view", 100 + i) for i in range(3)]
    await write(reader.client, GENERATION, SHARDS, views, now_ms())
    await expect(seen.board("read").locator("li")).to_have_count(3)
    await seen.page.keyboard.press("Escape")
    await expect(seen.page.locator(".board h2").first).to_be_focused()


async def test_an_explanation_that_cannot_be_had(browser: Browser, reader: Reader, beating: None) -> None:
    """It says so, and goes on saying what the list knew: title, kind, section."""
    seen = await visit(browser, reader, "?lang=en")
    await seen.page.route("**/v1/demo/article?*", lambda route: route.abort())
    await seen.board("read").locator(".why").first.click()
    await expect(seen.page.get_by_role("dialog", name=TITLES[0])).to_contain_text("not available at the moment")
    await expect(seen.page.locator("dialog .about")).to_have_text(re.compile("^enquête · Environnement · "))


async def test_former_addresses(browser: Browser, reader: Reader, beating: None) -> None:
    """The ids that an article was counted under before are named; they are text, whatever they look like."""

    async def with_aliases(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "aliases": ["/old", "/<b>older</b>"]})

    seen = await visit(browser, reader)
    await seen.page.route("**/v1/demo/article?*", with_aliases)
    await seen.board("read").locator(".why").first.click()
    moved = seen.page.locator("dialog dd .bare")
    await expect(moved).to_have_text(["/old", "/<b>older</b>"])
    await expect(seen.page.locator("dialog dt").last).to_have_text("Anciennes adresses")
    await shot(seen, "page-moved")
