"""What a page leaves out of its lists: its own article, what stands in another list, more of one section."""

from typing import Any
from urllib.parse import parse_qsl

import pytest
from playwright.async_api import Browser, expect

from tests.support.block_site import ARTICLES, Site, answer
from tests.support.block_visit import visit
from tests.support.published_scripts import BLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "https://demo.example/" + 5_000 * "a/"


def titles(*left_out: int) -> list[str]:
    return [title for rank, (title, *_) in enumerate(ARTICLES, 1) if rank not in left_out]


def article(rank: int, url: str | None, article_id: str = "") -> dict[str, Any]:
    """The list with one article at another address."""
    items = answer()["items"]
    items[rank - 1] |= {"url": url} | ({"article_id": article_id} if article_id else {})
    return {"items": items}


@pytest.mark.parametrize(
    ("links", "left_out"),
    [
        ("", ()),
        ('<link rel="canonical" href="https://demo.example/3">', (3,)),
        ('<link rel="Canonical nofollow" href="HTTPS://www.Demo.example:443/3/?utm_source=x#top">', (3,)),
        ('<link rel="canonical" href="//demo.example/3">', (3,)),
        ('<link rel="canonical" href="/3">', ()),  # of this host: another site's article
        ('<link rel="canonical" href="https://demo.example/">', ()),
        ('<link rel="canonical" href="https://demo.example/33">', ()),
        ('<link rel="canonical" href="">', ()),
        ('<link rel="canonical">', ()),
        ('<link rel="canonical" href="https://[">', ()),
        ('<link rel="canonical" href="https://demo.example/%E9%">', ()),
        (f'<link rel="canonical" href="{LONG}">', ()),
        ('<link rel="canonical" href="https://["><link rel="canonical" href="https://demo.example/3">', (3,)),
        ('<link rel="alternate" href="https://demo.example/3">', ()),
    ],
)
async def test_the_canonical_address(browser: Browser, site: Site, links: str, left_out: tuple[int, ...]) -> None:
    """However a page writes it; what leads elsewhere, or nowhere, leaves nothing out. Ranks have no gap."""
    seen = await visit(browser, site.page(site.element('boards="read"'), head=BLOCK.line(site.api) + links))
    await expect(seen.part("link")).to_have_text(titles(*left_out))
    assert await seen.texts("rank") == [f"{rank:02d}." for rank in range(1, 8 - len(left_out))]
    assert seen.complaints == []


async def test_a_canonical_link_in_a_comment_of_a_reader(browser: Browser, site: Site) -> None:
    """Only the head of a page states what the page is."""
    link = '<link rel="canonical" href="https://demo.example/3">'
    seen = await visit(browser, site.page(site.element('boards="read"') + link))
    await expect(seen.part("link")).to_have_text(titles())


@pytest.mark.parametrize(
    ("url", "article_id", "address", "is_own"),
    [
        ("{origin}/0", "", "", True),
        ("{origin}/0", "", "?utm_source=x&page=2#comments", True),
        ("{origin}/0?utm_source=rss", "/0", "", True),  # a feed's address, and the article's id
        ("{origin}/0?p=12", "12", "?p=12&utm_source=x", True),
        ("{origin}/0?p=12", "12", "?p=13", False),
        ("{origin}/0?p=12", "12", "", False),
        (None, "/0", "", True),
        (None, "/0/", "", True),
        (None, "0", "", True),
        (None, "/1", "", False),
        ("https://other.example/0", "/0", "", False),
        ("javascript:0", "12", "", False),
    ],
)
async def test_the_location(
    browser: Browser, site: Site, url: str | None, article_id: str, address: str, is_own: bool
) -> None:
    """Without a canonical link: an article's address, or else its id, whatever the location has in its query beside it."""
    site.changes = article(3, url and url.format(origin=site.origin), article_id)
    seen = await visit(browser, site.page(site.element('boards="read"')) + address)
    await expect(seen.part("link")).to_have_count(6 if is_own else 7)
    assert await seen.texts("link") == titles(*([3] if is_own else []))
    assert seen.complaints == []


async def test_the_own_article_makes_room(browser: Browser, site: Site) -> None:
    """One place more is requested, so the list is full either way, and the address is the same on every page."""
    canonical = BLOCK.line(site.api) + '<link rel="canonical" href="https://demo.example/2">'
    element = site.element('boards="read" windows="24h"').replace('limit="7"', 'limit="5"')
    seen = await visit(browser, site.page(element, head=canonical))
    await expect(seen.part("link")).to_have_text(titles(2, 7))
    other = await visit(browser, site.page(element))
    await expect(other.part("link")).to_have_text(titles(6, 7))
    assert site.asked == ["/v1/demo/popular/read/24h?limit=6"] * 2
    host = seen.page.locator("articles-populaires")
    await host.evaluate("(node) => node.setAttribute('own-article', '')")
    await expect(seen.part("link")).to_have_text(titles(6, 7))
    assert site.asked[2:] == ["/v1/demo/popular/read/24h?limit=5"]
    await host.evaluate("(node) => node.setAttribute('own-article', 'false')")
    await expect(seen.part("link")).to_have_text(titles(2, 7))


async def test_distinct_and_max_per(browser: Browser, site: Site) -> None:
    """Both go to the API as they stand; no list is without itself; a list without a window is that of the chosen period."""
    attributes = 'boards="read,shared" distinct="read:7, commented/7d:3" max-per="section:2 format:1" own-article'
    seen = await visit(browser, site.page(site.element(attributes)))
    await expect(seen.part("link", 1)).to_have_count(7)
    both = [("limit", "7"), ("max_per", "section:2"), ("max_per", "format:1")]
    asked = {path: parse_qsl(query) for path, _, query in (one.partition("?") for one in site.asked)}
    assert asked == {
        "/v1/demo/popular/read/24h": [*both, ("unless", "commented/7d:3")],
        "/v1/demo/popular/shared/24h": [*both, ("unless", "read/24h:7"), ("unless", "commented/7d:3")],
    }
    site.asked.clear()
    await seen.page.get_by_role("radio").nth(1).check()
    await expect(seen.page.locator("[aria-busy]")).to_have_count(0)
    assert {path: parse_qsl(query)[3:] for path, _, query in (one.partition("?") for one in site.asked)} == {
        "/v1/demo/popular/read/7d": [("unless", "commented/7d:3")],
        "/v1/demo/popular/shared/7d": [("unless", "read/7d:7"), ("unless", "commented/7d:3")],
    }
