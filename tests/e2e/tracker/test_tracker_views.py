"""What is one view: navigation inside the page, a head that follows, tabs, prerendering, back and forward."""

import asyncio

import pytest
from playwright.async_api import BrowserContext

from tests.support.reader import until
from tests.support.tracker_site import PRERENDER, Site, Unwatched
from tests.support.tracker_visit import NO_NAVIGATION_API, SOME_S, Visit, canonical, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("how", ["defer", "async", ""])
async def test_a_visible_page_counts_once(site: Site, context: BrowserContext, how: str) -> None:
    """One request that needs no leave of the collector's, wherever the line stands; read when the head is whole."""
    address = site.page("/a", head=site.script(how) + canonical("/article"))
    seen = await visit(site, context, f"{address}?id=1#part")
    await site.arrival("view", "/article")
    (sent,) = site.sent
    assert (sent.method, sent.path) == ("POST", "/v1/events")
    assert sent.event == {"article_id": "/article", "event_type": "view", "agent_class": "bot"}
    assert sent.headers["content-type"] == "text/plain;charset=UTF-8"
    assert sent.headers["origin"] == site.origin
    assert await seen.settled() == [("view", "/article")]
    assert seen.complaints == []


@pytest.mark.parametrize("init", ["", NO_NAVIGATION_API])
async def test_a_navigation_while_the_page_is_on_its_way_is_part_of_its_view(
    site: Site, context: BrowserContext, init: str
) -> None:
    """As of scripts that tidy the address at once: nothing is counted before the head is whole, and then once."""
    site.held["/slow.js"] = asyncio.Event()
    policy = f"default-src 'none'; script-src 'self' {site.collector}; connect-src {site.collector}"
    head = site.script("") + '<script src="/slow.js"></script>' + canonical("/article")
    address = site.page("/a", head=head, content_security_policy=policy)
    site.pages["/slow.js"] = ("", {})
    page = await context.new_page()
    await page.clock.install()
    await page.add_init_script(init)
    await page.goto(f"{address}?utm=1", wait_until="commit")

    async def there() -> bool:
        return bool(await page.evaluate("typeof popular === 'function' && document.readyState === 'loading'"))

    await until(there, "the tracker on a page that is not whole")
    await page.evaluate("history.replaceState(null, '', location.pathname)")
    await page.clock.run_for(1000 * SOME_S)
    site.held["/slow.js"].set()
    await site.arrival("view", "/article")
    assert await Visit(site, page).settled() == [("view", "/article")]


@pytest.mark.parametrize("init", [(), (NO_NAVIGATION_API,)], ids=["navigation", "history"])
async def test_navigation_inside_the_page(site: Site, context: BrowserContext, init: tuple[str, ...]) -> None:
    """Another article is another view, forward and back; another query or hash of the same article is none."""
    address = site.page("/a", '<nav id="navigation"></nav><a href="#part">x</a>', head=site.script() * 2)
    seen = await visit(site, context, address, *init)
    assert await seen.settled() == [("view", "/a")]
    await seen.page.click("a")
    await seen.go("history.pushState(null, '', '?page=2')")
    await seen.go("history.replaceState({}, '')")
    assert await seen.settled() == []
    await seen.go("history.pushState(1, '', '/b#x')")
    await site.arrival("view", "/b")
    assert await seen.page.evaluate("[history.state, location.pathname]") == [1, "/b"]
    await seen.page.evaluate("history.pushState(null, '', '/moved')")
    await seen.pass_time(0.2)
    await seen.go("history.replaceState(null, '', '/c')")
    await site.arrival("view", "/c")
    await seen.go("history.replaceState(null, '', '/d')")
    await site.arrival("view", "/d")
    await seen.go("new Promise((done) => { addEventListener('popstate', done, {once: true}); history.back() })")
    assert await seen.settled() == [("view", "/b"), ("view", "/c"), ("view", "/d"), ("view", "/b")]
    assert seen.complaints == []


async def test_a_head_that_follows_later(site: Site, context: BrowserContext) -> None:
    """An article that arrives after the navigation is the one that is counted; one view at most for each navigation."""
    seen = await visit(site, context, site.page("/a", head=canonical("/a") + site.script()))
    assert await seen.settled() == [("view", "/a")]
    name = "document.querySelector('link[rel=canonical]').href = "
    await seen.go("history.pushState(null, '', '/b')")
    await seen.pass_time(3)
    assert site.briefs == []
    await seen.go(name + "'/later'")
    assert await seen.settled() == [("view", "/later")]
    await seen.go(name + "'/unasked'; document.dispatchEvent(new Event('visibilitychange'))")  # shown again
    assert await seen.settled() == []
    await seen.go(name + "'/later'")
    await seen.go("history.pushState(null, '', '?p=2')")
    assert await seen.settled() == []
    await seen.go(name + "'/too-late'")
    assert await seen.settled() == []
    await seen.go(f"history.pushState(null, '', '?p=3'); {name} '/query'")
    assert await seen.settled() == [("view", "/query")]
    assert seen.complaints == []


async def test_a_background_tab(site: Site, tabs: Unwatched) -> None:
    """Nothing until it is shown, then one view; hidden and shown again is none."""
    front = await tabs.open(site.ordered("/front"))
    await site.arrival("view", "/front")
    address = site.ordered("/behind")
    site.held["/behind"] = asyncio.Event()
    behind = await tabs.open(address)
    await tabs.show(front)
    site.held["/behind"].set()
    await site.arrival("loaded_hidden", "/behind")
    assert ("view", "/behind") not in site.briefs
    for _ in range(2):
        await tabs.show(behind)
        await site.arrival("view", "/behind")
        await tabs.show(front)
    await tabs.close(behind)
    await tabs.close(front)
    assert site.briefs.count(("view", "/behind")) == 1


async def test_a_prerendered_page(site: Site, tabs: Unwatched) -> None:
    """Nothing while it is prepared, one view once it is shown, and that one does not say that it is prerendered."""
    site.ordered("/target")
    tab = await tabs.open(site.ordered("/from", PRERENDER.format("/target")))
    await site.arrival("prerendered_hidden", "/target")
    assert ("view", "/target") not in site.briefs
    site.order("/from", "/target")
    await site.arrival("activated", "/target")
    await site.arrival("view", "/target")
    views = [one for one in site.sent if one.brief == ("view", "/target")]
    assert ["sec-purpose" in one.headers for one in views] == [False]
    await tabs.close(tab)


async def test_back_and_forward(site: Site, tabs: Unwatched) -> None:
    """A page that comes back from the browser's cache, as it was left, is viewed again."""
    site.ordered("/second")
    tab = await tabs.open(site.ordered("/first"))
    await site.arrival("view", "/first")
    site.order("/first", "/second")
    await site.arrival("view", "/second")
    site.order("/second", "back")
    await site.arrival("restored", "/first")  # only a page that was kept says so
    await until(lambda: _twice(site, ("view", "/first")), "second view")
    await tabs.close(tab)
    assert site.briefs.count(("view", "/first")) == 2


async def _twice(site: Site, brief: tuple[str, str]) -> bool:
    return site.briefs.count(brief) >= 2
