"""The scripts of other analytics in a real browser, sending to the collector: page views counted, nothing to complain about."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from deploy.local.faults import MissingTool
from tests.conftest import without
from tests.support.beacon_collector import UUID
from tests.support.beacon_pages import Pages, beacon_pages, opened, script
from tests.support.npm_packages import MATOMO, PLAUSIBLE, UMAMI, unpacked
from tests.support.tracked_site import reading


@pytest_asyncio.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with beacon_pages(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def reader(pages: Pages) -> AsyncIterator[BrowserContext]:
    """Closed before the servers, whose end would wait for it."""
    del pages
    async with reading() as context:
        yield context


async def test_plausible(pages: Pages, reader: BrowserContext) -> None:
    """Its npm package: a page view, another after a navigation inside the page, and an event that is none."""
    pages.heads["/écluses"] = f"""<script type="module">
        import {{ init, track }} from "{script(PLAUSIBLE, "plausible.js")}";
        init({{ domain: "demo.example", endpoint: "{pages.address}/api/event", captureOnLocalhost: true }});
        track("Signup", {{ callback: (answer) => (window.answered = answer.status) }});
    </script>"""
    page, complaints = await opened(reader, f"{pages.origin}/écluses?utm_source=x#top")
    assert await pages.views(1) == ["/écluses"]
    await page.wait_for_function("window.answered")
    assert await page.evaluate("window.answered") == 202  # it could read the answer
    await page.evaluate("history.pushState(null, '', '/marées/')")
    assert await pages.views(2) == ["/écluses", "/marées"]
    await pages.passed_over("plausible", "no_page_view")
    assert complaints == []


async def test_umami(pages: Pages, reader: BrowserContext) -> None:
    """Its tracker asks for a preflight, sends back what it was answered, and encodes paths twice."""
    pages.heads["/soci\u00e9t\u00e9"] = (
        f'<script defer src="{script(UMAMI, "src/tracker/index.js")}" '
        f'data-website-id="{UUID}" data-host-url="{pages.address}"></script>'
    )
    page, complaints = await opened(reader, f"{pages.origin}/soci%C3%A9t%C3%A9?id=7")
    assert await pages.views(1) == ["/société"]
    await page.evaluate("umami.track('signup')")
    await pages.passed_over("umami", "no_page_view")
    await page.evaluate("history.pushState(null, '', '/ailleurs')")
    assert await pages.views(2) == ["/société", "/ailleurs"]
    assert complaints == []


AS_MATOMO_JS = """async ([tracker, query]) => {
  const form = { type: "application/x-www-form-urlencoded; charset=UTF-8" };
  const url = (path) => `${query}&url=${encodeURIComponent(location.origin + path)}`;
  const posted = (body) => new Promise((done) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", tracker, true);
    xhr.onreadystatechange = () => xhr.readyState === 4 && done(xhr.status);
    xhr.setRequestHeader("Content-Type", form.type);
    xhr.withCredentials = true;
    xhr.send(body);
  });
  const shown = (query) => new Promise((done) => {
    const image = new Image(1, 1);
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = `${tracker}?${query}`;
  });
  navigator.sendBeacon(`${tracker}?${url("/beacon")}`, new Blob([], form));
  navigator.sendBeacon(tracker, new Blob([`${url("/long")}&title=${"x".repeat(3000)}`], form));
  return [
    await posted(url("/posted")),
    await posted(JSON.stringify({ requests: [`?${url("/one")}`, `?${url("/other")}`], send_image: 0 })),
    await shown(url("/shown").replace("send_image=0", "send_image=1")),
  ];
}"""
"""The ways in which matomo.js sends: a beacon with a query, a long one, a form with credentials, a bulk, an image."""


@pytest.mark.parametrize("head", ["", '<meta name="referrer" content="no-referrer">'], ids=["usual", "no-referrer"])
async def test_as_matomo_js_sends(pages: Pages, reader: BrowserContext, head: str) -> None:
    """No npm package has matomo.js. An answer that it may not read would have it send again, so each is counted once."""
    pages.heads["/"] = head
    page, complaints = await opened(reader, pages.origin)
    sent = [f"{pages.address}/matomo.php", "idsite=3&rec=1&send_image=0"]
    assert await page.evaluate(AS_MATOMO_JS, sent) == [204, 204, True]
    assert sorted(await pages.views(6)) == ["/beacon", "/long", "/one", "/other", "/posted", "/shown"]
    assert complaints == []


async def test_as_goatcounter_sends(pages: Pages, reader: BrowserContext) -> None:
    """No npm package has count.js, which sends a beacon without a body, or an image if the page's policy forbids that."""
    pages.heads["/"] = ""
    page, complaints = await opened(reader, pages.origin)
    ways = """([count]) => new Promise((done) => {
      navigator.sendBeacon(`${count}?p=%2Fbeacon&b=0&rnd=a`);
      const image = document.createElement("img");
      image.addEventListener("load", () => done(true), false);
      image.src = `${count}?p=%2Fshown&b=0&rnd=b`;
      document.body.appendChild(image);
    })"""
    assert await page.evaluate(ways, [f"{pages.address}/count"]) is True
    assert sorted(await pages.views(2)) == ["/beacon", "/shown"]
    assert complaints == []


async def test_matomo_bulk_of_a_server(pages: Pages) -> None:
    """The published client for Node, on a server: no page stands behind it, so its Host says whose it is."""
    node = shutil.which("node")
    if node is None:
        without(MissingTool("node is not on this machine (Debian: apt-get install nodejs)"))
    program = """
      const Matomo = require(process.argv[1]);
      const matomo = new Matomo(3, process.argv[2]);
      matomo.on("error", (error) => console.error(error));
      matomo.trackBulk([{ url: "https://www.demo.example/a" }, { url: "/b", ping: 1 }, { e_c: "c", e_a: "a" }],
        (answer) => console.log(answer));
    """
    client = unpacked(MATOMO) / "package"
    process = await asyncio.create_subprocess_exec(
        node, "-e", program, client, f"{pages.address}/matomo.php", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == '{"status":"success","tracked":1,"invalid":2}'
    assert await pages.views(1) == ["/a"]
