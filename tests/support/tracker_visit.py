"""One open page with the tracker, its clock, and what the browser had to complain about."""

from playwright.async_api import BrowserContext, Page

from tests.support.tracker_site import Site

SOME_S = 6
"""Longer than the tracker looks for another article after a navigation."""
NO_NAVIGATION_API = "delete window.navigation"


class Visit:
    """One open page, its clock standing until time is made to pass, and what the browser had to complain about."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site = site
        self.page = page
        self.complaints: list[str] = []
        self.kinds: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.kinds.append(request.resource_type))

    async def pass_time(self, seconds: float = SOME_S) -> None:
        await self.page.clock.run_for(round(1000 * seconds))

    async def settled(self) -> list[tuple[str, str]]:
        """What was sent since the last time, once time has passed and nothing more is on its way."""
        await self.pass_time()
        await self.page.evaluate("popular('mark', '-')")
        await self.site.arrival("mark", "-")
        came = [brief for brief in self.site.briefs if brief[0] != "mark"]
        self.site.sent.clear()
        return came

    async def go(self, script: str) -> None:
        await self.page.evaluate(script)
        await self.pass_time(0.3)


async def visit(site: Site, context: BrowserContext, address: str, *init: str) -> Visit:
    seen = Visit(site, await context.new_page())
    await seen.page.clock.install()
    for script in init:
        await seen.page.add_init_script(script)
    await seen.page.goto(address)
    await seen.page.clock.pause_at(await seen.page.evaluate("Date.now() + 1000"))
    return seen


def canonical(path: str) -> str:
    return f'<link rel="canonical" href="https://www.example.org{path}?from=feed#top">'
