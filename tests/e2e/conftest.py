"""What the tests of the page share: a browser, a newspaper, and clocks that go on."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.support.page_site import chromium, clocks, close_pages, newspaper
from tests.support.reader import Reader


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium_of_module() -> AsyncIterator[Browser]:
    """Started once for a module: that takes a second and a half of a core."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium_of_module: Browser, reader: Reader) -> AsyncIterator[Browser]:
    """With nothing open; its pages are closed before the reader that they visit, whose end would wait for streams."""
    del reader
    yield chromium_of_module
    await close_pages(chromium_of_module)


@pytest_asyncio.fixture(loop_scope="module")
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    async with newspaper(redis_url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def beating(reader: Reader) -> AsyncIterator[None]:
    async with clocks(reader):
        yield
