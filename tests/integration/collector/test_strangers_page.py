"""A stranger's page in a real browser makes its visitors count nowhere; the site's own page counts, whatever it hides."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from tests.support.collector_process import Collector, collector
from tests.support.page_site import chromium
from tests.support.tracker_site import Site, running_site

pytestmark = pytest.mark.asyncio(loop_scope="module")
HIDDEN = {"referrer-policy": "no-referrer"}
VIEW = '{"article_id":"/a"}'


class World:
    """A collector at `localhost`, and the pages of two others at 127.0.0.1, which is another site to a browser."""

    def __init__(self, running: Collector, own: Site, stranger: Site, page: Page) -> None:
        self.running, self.own, self.stranger, self.page = running, own, stranger, page
        self.url = f"http://localhost:{running.port}"
        self.pixel = f"{self.url}/v1/view.gif?article_id=/a"

    def counts(self) -> dict[str, float]:
        """Events taken, and requests refused by why."""
        refused = {why: self.running.metric("refused_requests_total", reason=why) for why in REASONS}
        return {"taken": self.running.metric("events_total", to="spool"), **refused}

    async def visit(self, site: Site, body: str, headers: dict[str, str], origin: str | None = None) -> str:
        """What becomes of the one request that a page makes."""
        site.pages["/page"] = (f"<!doctype html><title>Page</title>{body}", headers)
        before = self.counts()
        await self.page.goto(f"{origin or site.origin}/page")

        def changed() -> list[str]:
            now = self.counts()
            return [name for name in now if now[name] != before[name]]

        await asyncio.to_thread(waiting.until, "What becomes of a request", changed)
        (what,) = changed()
        return what


REASONS = ("cross_site", "foreign_origin", "unknown_site", "malformed", "media_type", "all_rejected", "http")


@contextlib.contextmanager
def configured(directory: Path, own: Site) -> Iterator[Collector]:
    config = f'[sites.demo]\norigins = ["{own.origin}"]\nhosts = ["localhost"]\n[sites.other]\n[sites.server]\n'
    with collector(f"{HOST}:{free_port()}", "nowhere", directory, config) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running_site() as own, running_site() as stranger, chromium() as browser:
        with configured(tmp_path_factory.mktemp("strangers"), own) as running:
            yield World(running, own, stranger, await browser.new_page())


def script(text: str) -> str:
    return f"<script>{text}</script>"


ATTACKS: dict[str, tuple[str, str]] = {
    "image": ('<img src="PIXEL">', "cross_site"),
    "image that hides the page by itself": ('<img src="PIXEL" referrerpolicy="no-referrer">', "cross_site"),
    "image in a sandbox": ("<iframe sandbox srcdoc='<img src=\"PIXEL\">'></iframe>", "cross_site"),
    "frame": ('<iframe src="PIXEL"></iframe>', "cross_site"),
    "navigation": (script('location.href = "PIXEL"'), "cross_site"),
    "fetch of the image": (script('fetch("PIXEL", {mode: "no-cors"})'), "cross_site"),
    "fetch": (
        script("fetch('URL/v1/events', {method: 'POST', mode: 'no-cors', body: '" + VIEW + "'})"),
        "foreign_origin",
    ),
    "beacon": (script("navigator.sendBeacon('URL/v1/events', '" + VIEW + "')"), "foreign_origin"),
    "form": (
        '<form method="post" enctype="text/plain" action="URL/v1/events">'
        """<input name='{"article_id":"/a","x":"' value='"}'></form>""" + script("document.forms[0].submit()"),
        "foreign_origin",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_strangers_page(world: World, attack: str) -> None:
    """Whatever it makes a visitor's browser send without a referrer is refused."""
    body, why = ATTACKS[attack]
    body = body.replace("PIXEL", world.pixel).replace("URL", world.url)
    assert await world.visit(world.stranger, body, HIDDEN) == why


async def test_a_strangers_page_that_hides_nothing(world: World) -> None:
    """Refused by its name."""
    assert await world.visit(world.stranger, f'<img src="{world.pixel}">', {}) == "foreign_origin"


async def test_the_sites_own_page(world: World) -> None:
    """Under no-referrer too: the script sends the origin, and the image if it is configured; from the collector's own site
    the image need not.
    """
    tracker = f'<script defer src="{world.url}/tracker.js"></script>'
    image, named = (f'<img src="{world.pixel}" {words}>' for words in ("", 'referrerpolicy="origin"'))
    near = world.own.origin.replace("127.0.0.1", "localhost")
    visits: list[tuple[str, dict[str, Any]]] = [(tracker, {}), (tracker, HIDDEN), (image, {}), (named, HIDDEN)]
    for body, headers in visits:
        assert await world.visit(world.own, body, headers) == "taken"
    assert await world.visit(world.own, image, HIDDEN) == "cross_site"
    assert await world.visit(world.own, image, HIDDEN, near) == "taken"
