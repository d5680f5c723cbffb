"""The rules of deploy/prometheus over real processes, with hours scaled to seconds: which alerts fire, and which end."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local import waiting
from deploy.local.ports import HOST
from tests.support.deploy_tools import DEPLOY
from tests.support.prometheus import Prometheus, scraping

RULES = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))
LEAST_S = 5.0
"""Of a scaled window: a rate needs samples."""
DEADLINE_S = 120.0
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\[|(?<=[smhd]):|offset |^)(\d+)([smhd])\b")


def scaled(directory: Path, factor: float) -> list[Path]:
    """Copies of the rules in which `factor` hours are one: windows, offsets, `for`, and the literal 3600."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * _UNITS_S[found[3]] / factor
        return f"{found[1]}{round(1000 * (max(seconds, LEAST_S) if found[1] else seconds))}ms"

    copies = []
    for path in RULES:
        document = YAML(typ="safe").load(path)
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            rule["expr"] = re.sub(r"\b3600\b", f"{3600 / factor:g}", _DURATION.sub(shorter, rule["expr"]))
            if "for" in rule:
                rule["for"] = _DURATION.sub(shorter, rule["for"])
        copies.append(directory / path.name)
        YAML().dump(document, copies[-1])
    return copies


@dataclass
class Watch:
    """A Prometheus with the rules."""

    prometheus: Prometheus

    async def fires(self, *names: str, deadline_s: float = DEADLINE_S) -> None:
        """Waits until these all fire."""
        await self._until(f"{names} that fire", lambda: set(names) <= self.prometheus.firing(), deadline_s)

    async def silent(self, *names: str, deadline_s: float = DEADLINE_S) -> None:
        """Waits until none of these is pending or fires."""
        await self._until(f"{names} that end", lambda: not self._active() & set(names), deadline_s)

    async def up(self) -> None:
        """Waits until every target was scraped."""
        await self._until("scrapes of all targets", self.prometheus.all_up, DEADLINE_S)

    def _active(self) -> set[str]:
        return {alert.name for alert in self.prometheus.alerts()}

    async def _until(self, what: str, ask: Any, deadline_s: float) -> None:
        try:
            await waiting.until_async(what, lambda: asyncio.to_thread(ask), deadline_s)
        except waiting.NotInTime as late:
            active = await asyncio.to_thread(self.prometheus.alerts)
            states = [(alert.name, alert.state, alert.annotations["summary"]) for alert in active]
            raise waiting.NotInTime(f"{late}; active: {states}; targets: {self.prometheus.scraped()}") from late


@contextmanager
def watching(binary: Path, directory: Path, targets: Mapping[str, Sequence[str]], factor: float) -> Iterator[Watch]:
    """Scrapes `targets` each second, and evaluates the rules scaled by `factor`."""
    directory.mkdir(parents=True)
    with scraping(binary, directory, targets, scaled(directory, factor)) as prometheus:
        yield Watch(prometheus)


@contextmanager
def served_files(directory: Path) -> Iterator[str]:
    """The address at which the .prom files of a directory are scraped, as by node_exporter's textfile collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(path.read_text() for path in sorted(directory.glob("*.prom"))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def at(admin: int | str) -> list[str]:
    """The targets of one process with this admin port, or its address."""
    return [f"{HOST}:{admin}" if isinstance(admin, int) else admin.removeprefix("http://")]
