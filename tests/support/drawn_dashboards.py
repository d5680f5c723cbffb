"""The screens with what they show of a quarter of an hour with three incidents, for docs/dashboards.

`python -m tests.support.drawn_dashboards` records it and draws; with --again it draws the last recording anew.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deploy.grafana.__main__ import DASHBOARDS
from deploy.local import waiting
from deploy.local.directories import run_directory
from deploy.local.kafka_jars import CHECKOUT
from tests.support.dashboard_drawing import Line, Span, draw, legend_of
from tests.support.prometheus import Prometheus
from tests.support.watched_engine import WatchedEngine, watched

PICTURES = CHECKOUT / "docs" / "dashboards"
RECORDING = CHECKOUT / ".cache" / "dashboards.json"
SCRAPE_S = 5.0
STEP_S = 10.0
RATE_INTERVAL = "20s"
"""What Grafana makes of a scrape every 5 s: four of them."""
HISTORY = 50_000
COUNTED = f"sum(rate(ranker_events_total[{RATE_INTERVAL}])) < 200 and sum(ranker_events_total) > {HISTORY}"
"""The history is no live traffic: rates are back at what is sent when the picture begins."""
RULES = sorted((CHECKOUT / "deploy" / "prometheus").glob("*.rules.yml"))


@click.command()
@click.option("--again", is_flag=True, help="Draw the last recording anew.")
@click.option("--minutes", default=15.0, help="Less time, for a look: the incidents come sooner and are shorter.")
def main(*, again: bool, minutes: float) -> None:
    if not again:
        RECORDING.parent.mkdir(exist_ok=True)
        RECORDING.write_text(json.dumps(record(minutes)))
    recorded = json.loads(RECORDING.read_text())
    span = Span(**recorded["span"])
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(span.start_s))
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        footer = (
            f"Recorded {when}: demonstration traffic of {(span.end_s - span.start_s) / 60:.0f} minutes, on one machine with "
            "2 cores that was busy with other work. Redis, Kafka and a consumer were away for a while."
        )
        lines = {panel["id"]: _lines(panel, recorded["series"], span) for panel in dashboard["panels"]}
        picture = PICTURES / f"{path.stem}.svg"
        picture.write_text(draw(dashboard, lines, span, footer))
        click.echo(f"{picture.relative_to(CHECKOUT)}: {picture.stat().st_size:,} bytes")


def record(minutes: float) -> dict[str, Any]:
    """The reply to every query, by its text, with the time that it spans."""
    prometheus = shutil.which("prometheus")
    assert prometheus, "apt-get install prometheus"
    with (
        run_directory() as directory,
        watched(directory, Path(prometheus), rules=RULES, interval_s=SCRAPE_S) as engine,
    ):
        engine.simulate("--rate", "100", "--history", "1d", "--history-events", str(HISTORY))
        with engine.read(0.1):
            waiting.until("The history", lambda: engine.prometheus.query(COUNTED), 120.0, pause_s=1.0)
            start_s = time.time()
            _live(engine, start_s, minutes * 60)
            end_s = time.time()
        span = Span(start_s - start_s % STEP_S + STEP_S, end_s, STEP_S)
        exprs = {target["expr"] for panel in _panels() for target in panel.get("targets", ())}
        series = {expr: _replies(engine.prometheus, expr, span) for expr in sorted(exprs)}
    return {"span": dataclasses.asdict(span), "series": series}


def _live(engine: WatchedEngine, start_s: float, length_s: float) -> None:
    """The incidents, each at its part of the time: minutes of a quarter of an hour."""
    plan: list[tuple[float, Callable[[], Any]]] = [
        (0.5, engine.verify),
        (3.5, engine.redis.stop),
        (4.5, engine.redis.start),
        (7.5, engine.kafka.suspend),
        (8.25, engine.kafka.resume),
        (10.5, lambda: engine.end("consumer 2")),
        (11.5, lambda: engine.launch("consumer 2")),
        (13, engine.verify),
    ]
    ended = threading.Event()

    def odd() -> None:
        while not ended.wait(1.0):
            engine.odd_requests()

    requests = threading.Thread(target=odd)
    requests.start()
    try:
        for minute, do in [*plan, (15, lambda: None)]:
            time.sleep(max(0.0, start_s + minute / 15 * length_s - time.time()))
            click.echo(f"{minute:g} min: {getattr(do, '__qualname__', do)}")
            do()
    finally:
        ended.set()
        requests.join()


def _panels() -> list[dict[str, Any]]:
    return [panel for path in DASHBOARDS.glob("*.json") for panel in json.loads(path.read_text())["panels"]]


def _replies(prometheus: Prometheus, expr: str, span: Span) -> list[Any]:
    asked = expr.replace("$__rate_interval", RATE_INTERVAL)
    found = prometheus.query_range(asked, span.start_s, span.end_s, span.step_s)
    return [[series.labels, series.points] for series in found]


def _lines(panel: dict[str, Any], recorded: dict[str, Any], span: Span) -> list[Line]:
    return [
        Line(
            legend_of(target, labels),
            target["refId"],
            [(when_s, value) for when_s, value in points if when_s >= span.start_s],
        )
        for target in panel.get("targets", ())
        for labels, points in recorded[target["expr"]]
    ]


if __name__ == "__main__":
    main()
