"""The collector's application without a server: what no client can make happen."""

import logging
from pathlib import Path
from typing import Any

import pytest

from producers.collector.admission import Bounds
from producers.collector.app import Web
from producers.collector.authorize import Sites
from producers.collector.catalogue import Catalogue
from producers.collector.client_hour import ClientHour
from producers.collector.known_articles import Known
from producers.collector.metrics import CollectorMetrics, new_registry
from producers.collector.new_articles import NewArticles
from producers.collector.settings import RuleNeeds
from ranker.service.address import Addresses
from ranker.service.buckets import Buckets
from ranker.service.logs import JsonFormatter
from schemas.article_id import DEFAULT
from tests.support.defaults import LONGEST_WINDOW_MS, collector_site


class Broken:
    async def accept(self, events: list[Any]) -> None:
        raise RuntimeError(f"cannot take {events}")


async def test_an_error_of_ours_repeats_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets a 500, the log the place: the error's text, its traceback's values and the request stay out of it."""
    registry = new_registry()
    bounds = Bounds(
        Buckets(1, 500),
        Buckets(1, 500),
        NewArticles(Catalogue({"demo": DEFAULT}), Known(tmp_path, ["demo"]), 1, 10, 1),
        ClientHour(30),
        LONGEST_WINDOW_MS,
    )
    outbox: Any = Broken()
    sites = Sites({"demo": collector_site(("https://a.example",))})
    web = Web(sites, Addresses([]), bounds, outbox, None, CollectorMetrics(registry), RuleNeeds(), now_ms=lambda: 7)
    headers = [(b"origin", b"https://a.example"), (b"content-type", b"text/plain"), (b"user-agent", b"needle")]
    scope = {"method": "POST", "path": "/v1/events", "query_string": b"", "headers": headers, "client": ("1.2.3.4", 5)}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"article_id":"/needle"}'}

    async def send(message: Any) -> None:
        sent.append(message)

    await web.app(scope, receive, send)
    assert (sent[0]["status"], b"needle" in sent[1]["body"]) == (500, False)
    (record,) = caplog.records
    line = JsonFormatter().format(record)
    assert record.levelno == logging.ERROR
    assert '"why":"RuntimeError"' in line
    assert "accept:" in line
    assert "needle" not in line
    assert "1.2.3.4" not in line
    assert registry.get_sample_value("collector_requests_total", {"route": "/v1/events", "status": "500"}) == 1


async def test_who_has_gone_is_not_answered() -> None:
    """Nothing of a request that never came is counted."""
    registry = new_registry()
    nothing: Any = None
    web = Web(Sites({}), Addresses([]), nothing, nothing, None, CollectorMetrics(registry), RuleNeeds())

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await web.app({}, receive, nothing)
    assert not any(family.samples for family in registry.collect() if family.name == "collector_requests")
