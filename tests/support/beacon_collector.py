"""The collector's application with ids of other analytics, and beacons as their scripts send them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from producers.collector.admission import Bounds
from producers.collector.app import Web
from producers.collector.authorize import Sites
from producers.collector.catalogue import Catalogue
from producers.collector.client_hour import ClientHour
from producers.collector.known_articles import Known
from producers.collector.metrics import CollectorMetrics, new_registry
from producers.collector.new_articles import NewArticles
from producers.collector.settings import RuleNeeds
from producers.event import PageView
from ranker.service.address import Addresses
from ranker.service.buckets import Buckets
from schemas.article_id import DEFAULT, IdRule
from tests.support.defaults import LONGEST_WINDOW_MS, collector_site

PAGE = "https://www.demo.example/soci%C3%A9t%C3%A9/?utm_source=x"
UUID = "2f1b6d0e-8c1a-4d6e-9b1f-0a7c5e3d9f42"
USUAL = {"idsite": "3", "rec": "1", "url": PAGE}
"""Of Matomo."""
SENT_BY_MATOMO_JS = USUAL | {
    "action_name": "Société", "r": "102938", "h": "9", "m": "5", "s": "1", "urlref": "https://search.example/",
    "_id": "0123456789abcdef", "_idn": "1", "send_image": "0", "_refts": "0", "pdf": "1", "cookie": "1",
    "res": "1920x1080", "pv_id": "aBcDeF", "pf_net": "12", "pf_srv": "31", "uadata": '{"brands":[]}',
}  # fmt: skip
BY_PLAUSIBLE_JS = {"n": "pageview", "v": 36, "u": PAGE, "d": "demo.example", "r": None, "p": {"author": "x"}, "h": 1}
BY_UMAMI_JS = {
    "website": UUID.upper(), "screen": "1920x1080", "language": "fr", "title": "Société", "hostname": "www.demo.example",
    "url": PAGE, "referrer": "", "tag": None, "id": "user-7",
}  # fmt: skip

ORIGIN = "https://www.demo.example"
IDS = {"matomo": "3", "plausible": "demo.example", "umami": UUID, "goatcounter": "stats.demo.example"}
OTHER_IDS = {"matomo": "4", "plausible": "other.example"}


def dumps(given: Any) -> bytes:
    return json.dumps(given).encode()


class Kept:
    """An outbox that keeps everything."""

    def __init__(self) -> None:
        self.events: list[PageView] = []

    async def accept(self, events: list[PageView]) -> None:
        self.events += events


class Collector:
    """The application with two sites, both with beacons; generous unless `client_burst` is given.

    `origin` has the pages of site demo, `rule` finds their articles.
    """

    def __init__(
        self,
        directory: Path,
        ids: dict[str, str] = IDS,
        client_burst: int = 1_000_000,
        origin: str = ORIGIN,
        rule: IdRule = DEFAULT,
    ) -> None:
        self.registry: CollectorRegistry = new_registry()
        self.outbox = Kept()
        rules = {"demo": rule, "other": DEFAULT}
        bounds = Bounds(
            Buckets(client_burst / 1000, client_burst),
            Buckets(1, 500),
            NewArticles(Catalogue(rules), Known(directory, rules), 1_000_000, 10_000_000, 1_000_000),
            ClientHour(65_535),
            LONGEST_WINDOW_MS,
        )
        sites = Sites(
            {
                "demo": replace(collector_site((origin,), (ids.get("goatcounter", ""),)), ids=rule, beacons=ids),
                "other": replace(collector_site(("https://other.example",)), beacons=OTHER_IDS if ids else {}),
            }
        )
        outbox: Any = self.outbox
        metrics = CollectorMetrics(self.registry)
        self.web = Web(sites, Addresses([]), bounds, outbox, None, metrics, RuleNeeds(), now_ms=lambda: 7)

    async def ask(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        path, _, query = target.partition("?")
        usual = {"host": "stats.demo.example", "origin": ORIGIN}
        named = usual | {name.lower().replace("_", "-"): value for name, value in headers.items()}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value]
        scope = {
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": raw,
            "client": ("192.0.2.7", 5),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.web.app(scope, receive, send)
        return sent[0]["status"], {a.decode(): b.decode() for a, b in sent[0]["headers"]}, sent[1]["body"]

    def read_as(self, tracker: str, what: str) -> float:
        labels = {"tracker": tracker, "read_as": what}
        return self.registry.get_sample_value("collector_beacons_total", labels) or 0.0

    @property
    def articles(self) -> list[tuple[str, str]]:
        return [(one.site_id, one.article_id) for one in self.outbox.events]
