"""The tracker on other people's pages, in real Chromium: what it counts, what it leaves behind, and who serves it."""

import asyncio
import dataclasses
import socket
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from producers.collector.http import tracker as served
from tests.support.published_scripts import TRACKER
from tests.support.tracker_site import Site, Unwatched
from tests.support.tracker_visit import Visit, canonical, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "tracker"
NO_KEEPALIVE = "delete Request.prototype.keepalive"


async def test_where_the_article_is_named(site: Site, context: BrowserContext) -> None:
    """The order of sources; what is empty or no address gives way to the next."""
    head = '<meta name="article-id" content="/meta"><meta property="og:url" content="/og?x=1">' + canonical(
        "/canonical"
    )
    named = {"on_html": 'data-article="/html"', "on_body": 'data-article="/body"'}
    address = site.page("/caf%C3%A9", head=head + site.script('defer data-article="/script"'), **named)
    seen = await visit(site, context, address)
    steps = {
        "document.body.dataset.article = ''": "/html",
        "delete document.documentElement.dataset.article": "/script",
        "document.querySelector('script').dataset.article = ''": "/meta",
        "document.querySelector('meta[name=article-id]').content = ''": "/canonical",
        "document.querySelector('link').href = 'http://['": "/og",
        "document.querySelector('link').remove()": "/og",
        "document.querySelector('[property]').content = ''": "/caf%C3%A9",
    }
    for step, found in steps.items():
        await seen.page.evaluate(f"{step}; popular('share')")
        await site.arrival("share", found)
    assert await seen.settled() == [("view", "/body"), *(("share", found) for found in steps.values())]
    assert seen.complaints == []


BUTTONS = """
<button id="share" data-popular="share"><b>Share</b></button>
<article data-article="/other"><p><button id="other" data-popular="comment">Comment</button></p></article>
<button id="own" data-popular="share" data-article="/own">Share</button>
<button id="none">Nothing</button>
<form id="form" data-popular="comment" action="/a"><input id="text" required><button id="submit">Send</button></form>
<div id="host"></div>
"""


async def test_shares_and_comments_by_attributes(site: Site, context: BrowserContext) -> None:
    """A click counts, a form when it is sent; for the article named nearest above, else the page's."""
    seen = await visit(site, context, site.page("/a", BUTTONS))
    assert await seen.settled() == [("view", "/a")]
    await seen.page.evaluate("document.querySelector('#share').addEventListener('click', (e) => e.stopPropagation())")
    await seen.page.click("#share b")
    await seen.page.click("#other")
    await seen.page.click("#own")
    await seen.page.focus("#own")
    await seen.page.keyboard.press("Enter")
    await seen.page.click("#none")
    expected = [("share", "/a"), ("comment", "/other"), ("share", "/own"), ("share", "/own")]
    assert await seen.settled() == expected
    await seen.page.click("#submit")  # refused: nothing is written
    await seen.page.fill("#text", "Bravo")
    await seen.page.evaluate("document.querySelector('form').addEventListener('submit', (e) => e.preventDefault())")
    await seen.page.click("#submit")
    assert await seen.settled() == [("comment", "/a")]
    await seen.page.evaluate(
        """() => {
          const [host, button] = [document.querySelector("#host"), document.createElement("button")];
          host.dataset.article = "/shadow";
          button.dataset.popular = "share";
          host.attachShadow({ mode: "open" }).append(button);
          button.click();
        }"""
    )
    assert await seen.settled() == [("share", "/shadow")]
    assert seen.complaints == []


