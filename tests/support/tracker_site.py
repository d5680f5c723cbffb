"""Pages with the tracker on them and the receiver it sends to; and a browser that nobody watches."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.faults import MissingTool
from producers.collector.http import tracker as served
from ranker.service.http_server import serving
from ranker.service.public_port import PublicPort
from tests.conftest import without
from tests.support.page_site import FLAGS
from tests.support.published_scripts import TRACKER
from tests.support.reader import until

ORDERED = """
// What a page says and does in a browser that nobody watches. It says it as the tracker does, after the tracker.
popular(`${document.prerendering ? "prerendered" : "loaded"}_${document.visibilityState}`);
document.addEventListener("prerenderingchange", () => popular("activated"));
addEventListener("pageshow", (event) => event.persisted && popular("restored"));
fetch(`/orders${location.pathname}`).then((order) => order.text()).then((url) => {
  if (url === "back") history.back();
  else if (url) location.href = url;
});
"""
PRERENDER = (
    """<script type="speculationrules">{{"prerender": [{{"urls": ["{}"], "eagerness": "immediate"}}]}}</script>"""
)


@dataclass(frozen=True)
class Sent:
    """One request that the receiver got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(orjson.loads(self.body))

    @property
    def brief(self) -> tuple[str, str]:
        return self.event["event_type"], self.event["article_id"]


@dataclass
class Site:
    """`origin` has the pages, `collector` (another origin) the script and the receiver of events."""

    origin: str = ""
    collector: str = ""
    pages: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    orders: dict[str, asyncio.Queue[str]] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Paths of both servers that are not answered before their event is set."""

    def forget(self) -> None:
        # or the servers would wait for their answers
        for path in self.orders:
            self.order(path, "")
        for hold in self.held.values():
            hold.set()
        for kept in (self.pages, self.sent, self.orders, self.held):
            kept.clear()

    def script(self, attributes: str = "defer") -> str:
        """The line of docs/tracker."""
        return TRACKER.line(self.collector, attributes)

    def page(
        self,
        path: str,
        body: str = "",
        *,
        head: str | None = None,
        on_html: str = "",
        on_body: str = "",
        **headers: str,
    ) -> str:
        """Publishes a page with the script, under a policy that allows it and nothing else; its address."""
        policy = (
            f"default-src 'none'; script-src {self.collector}; connect-src {self.collector}; "
            "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        html = (
            f'<!doctype html><html {on_html}><head><meta charset="utf-8"><title>Page</title>'
            f"{self.script() if head is None else head}</head><body {on_body}><h1>Page</h1>{body}</body></html>"
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[unquote(path)] = (html, {"content-security-policy": policy} | named)
        return self.origin + path

    def ordered(self, path: str, body: str = "") -> str:
        """Publishes a page that does what `order` says, once; its address."""
        policy = (
            f"default-src 'none'; script-src 'self' 'inline-speculation-rules' {self.collector}; "
            f"connect-src 'self' {self.collector}"
        )
        self.orders[path] = asyncio.Queue()
        head = self.script() + '<script defer src="/ordered.js"></script>'
        return self.page(path, body, head=head, content_security_policy=policy)

    def order(self, path: str, url: str) -> None:
        """Has the page at `path` go to `url`, or `back`."""
        self.orders[path].put_nowait(url)

    @property
    def briefs(self) -> list[tuple[str, str]]:
        """Event type and article of all that came, in that order."""
        return [one.brief for one in self.sent]

    async def arrival(self, event_type: str, article: str) -> None:
        async def came() -> bool:
            return (event_type, article) in self.briefs

        await until(came, f"{event_type} of {article}, only {self.briefs}")


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    site = Site()

    async def page(request: Request) -> Response:
        path = "/" + request.path_params["path"]
        if path in site.held:
            await site.held[path].wait()
        if path not in site.pages:
            return Response(status_code=404)
        html, headers = site.pages[path]
        return Response(html, 200, headers, "text/html; charset=utf-8")

    async def ordered(_: Request) -> Response:
        return Response(ORDERED, media_type="text/javascript; charset=utf-8")

    async def orders(request: Request) -> Response:
        return Response(await site.orders["/" + request.path_params["path"]].get())

    async def script(request: Request) -> Response:
        answer = served.answer(request.url.path.removeprefix("/behind"), dict(request.headers.raw))
        response = Response(answer.body, answer.status)
        response.raw_headers += answer.headers
        return response

    async def events(request: Request) -> Response:
        site.sent.append(Sent(request.method, request.url.path, dict(request.headers), await request.body()))
        if request.url.path in site.held:
            await site.held[request.url.path].wait()
        return Response(status_code=202, headers={"set-cookie": "left=behind; max-age=60"})

    near_routes = [
        Route("/ordered.js", ordered),
        Route("/orders/{path:path}", orders),
        Route("/behind/tracker.{version}.js", script),
        Route("/behind/v1/events", events, methods=["POST"]),
        Route("/{path:path}", page),
    ]
    far_routes = [
        Route("/tracker.js", script),
        Route("/tracker.{version}.js", script),
        Route("/{path:path}", events, methods=["GET", "POST", "OPTIONS"]),
    ]
    async with (
        serving(Starlette(routes=near_routes), "127.0.0.1", 0, PublicPort(body_bytes=65_536)) as near,
        serving(Starlette(routes=far_routes), "127.0.0.1", 0, PublicPort(body_bytes=65_536)) as far,
    ):
        site.origin, site.collector = f"http://127.0.0.1:{near}", f"http://127.0.0.1:{far}"
        yield site
        site.forget()


@dataclass(frozen=True)
class Unwatched:
    """A Chromium process whose tabs are opened, shown and closed from outside.

    Playwright attaches to every page, and then each is `visible` and none is prerendered; here tabs are what they are for
    a reader, who drives no webdriver either. DevTools' HTTP interface attaches to none.
    """

    devtools: str

    async def _ask(self, path: str, method: str = "GET") -> bytes:
        def ask() -> bytes:
            request = urllib.request.Request(self.devtools + path, method=method)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bytes(answer.read())

        return await asyncio.to_thread(ask)

    async def open(self, url: str) -> str:
        """A new tab in front of the others; its page may still be on its way; the tab's name."""
        return str(orjson.loads(await self._ask(f"/json/new?{url}", "PUT"))["id"])

    async def show(self, tab: str) -> None:
        await self._ask(f"/json/activate/{tab}")

    async def close(self, tab: str) -> None:
        await self._ask(f"/json/close/{tab}")


@asynccontextmanager
async def unwatched(*flags: str) -> AsyncIterator[Unwatched]:
    path = shutil.which("chromium")
    if path is None:
        without(MissingTool("chromium is not installed: apt-get install chromium"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            path,
            *("--headless", "--remote-debugging-port=0", "--disable-blink-features=AutomationControlled"),
            *(f"--user-data-dir={profile}", *FLAGS, *flags, "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            known = Path(profile) / "DevToolsActivePort"

            async def port() -> str:
                return known.read_text().partition("\n")[0] if known.exists() else ""

            yield Unwatched(f"http://127.0.0.1:{await until(port, 'Chromium')}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
