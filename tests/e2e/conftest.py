"""What the tests of the page share: a browser, a newspaper, and clocks that go on."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.page_site import chromium, clocks, newspaper
from tests.support.reader import Reader


@pytest.fixture
async def browser(reader: Reader) -> AsyncIterator[Browser]:
    """Closed before the reader that it visits, whose end would wait for open streams."""
    del reader
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    async with newspaper(redis_url) as running:
        yield running


@pytest.fixture
async def beating(reader: Reader) -> AsyncIterator[None]:
    async with clocks(reader):
        yield
