"""Sites with the tracker, and browsers that are driven or not."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.support.page_site import chromium
from tests.support.tracker_site import Site, Unwatched, running_site, unwatched


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Site]:
    async with running_site() as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(running: Site) -> AsyncIterator[Browser]:
    """Closed before the servers, whose end would wait for it."""
    del running
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tabs(running: Site) -> AsyncIterator[Unwatched]:
    del running
    async with unwatched() as tabs:
        yield tabs


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context()
    yield context
    await context.close()


@pytest.fixture
def site(running: Site) -> Site:
    running.forget()
    return running
