"""A small news site with the tracker on its pages, a collector in its own process, and browsers like readers'."""

import re
import shutil
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, async_playwright

from deploy.local import children
from deploy.local.faults import MissingTool
from deploy.local.launcher import program
from deploy.local.ports import HOST, free_port
from deploy.local.servers import Server
from deploy.local.supervisor import lacks
from tests.conftest import without
from tests.support.page_site import FLAGS

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
"""What a browser says that is not headless; that word makes it a bot, which is in no list."""
SAYS = 'addEventListener("load", () => fetch(`/said/${document.prerendering ? "prerendered" : document.visibilityState}`));'
"""Behind the tracker on each page: in which state the page was when it was there as a whole."""


class CollectorServer(Server):
    """`producers collect` on ports and with a spool that stay the same over kills and starts."""

    def __init__(self, directory: Path, config: Path, environment: dict[str, str]) -> None:
        super().__init__("collector", directory)
        self.config = config
        self.environment = environment
        self.port, self.admin_port = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def spawn(self) -> children.Child:
        argv: list[str | Path] = [program("producers"), "collect", "--port", str(self.port), "--config", self.config]
        argv += ["--admin-port", str(self.admin_port), "--spool", self.directory / "spool", "--name", "newsstand"]
        return children.start(self.name, argv, self.directory / "collector.log", self.environment)

    def answers(self) -> bool:
        return not lacks(self.admin_port)

    def metric(self, name: str) -> float:
        """The sum over all its labels."""
        with urllib.request.urlopen(f"http://{HOST}:{self.admin_port}/metrics", timeout=5.0) as reply:
            found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", reply.read().decode(), re.MULTILINE)
        return sum(map(float, found))


class Newsstand(ThreadingHTTPServer):
    """`/articles/NAME`: an article with the tracker, a button to share it, and whatever `heads` adds to its head.

    `said` has (article, state) of each page that was loaded; an article in `held` is not answered before its event is set.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Pages)
        self.origin = f"http://{HOST}:{self.server_address[1]}"
        self.collector = ""
        self.heads: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self.held: dict[str, threading.Event] = {}

    def article(self, name: str) -> str:
        return f"{self.origin}/articles/{name}"


class _Pages(BaseHTTPRequestHandler):
    server: Newsstand
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        kind, name = path.strip("/").partition("/")[::2]
        if kind == "said":
            referer = urlsplit(self.headers.get("Referer", "")).path
            self.server.said.append((referer, name))
            self._answer("", "text/plain")
        elif path == "/says.js":
            self._answer(SAYS, "text/javascript")
        elif kind == "articles":
            if path in self.server.held:
                self.server.held[path].wait(20)
            self._answer(self._article(path), "text/html; charset=utf-8")
        else:
            self.send_error(404)

    def _article(self, path: str) -> str:
        # A query names no other article: that is what the canonical link is for.
        return (
            f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Article</title>'
            f'<link rel="canonical" href="https://www.example.org{path}">{self.server.heads.get(path, "")}'
            f'<script defer src="{self.server.collector}/tracker.js"></script><script defer src="/says.js"></script></head>'
            f'<body><h1>Article</h1><button data-popular="share">Partager</button></body></html>'
        )

    def _answer(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(200)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def newsstand() -> Iterator[Newsstand]:
    """A site that is open; name its `collector` before a page is requested."""
    with Newsstand() as site:
        thread = threading.Thread(target=site.serve_forever, daemon=True)
        thread.start()
        yield site
        site.shutdown()
        thread.join()


@asynccontextmanager
async def reading() -> AsyncIterator[BrowserContext]:
    """Chromium as a reader has it: it names no program that drives it, and is not headless by its own word."""
    path = shutil.which("chromium")
    if path is None:
        without(MissingTool("chromium is not installed: apt-get install chromium"))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path,
            args=[*FLAGS, "--disable-blink-features=AutomationControlled"],
            ignore_default_args=["--enable-automation"],
        )
        yield await browser.new_context(user_agent=AGENT)
        await browser.close()


async def read(context: BrowserContext, address: str, *, share: bool = False) -> int:
    """Open an article in a tab of its own, perhaps share it, and close it; the collector's last answer's status."""
    page = await context.new_page()
    async with page.expect_response("**/v1/events") as answer:
        await page.goto(address)
    status: int = (await answer.value).status
    if share:
        async with page.expect_response("**/v1/events") as answer:
            await page.get_by_role("button", name="Partager").click()
        status = (await answer.value).status
    await page.close()
    return status
