"""The dashboards are what the script makes, what Grafana's own types take, and about metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from deploy.grafana.__main__ import DASHBOARDS, made
from deploy.grafana.building import queries
from deploy.grafana.screens import Both, Panel, Screen, load_all
from deploy.local.faults import MissingTool
from producers.collector.metrics import CollectorMetrics
from ranker.commands import main
from ranker.metrics import ConsumerMetrics, ReaderMetrics, VerifyMetrics
from tests.conftest import without
from tests.support.deploy_tools import CHECKOUT, DEPLOY, run

SCREENS = load_all()
RECORDED = {
    rule["record"]: rule["expr"]
    for group in YAML(typ="safe").load(DEPLOY / "prometheus/recording.rules.yml")["groups"]
    for rule in group["rules"]
}
PANELS = [(name, panel) for name, screen in SCREENS.items() for row in screen.rows for panel in row.panels]
QUERIES = [query.expr for _, panel in PANELS for query in panel.queries]
ALERTS = "ALERTS"
BOUNDED = set(
    re.findall(
        r"\w+",
        "alertstate generation instance job kind le node outcome partition producer read_as reason reply route severity "
        "status to tracker",
    )
)
"""By docs/metrics.md each of them has a bound; instance and job are Prometheus' own."""
NOT_SHOWN = {
    "collector_build_info": "a plain fact",
    "collector_connections": "the reader's are shown: those are what a viral night fills",
    "collector_crawler_list_info": "a plain fact",
    "collector_spool_nearly_full": "its share is shown",
    "ranker_build_info": "a plain fact",
    "ranker_declined_records_total": "it costs speed alone; lag is shown",
    "ranker_fold_kernel": "a plain fact",
    "ranker_fold_seam_active": "a plain fact",
    "ranker_history_written_total": "its age is shown",
    "ranker_registry_away": "only with a schema registry; it has an alert",
    "ranker_skipped_records_total": "only with a topic of others",
    "ranker_verify_failed": "its differences are shown as unknown then; it has an alert",
    "ranker_verify_records": "a plain fact",
    "ranker_verify_unchecked": "its report has it",
}


def catalogue() -> dict[str, set[str]]:
    """The metrics that the code declares: each family with the names of its series."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}
    found: dict[str, set[str]] = {}
    for of in (lambda registry: ConsumerMetrics(registry, []), ReaderMetrics, VerifyMetrics, CollectorMetrics):
        registry = CollectorRegistry(auto_describe=True)
        assert of(registry)
        for family in registry.collect():
            series = [family.name + suffix for suffix in suffixes.get(family.type, ("",))]
            found[series[0] if len(series) == 1 else family.name] = set(series)
    return found


CATALOGUE = catalogue()


def names(expr: str) -> set[str]:
    """The metrics of a query, recorded ones as well."""
    without_labels = re.sub(r"\{[^}]*\}|\b(by|without) \([^)]*\)|\[[^]]*\]", "", expr)
    return set(re.findall(r"\b(?:ranker|collector|process)[_:][\w:]+|\bALERTS\b|\bup\b", without_labels))


def labels(expr: str) -> set[str]:
    """The labels that a query chooses or groups by."""
    grouped = re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expr)
    chosen = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\"", expr)
    return {label.strip() for group in grouped for label in group.split(",")} | set(chosen)


def test_the_files_are_what_the_script_makes() -> None:
    """A change by hand, or a screen that was changed and not made anew, is found: python -m deploy.grafana."""
    assert {path: path.read_text() for path in DASHBOARDS.glob("*.json")} == made()


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.name)
def test_grafanas_types_take_each_file(path: Path) -> None:
    """Read into the types of Grafana's SDK and written again, nothing of it is lost: every field is one that exists."""
    register_default_plugins()
    committed = json.loads(path.read_text())
    again = json.loads(json.dumps(Dashboard.from_json(committed), cls=JSONEncoder))

    def lost(before: Any, after: Any, place: str) -> Iterator[str]:
        if isinstance(before, dict):
            for key, value in before.items():
                if key not in after:
                    yield f"{place}.{key}"
                else:
                    yield from lost(value, after[key], f"{place}.{key}")
        elif isinstance(before, list):
            for index, value in enumerate(before):
                yield from lost(value, after[index], f"{place}[{index}]")
        elif before != after:
            yield f"{place}: {before!r}, then {after!r}"

    assert list(lost(committed, again, path.name)) == []
    assert committed["schemaVersion"] == Dashboard().schema_version


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.name)
def test_panels_lie_beside_each_other(path: Path) -> None:
    """No two panels overlap, none lies beside the grid, and every line is filled."""
    covered: set[tuple[int, int]] = set()
    panels = json.loads(path.read_text())["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & covered, panel["title"]
        covered |= cells
    depth = max(y for _, y in covered) + 1
    assert covered == {(x, y) for x in range(24) for y in range(depth)}
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_metric_of_a_query_is_in_the_catalogue() -> None:
    """A metric that was renamed is found here."""
    known = set().union(*CATALOGUE.values(), RECORDED) | {ALERTS}
    for expr in QUERIES:
        assert names(expr), expr
        assert names(expr) <= known, expr


def test_every_metric_is_shown_or_said_not_to_be() -> None:
    """A new metric comes onto a screen, or into the list above with the reason."""
    shown = {name for expr in QUERIES for name in names(expr)}
    shown |= {name for recorded in shown & RECORDED.keys() for name in names(RECORDED[recorded])}
    unseen = {family for family, series in CATALOGUE.items() if not series & shown}
    assert unseen == set(NOT_SHOWN)


def test_every_command_that_a_screen_names_exists() -> None:
    """In backticks, as in `ranker dead list`."""
    texts = "\n".join(path.read_text() for path in (DEPLOY / "grafana/screens").glob("*.toml"))
    named = re.findall(r"`ranker ([^`]+)`", texts)
    assert named
    for words in map(str.split, named):
        command: click.Command | None = main
        for word in words:
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), word)
        assert command is not None, words


