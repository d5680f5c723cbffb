"""A browser that visits no reader, and a site with the block."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.support.block_site import Site, running_site
from tests.support.page_site import close_pages

CSS = """
body { margin: 24px; font: 16px/1.4 Georgia, "DejaVu Serif Condensed", serif; background: #fbfaf6; color: #1d1b18 }
.side { inline-size: 300px }
@media (prefers-color-scheme: dark) { body { background: #171614; color: #efebe3 } }
"""


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium_of_module: Browser) -> AsyncIterator[Browser]:
    """No reader of the page is visited here."""
    yield chromium_of_module
    await close_pages(chromium_of_module)


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[Site]:
    async with running_site() as running:
        running.css = CSS
        yield running
