"""Pages with the scripts of other analytics, and the collector that they send to, on another port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import BrowserContext, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from deploy.local.ports import HOST
from producers.collector.http.collector_port import collector_port
from ranker.service.connections import Connections
from ranker.service.http_server import serving
from ranker.service.public_port import PublicPort
from tests.support.beacon_collector import IDS, Collector
from tests.support.npm_packages import Package, unpacked
from tests.support.reader import until


@dataclass
class Pages:
    """`origin` has the pages, `address` is the collector's; `heads` has what stands in the head of a path's page."""

    origin: str = ""
    address: str = ""
    heads: dict[str, str] = field(default_factory=dict)
    collector: Collector = field(init=False)

    async def views(self, count: int) -> list[str]:
        """The articles that were counted, once there are `count` of them."""

        async def enough() -> bool:
            return len(self.collector.articles) >= count

        await until(enough, f"{count} views, only {self.collector.articles}")
        return [article for _, article in self.collector.articles]

    async def passed_over(self, tracker: str, reason: str, count: int = 1) -> None:
        async def enough() -> bool:
            return self.collector.read_as(tracker, reason) >= count

        await until(enough, f"{count} beacons of {tracker} passed over as {reason}")


@asynccontextmanager
async def beacon_pages(directory: Path) -> AsyncIterator[Pages]:
    """Both servers; /packages/NAME/… has the files of npm packages."""
    pages = Pages()

    async def page(request: Request) -> Response:
        head = pages.heads[request.url.path]
        html = f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><title>Écluses</title>{head}</head><body></body></html>'
        return Response(html, media_type="text/html; charset=utf-8")

    async def icon(_: Request) -> Response:
        return Response(status_code=204)

    async def file(request: Request) -> Response:
        return FileResponse(Path("/") / request.path_params["path"], media_type="text/javascript")

    routes = [Route("/favicon.ico", icon), Route("/files/{path:path}", file), Route("/{path:path}", page)]
    connections = Connections()
    async with serving(Starlette(routes=routes), HOST, 0, PublicPort()) as near:
        pages.origin = f"http://{HOST}:{near}"
        pages.collector = Collector(directory, IDS | {"goatcounter": HOST}, origin=pages.origin)
        web = pages.collector.web
        async with serving(web.app, HOST, 0, collector_port(web.refused, connections, asyncio.Event())) as far:
            pages.address = f"http://{HOST}:{far}"
            yield pages


def script(package: Package, file: str) -> str:
    """The address of a package's file on the pages' server."""
    return f"/files{unpacked(package) / 'package' / file}"


async def opened(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """A page that has loaded, and what the browser has to complain about, now and later."""
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(address)
    return page, complaints
