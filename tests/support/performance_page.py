"""docs/performance.md and its chart, made from the JSON of one bench run: `python -m tests.support.performance_page`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import readable
from tests.support.line_chart import Axis, Line, Panel, chart

DOCS = Path(__file__).parents[2] / "docs"
REPORT = max((DOCS / "reports").glob("performance-*.json"), default=None)
"""The newest run of `python -m tests.bench folds growth proof peers`, as its --json."""
PAGE, CHART = DOCS / "performance.md", DOCS / "performance" / "growth.svg"
COLOURS = ("#1f6f8b", "#c8553d")


def page(report: dict[str, Any], words: str) -> str:
    """The page with its tables as the report has them; the words between them stay."""
    tables = {name: "\n".join(_table(part["figures"])) for name, part in report["parts"].items()}
    machine = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    programs = ", ".join(f"{name} {version}" for name, version in machine.items() if isinstance(version, str))
    tables["machine"] = (
        f"{report['date'][:10]}: {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB; {programs}; {packages}. "
        f"Load of the machine before the run: {machine['load_before']:.2g}."
    )
    for name, table in tables.items():
        before, mark, rest = words.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert mark, f"docs/performance.md has no place for {name}"
        assert end, f"the place for {name} has no end"
        words = f"{before}{mark}{table}\n{end}{after}"
    return words


def _table(figures: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | measured | unit | goal | |"
    yield "|---|---:|---|---:|---|"
    for one in figures:
        verdict = "**missed**" if one.get("verdict") == "missed" else one.get("verdict", "")
        relation, _, bound = one.get("target", "").partition(" ")
        goal = f"{relation} {readable(float(bound))}" if bound else ""
        cells = (one["name"], readable(one["value"]), one["unit"], goal, verdict)
        yield "| " + " | ".join(cells) + " |"


def growth(report: dict[str, Any]) -> str:
    """Events a second, and CPU of consumer and Redis, by articles for both lengths of ids, and by partitions."""
    points = report["parts"]["growth"]["details"]["points"]

    def of(figure: str, point: dict[str, Any]) -> float:
        runs = point["runs"]
        if figure == "rate":
            return float(statistics.median(point["events"] / one["seconds"] for one in runs))
        return float(statistics.median(one[figure] * 1e6 / point["events"] for one in runs))

    def by_articles(figure: str) -> list[Line]:
        lengths = sorted({point["id_length"] for point in points})
        return [
            Line(
                f"ids of {length}", colour, _sorted((p["articles"], of(figure, p)) for p in points if _usual(p, length))
            )
            for length, colour in zip(lengths, COLOURS, strict=True)
        ]

    usual = [point for point in points if point["articles"] == 10_000 and point["id_length"] == 7]
    both = [
        Line(name, colour, _sorted((point["partitions"], of(figure, point)) for point in usual))
        for (name, figure), colour in zip((("consumer", "cpu_s"), ("Redis", "redis_cpu_s")), COLOURS, strict=True)
    ]
    articles, partitions = Axis("articles", log=True), Axis("partitions", log=True)
    return chart(
        "Cost by articles and partitions, rules press, one process",
        [
            Panel("events a second", articles, Axis("events/s", log=False), by_articles("rate")),
            Panel("consumer, CPU s a million", articles, Axis("s", log=False), by_articles("cpu_s")),
            Panel("Redis, CPU s a million", articles, Axis("s", log=False), by_articles("redis_cpu_s")),
            Panel("CPU s a million, by partitions", partitions, Axis("s", log=False), both),
        ],
    )


def _usual(point: dict[str, Any], length: int) -> bool:
    return bool(point["partitions"] == 4 and point["id_length"] == length)


def _sorted(points: Iterator[tuple[int, float]]) -> list[tuple[float, float]]:
    return sorted((float(x), y) for x, y in points)


def main() -> None:
    """Writes the page, and the chart if the run has measured the growth."""
    assert REPORT is not None, "there is no docs/reports/performance-*.json"
    report = json.loads(REPORT.read_text())
    PAGE.write_text(page(report, PAGE.read_text()))
    if "growth" in report["parts"]:
        CHART.parent.mkdir(exist_ok=True)
        CHART.write_text(growth(report))


if __name__ == "__main__":
    main()
