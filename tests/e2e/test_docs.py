"""The description of the API in a real browser: from this host alone, without a script, wide, narrow and dark."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.example_site import newsroom
from tests.support.page_site import SHOTS, chromium


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """No reader of the page is visited here."""
    async with chromium() as browser:
        yield browser


async def test_the_description_in_a_browser(redis_url: str, browser: Browser) -> None:
    """Nothing is refused by its own policy or missing, nothing comes from elsewhere; links lead to what they name."""
    async with newsroom(redis_url) as reader:
        home = f"http://127.0.0.1:{reader.port}"
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{home}/docs")
        assert said == []
        assert {address.removeprefix(home) for address in asked} - {"/page/docs/icon.svg"} == {
            "/docs",
            "/docs/docs.css",
        }
        dead = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1)))"
        assert await page.evaluate(f"{dead}.map(a => a.hash)") == []
        ids = "[...document.querySelectorAll('[id]')].map(one => one.id)"
        names = await page.evaluate(ids)
        assert len(names) == len(set(names)) > 10
        SHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SHOTS / "docs.png")
        await page.get_by_role("link", name="A ranked list").click()
        await page.locator("summary").first.click()
        await page.screenshot(path=SHOTS / "docs-operation.png")
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.emulate_media(color_scheme="dark")
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await page.screenshot(path=SHOTS / "docs-narrow-dark.png")
        example = page.get_by_role("link", name="/v1/demo/popular/read/24h?limit=2")
        async with page.expect_response(lambda answer: "limit=2" in answer.url) as answered:
            await example.first.click()
        assert (await answered.value).status == 200
