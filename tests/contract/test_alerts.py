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
DAYS = ("days", "objectives")
"""Cases of days of series, which take promtool a minute."""
BASE = "{{ $externalLabels.runbook_base }}"


def rules(name: str) -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(DEPLOY / "prometheus" / f"{name}.rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("alerts")
RECORDED = {rule["record"] for rule in rules("recording")}


def test_promtool_takes_the_rules(find_tool: FindTool) -> None:
    """Syntax, templates, and no rule twice."""
    run(find_tool("promtool", "prometheus"), "check", "rules", *RULES)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(path, id=name, marks=pytest.mark.long if name in DAYS else ())
        for path in CASES
        for name in [path.name.removesuffix(".test.yml")]
    ],
)
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


def _waited_for(method: str) -> set[str]:
    """The names in calls such as watch.fires("…", *NAMES) of the tests over real processes."""
    names: set[str] = set()
    for path in (Path(__file__).parents[1] / "integration" / "alerts").glob("test_*.py"):
        text = path.read_text()
        for call in re.findall(rf"\.{method}\(([^()]+)\)", text):
            tuples = [
                re.findall(rf"^{name} = (.+)$", text, re.MULTILINE)[0] for name in re.findall(r"\*([A-Z]+)", call)
            ]
            names |= set(re.findall(r'"(Ranker\w+)"', " ".join([call, *tuples])))
    return names


def test_every_alert_has_its_fault() -> None:
    """Each is made to fire, and to end, over real processes. RankerRoleAway fires for three roles, counted otherwise."""
    every = {alert["alert"] for alert in ALERTS}
    assert _waited_for("fires") | {"RankerRoleAway"} == every
    assert _waited_for("silent") == every


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


def _with_gaps(values: str) -> str:
    """One failed scrape at 800 minutes, and no Prometheus for twelve minutes from 1,000 on."""
    every: list[str] = []
    for one in values.split():
        found = re.fullmatch(r"([\d.]+)(?:\+(\d+))?x(\d+)", one)
        assert found, one
        first, step, times = (float(number or 0) for number in found.groups())
        every += [str(first + step * n) for n in range(int(times) + 1)]
    every[800] = "stale"
    every[1000:1012] = ["_"] * 12
    return " ".join(every)


@pytest.mark.long
def test_no_alert_fires_by_missed_scrapes(find_tool: FindTool, tmp_path: Path) -> None:
    """Not then, and not when a window has passed: what counters had counted long before is not new."""
    yaml = YAML(typ="safe")
    cases = yaml.load(Path(__file__).parent / "alerts/healthy.test.yml")
    case = cases["tests"][0]
    counted = {
        'collector_refused_requests_total{instance="k1",reason="full"}': "40x1560",
        'ranker_lost_records_total{instance="c1"}': "500x1560",
        'ranker_dead_letters_total{instance="c1",reason="json"}': "100000x1560",
        'ranker_requests_total{instance="r1",route="/v1/{site}",status="500"}': "90000000x1560",
    }
    case["input_series"] += [{"series": name, "values": values} for name, values in counted.items()]
    for series in case["input_series"]:
        series["values"] = _with_gaps(series["values"])
    minutes = [800, *(800 + each for each in (1, 5, 30, 60)), 1000, *(1012 + each for each in (0, 1, 5, 30, 60))]
    case["alert_rule_test"] = [
        {"eval_time": f"{minute}m", "alertname": alert["alert"]} for alert in ALERTS for minute in minutes
    ]
    yaml.dump(
        cases | {"rule_files": list(map(str, RULES)), "evaluation_interval": "1m", "tests": [case]}, tmp_path / "t"
    )
    run(find_tool("promtool", "prometheus"), "test", "rules", tmp_path / "t")


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
