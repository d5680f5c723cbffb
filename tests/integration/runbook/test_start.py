"""Where the page begins: the variables, `ranker check` and what processes say of themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.local.waiting import until
from tests.support.runbook_commands import Guide
from tests.support.runbook_page import START
from tests.support.runbook_site import Site


@pytest.mark.long
async def test_start_here(new_site: Callable[..., Site]) -> None:
    """On a healthy system: all of it replies, and nothing is wrong."""
    site = new_site()
    await site.begin()
    site.start_reader()
    site.start_collector()
    until("the reader", lambda: site.ready("reader"))
    until("the collector", lambda: site.ready("collector"))
    ours = site.environ
    here = {
        "kafka:9092": ours["RANKER_KAFKA_BOOTSTRAP"],
        "redis://redis:6379/0": ours["RANKER_REDIS_URL"],
        "/etc/ranker/ranker.toml": ours["RANKER_CONFIG"],
        "127.0.0.1:9101": ours["CONSUMER"],
        "127.0.0.1:9102": ours["READER"],
        "127.0.0.1:9103": ours["COLLECTOR"],
        "127.0.0.1:8080": ours["SITE"],
        "127.0.0.1:8082": ours["EVENTS"],
    }
    with Guide(site, START, **here) as guide:
        assert "\nno faults" in await guide.run()
        said = await guide.run()
    assert said.count('{"ready":true,"reasons":[]}') == 3
    assert "ranker_lag_records" in said
    assert "read" in said.rpartition("ranker_")[2], "the lists, whose shortest window may be empty again"