async def test_a_click_that_leaves_the_page(site: Site, context: BrowserContext) -> None:
    """The share arrives although the page is gone before there was a connection for it."""
    site.page("/next", head="")
    site.held["/held"] = asyncio.Event()
    seen = await visit(site, context, site.page("/a", '<a href="/next" data-popular="share">Share</a>'))
    await site.arrival("view", "/a")
    last = await seen.page.evaluate(
        """(url) => {
          const how = { method: "POST", mode: "no-cors", credentials: "omit" };
          const body = (n) => JSON.stringify({ event_type: "held", article_id: `${n}` });
          for (let n = 1; n <= 6; n++) fetch(url, { ...how, body: body(n) });
          return 6; // as many as Chromium has connections to one server
        }""",
        f"{site.collector}/held",
    )
    for n in range(1, last + 1):
        await site.arrival("held", f"{n}")
    await seen.page.click("a")
    await seen.page.wait_for_url("**/next")
    await site.arrival("share", "/a")


async def test_the_function(site: Site, context: BrowserContext) -> None:
    """For this article or another; what makes no sense throws nothing."""
    seen = await visit(site, context, site.page("/a"))
    assert await seen.settled() == [("view", "/a")]
    await seen.page.evaluate("popular('share'); popular('comment', '/b'); popular('share', 7)")
    assert await seen.settled() == [("share", "/a"), ("comment", "/b"), ("share", "7")]
    await seen.page.evaluate("popular(1n); popular('share', Object.create(null)); popular({ toJSON() { throw 1 } })")
    assert await seen.settled() == []
    assert seen.complaints == []


async def test_a_driven_browser_says_so(site: Site, context: BrowserContext, tabs: Unwatched) -> None:
    """`navigator.webdriver` is true under Playwright, and in a browser that nobody drives the event says nothing."""
    await visit(site, context, site.page("/a"))
    await site.arrival("view", "/a")
    assert site.sent[0].event["agent_class"] == "bot"
    tab = await tabs.open(site.page("/b"))
    await site.arrival("view", "/b")
    assert site.sent[1].event == {"article_id": "/b", "event_type": "view"}
    await tabs.close(tab)


async def test_nothing_is_left_behind(site: Site, context: BrowserContext) -> None:
    """No cookie that an answer sets is kept, and nothing is stored."""
    seen = await visit(site, context, site.page("/a"))
    assert await seen.settled() == [("view", "/a")]
    assert await context.cookies() == []
    stored = "[localStorage.length, sessionStorage.length, (await indexedDB.databases()).length]"
    assert await seen.page.evaluate(f"(async () => {stored})()") == [0, 0, 0]


async def test_a_page_without_referrers(site: Site, context: BrowserContext) -> None:
    """The collector still learns whose page it is, and no more than the origin."""
    address = site.page("/a", referrer_policy="no-referrer")
    await visit(site, context, address)
    await site.arrival("view", "/a")
    assert (site.sent[0].headers["origin"], site.sent[0].headers["referer"]) == (site.origin, f"{site.origin}/")


async def test_a_browser_without_keepalive(site: Site, context: BrowserContext) -> None:
    """Firefox before 133: sendBeacon takes its place."""
    seen = await visit(site, context, site.page("/a"), NO_KEEPALIVE)
    await site.arrival("view", "/a")
    assert site.sent[0].headers["content-type"] == "text/plain;charset=UTF-8"
    assert "ping" in seen.kinds
    assert await seen.settled() == [("view", "/a")]
    await seen.page.evaluate("navigator.sendBeacon = undefined; popular('share')")
    assert seen.complaints == []


async def test_a_collector_behind_a_path_of_the_site(site: Site, context: BrowserContext) -> None:
    """Events go beside the script; the site's own cookies do not go with them, and none is taken."""
    await context.add_cookies([{"name": "session", "value": "1", "url": site.origin}])
    head = site.script().replace(f"{site.collector}/", "/behind/")
    policy = "default-src 'none'; script-src 'self'; connect-src 'self'"
    await visit(site, context, site.page("/a", head=head, content_security_policy=policy))
    await site.arrival("view", "/a")
    assert site.sent[0].path == "/behind/v1/events"
    assert "cookie" not in site.sent[0].headers
    assert [cookie["name"] for cookie in await context.cookies()] == ["session"]


