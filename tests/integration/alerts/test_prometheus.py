"""The Prometheus of the tests: what it scrapes, evaluates and replies."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from tests.support.prometheus import scraping

RULES = {"groups": [{"name": "test", "rules": [{"alert": "Down", "expr": "up == 0", "labels": {"severity": "page"}}]}]}


def test_it_scrapes_evaluates_and_is_read(find_tool: Callable[[str, str], Path], tmp_path: Path) -> None:
    """A target that is up, one that is down, the alert of that, and its end once nothing is down."""
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps(RULES))
    closed = f"{HOST}:{free_port()}"
    started = time.time()
    with scraping(find_tool("prometheus", "prometheus"), tmp_path / "one", {"closed": [closed]}, [rules]) as prometheus:
        prometheus.targets["itself"] = [f"{HOST}:{prometheus.port}"]
        prometheus.reload()
        waiting.until("The alert", lambda: prometheus.firing() == {"Down"})
        (alert,) = prometheus.alerts()
        assert alert.labels == {"alertname": "Down", "severity": "page", "job": "closed", "instance": closed}
        waiting.until("A scrape of itself", lambda: prometheus.value('up{job="itself"}') == 1)
        assert {(target.job, target.health) for target in prometheus.scraped()} == {
            ("closed", "down"),
            ("itself", "up"),
        }
        assert not prometheus.all_up()
        assert math.isnan(prometheus.value("nothing"))
        assert prometheus.value("1 + 1") == 2
        down = [one for one in prometheus.query_range("up", started, time.time(), 0.1) if one.labels["job"] == "closed"]
        assert {value for one in down for _, value in one.points} == {0}
        prometheus.targets["closed"] = []
        prometheus.reload()
        waiting.until("The end of the alert", lambda: not prometheus.alerts())
        assert prometheus.all_up()
