"""One open page with the block, and what the browser had to complain about."""

from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page

from tests.support.page_site import SHOTS

WATCH = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""


class Visit:
    """One open page, and what the browser had to complain about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def part(self, name: str, board: int = 0) -> Locator:
        return self.page.locator("[part=board]").nth(board).locator(f"[part={name}]")

    async def texts(self, part: str, board: int = 0) -> list[str]:
        return [text.strip() for text in await self.part(part, board).all_inner_texts()]

    async def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"block-{name}.png", full_page=True)

    async def painted(self) -> None:
        """Two frames: what was laid out has been looked at."""
        await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def visit(browser: Browser | BrowserContext, address: str, **how: Any) -> Visit:
    if isinstance(browser, Browser):
        browser = await browser.new_context(
            **{"locale": "fr-FR", "timezone_id": "UTC", "viewport": {"width": 1280, "height": 960}, **how}
        )
    seen = Visit(await browser.new_page())
    await seen.page.add_init_script(WATCH)
    await seen.page.goto(address)
    return seen