async def test_a_collector_that_is_down(site: Site, context: BrowserContext) -> None:
    """The script came from a cache, nobody answers the event: the page notices nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening: connections are refused
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
        headers = {"access-control-allow-origin": "*", "content-type": "text/javascript"}
        await context.route(
            f"{gone}{TRACKER.address}", lambda route: route.fulfill(body=TRACKER.current, headers=headers)
        )
        policy = f"default-src 'none'; script-src {gone}; connect-src {gone}"
        head = site.script().replace(site.collector, gone)
        seen = Visit(site, await context.new_page())
        async with seen.page.expect_event("requestfailed") as failed:
            await seen.page.goto(site.page("/a", head=head, content_security_policy=policy))
        assert (await failed.value).url == f"{gone}/v1/events"
        await seen.page.evaluate("popular('share')")
        await seen.page.evaluate("new Promise((done) => setTimeout(done))")
    assert [line for line in seen.complaints if "ERR_CONNECTION_REFUSED" not in line] == []


async def test_a_policy_that_forgets_the_collector(site: Site, context: BrowserContext) -> None:
    """The policy of these tests is in force: without connect-src the browser complains, and the page goes on."""
    policy = f"default-src 'none'; script-src {site.collector}"
    seen = await visit(site, context, site.page("/a", content_security_policy=policy))
    await seen.page.evaluate("popular('share')")
    assert all("connect-src" in line or "Refused to connect" in line for line in seen.complaints)
    assert seen.complaints
    assert site.sent == []


async def test_the_example(site: Site, context: BrowserContext) -> None:
    """docs/tracker/index.html, its collector at the address it names."""
    html = (DOCS / "index.html").read_text("utf-8")
    named = "http://127.0.0.1:8081"
    site.page("/example")
    site.pages["/example"] = (html.replace(named, site.collector), {})
    seen = await visit(site, context, f"{site.origin}/example")
    assert await seen.settled() == [("view", "/un-article")]
    await seen.page.get_by_role("button", name="Partager cet article").click()
    await seen.page.get_by_role("button", name="Partager l’autre").click()
    await seen.page.fill("textarea", "Bravo")
    await seen.page.get_by_role("button", name="Commenter").click()
    await seen.page.wait_for_url("**/example?texte=Bravo")
    await site.arrival("view", "/un-article")
    acts = [("share", "/un-article"), ("share", "/un-autre"), ("comment", "/un-article")]
    assert await seen.settled() == [*acts, ("view", "/un-article")]
    assert seen.complaints == []


async def test_a_page_of_before_an_upgrade(
    site: Site, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that a page pinned goes on counting when the collector has another script; so does who follows.

    What was pinned at the address without a version is refused by the browser: that is what versions are for.
    """
    before = site.script()
    upgraded = served.trackers()[served.LATEST].body + b"// later\n"
    monkeypatch.setattr(served, "_source", lambda: upgraded)
    served.trackers.cache_clear()
    latest = dataclasses.replace(TRACKER, current=upgraded)
    lines = {
        "/pinned": before,
        "/latest": latest.line(site.collector, "defer"),
        "/following": f'<script defer src="{site.collector}/tracker.js"></script>',
    }
    try:
        for path, head in lines.items():
            seen = await visit(site, context, site.page(path, head=head))
            assert await seen.settled() == [("view", path)]
            assert seen.complaints == []
        unversioned = before.replace(TRACKER.address, served.LATEST)
        seen = await visit(site, context, site.page("/stopped", head=unversioned))
        assert "integrity" in " ".join(seen.complaints)
        assert site.sent == []
    finally:
        served.trackers.cache_clear()


async def test_it_is_small() -> None:
    """Under 2 kB as it is sent, comments and all; read once."""
    assert len(served.trackers()[served.LATEST].gzip) < 2_000
    assert served.trackers() is served.trackers()
