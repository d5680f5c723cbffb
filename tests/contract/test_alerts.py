"""The rules of deploy/prometheus: each alert fires when it must, is silent otherwise, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from producers.collector.metrics import CollectorMetrics
from ranker.metrics import ConsumerMetrics, FreezeMetrics, ReaderMetrics, VerifyMetrics
from ranker.service.runbook import Section, link
from tests.support.deploy_tools import DEPLOY, FindTool, run

RULES = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))
CASES = sorted((Path(__file__).parent / "alerts").glob("*.test.yml"))
BASE = "{{ $externalLabels.runbook_base }}"


def rules(name: str) -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(DEPLOY / "prometheus" / f"{name}.rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("alerts")
RECORDED = {rule["record"] for rule in rules("recording")}


def test_promtool_takes_the_rules(find_tool: FindTool) -> None:
    """Syntax, templates, and no rule twice."""
    run(find_tool("promtool", "prometheus"), "check", "rules", *RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".test.yml"))
def test_alerts_fire_when_they_must(case: Path, find_tool: FindTool) -> None:
    """By promtool: at their boundary and beyond it, in healthy series and in those that vanish."""
    run(find_tool("promtool", "prometheus"), "test", "rules", case)


def test_every_alert_is_tested_both_ways() -> None:
    """Each has a case in which it fires, with its labels and sentences, and one in which it does not."""
    fires: set[str] = set()
    silent: set[str] = set()
    for path in CASES:
        for case in YAML(typ="safe").load(path)["tests"]:
            for check in case["alert_rule_test"]:
                (fires if check.get("exp_alerts") else silent).add(check["alertname"])
    assert fires == silent == {alert["alert"] for alert in ALERTS}


def test_every_alert_has_its_fault() -> None:
    """Each is made to fire, and to end, over real processes."""
    faults = (Path(__file__).parents[1] / "integration" / "alerts").glob("test_*.py")
    named = set(re.findall(r'"(Ranker\w+)"', " ".join(path.read_text() for path in faults)))
    assert {alert["alert"] for alert in ALERTS} == named


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """How urgent it is, what has happened, where to look first, and a section of the runbook that there is."""
    assert alert["labels"].keys() == {"severity"}
    assert alert["labels"]["severity"] in {"page", "ticket"}
    notes = alert["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert notes["summary"].endswith(".")
    assert len(notes["summary"]) <= 120
    assert "Look first" in notes["description"]
    assert notes["runbook_url"] in {BASE + link(section) for section in Section}


def test_no_alert_fires_by_one_missed_scrape() -> None:
    """What has no `for` of a minute at least counts over a window of minutes."""
    for alert in ALERTS:
        if "for" not in alert:
            assert re.search(r":increase\d", alert["expr"]), alert["alert"]
        else:
            assert re.fullmatch(r"\d+[mh]", alert["for"]), alert["alert"]


def test_rules_read_metrics_that_there_are() -> None:
    """Names of the code, with the labels that they have, and recorded ones. `up` is Prometheus' own."""
    registry = CollectorRegistry()
    ConsumerMetrics(registry, ["view"])
    CollectorMetrics(registry)
    others = [CollectorRegistry() for _ in range(3)]
    for other, declared in zip(others, (ReaderMetrics, VerifyMetrics, FreezeMetrics), strict=True):
        declared(other)
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",), "gauge": ("",)}
    known = {
        family.name + ending
        for each in (registry, *others)
        for family in each.collect()
        for ending in endings[family.type]
    }
    for rule in [*rules("recording"), *ALERTS]:
        used = set(re.findall(r"\b(?:ranker|collector)[_:][a-z0-9_:]+", rule["expr"]))
        assert used, rule
        assert used <= known | RECORDED, rule


def test_every_recorded_series_is_read_by_an_alert() -> None:
    """What nobody reads is not recorded."""
    read = " ".join(alert["expr"] for alert in ALERTS)
    assert {name for name in RECORDED if name not in read} == set()