def test_no_query_takes_labels_without_a_bound() -> None:
    """A graph has as many lines as its labels have values."""
    for expr in QUERIES:
        assert labels(expr) <= BOUNDED, expr
    for name, panel in PANELS:
        for query in panel.queries:
            placed = set(re.findall(r"{{(\w+)}}", str(query.legend)))
            assert placed <= labels(query.expr), (name, panel.title)


def test_annotations_are_the_alerts_that_fire() -> None:
    for path in DASHBOARDS.glob("*.json"):
        assert queries(json.loads(path.read_text()))[-1] == 'ALERTS{alertstate="firing"}'


def _panel_is_whole(panel: Panel) -> None:
    if panel.kind == "text":
        assert panel.text
        assert not panel.queries
        return
    assert panel.queries
    assert panel.unit in {value for name, value in vars(units).items() if not name.startswith("_")}
    assert panel.kind == "stat" or len(panel.queries) < 2 or all(query.legend for query in panel.queries)


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}-{panel.title}" for name, panel in PANELS])
def test_a_panel_is_whole(name: str, panel: Panel) -> None:
    """It has a unit that Grafana has, legends if there are several queries, and what it answers."""
    del name
    assert str(panel.answers)
    _panel_is_whole(panel)


def test_the_newsrooms_screen_is_whole_in_both_languages() -> None:
    """Every title and sentence; names of labels are the same in both."""
    screen: Screen = SCREENS["newsroom"]
    assert screen.languages == ("en", "fr")
    english, french = (json.loads((DASHBOARDS / name).read_text()) for name in ("newsroom.json", "newsroom.fr.json"))
    assert queries(english) == queries(french)
    for row in screen.rows:
        assert isinstance(row.title, Both)
        for panel in row.panels:
            assert isinstance(panel.title, Both)
            assert isinstance(panel.answers, Both)
            assert isinstance(panel.text, Both) or not panel.text
            assert all(isinstance(q.legend, Both) or re.fullmatch(r"({{\w+}})?", q.legend) for q in panel.queries)


def test_provisioning_finds_the_screens() -> None:
    """The data source asks as often as Prometheus scrapes; the provider reads files."""
    yaml = YAML(typ="safe")
    (source,) = yaml.load(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    scraped = yaml.load(DEPLOY / "prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scraped
    (provider,) = yaml.load(DEPLOY / "grafana/provisioning/dashboards/ranker.yml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/etc/grafana/")


@pytest.mark.parametrize("name", SCREENS)
def test_the_docs_show_every_panel(name: str) -> None:
    """A picture for each screen, small, with the titles that its file has: python -m tests.support.drawn_dashboards."""
    path = DASHBOARDS / f"{name}.json"
    picture = CHECKOUT / "docs/dashboards" / f"{name}.svg"
    assert picture.stat().st_size < 200_000
    words = {text.text for text in ET.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text")}
    assert {panel["title"] for panel in json.loads(path.read_text())["panels"]} <= words


def test_kubernetes_takes_them_as_one_configmap() -> None:
    """With the label that a sidecar looks for; below the 1 MiB that a ConfigMap may have."""
    tool = shutil.which("kustomize") or shutil.which("kubectl")
    if tool is None:
        without(MissingTool("neither kustomize nor kubectl is on this machine"))
    made = run(tool, *(["build"] if tool.endswith("kustomize") else ["kustomize"]), DEPLOY / "grafana")
    configmap = YAML(typ="safe").load(made)
    assert configmap["metadata"] == {"name": "ranker-dashboards", "labels": {"grafana_dashboard": "1"}}
    assert configmap["data"] == {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    assert len(made) < 2**20
