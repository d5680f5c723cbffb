"""The catalogue of metrics as one page, made of their declarations.

`python -m tests.support.metrics_page` writes docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter, Histogram

from producers.collector.metrics import CollectorMetrics
from ranker.metrics import ConsumerMetrics, FreezeMetrics, ReaderMetrics, VerifyMetrics
from ranker.service.metrics import BUILD, Declared, Metrics
from ranker.service.runbook import Section

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

_UNITS = ("seconds", "bytes")
_COUNTED = {"ranker_step_increments": "increments", "collector_new_articles_left": "a share of 1"}
"""Units that a name does not end with. Others count what the name says, or are 1 and 0."""

_INTRO = """\
# Metrics

What each process tells Prometheus: made of the declarations in `ranker/metrics/` and `producers/collector/metrics.py` by
`python -m tests.support.metrics_page`; a test compares. Alerts and recording rules are in `deploy/prometheus/`.

- The long-running processes serve `/metrics` on their [admin port](reference.md#admin-port); `ranker verify --metrics FILE`
  and `ranker freeze --metrics FILE` write a file for node_exporter's textfile collector.
- Counters count since the process started, unless the text says otherwise, and never go back while it lives: also not
  while Redis or Kafka is restarted, or partitions move. What may fall again is a gauge.
- A gauge whose source does not reply is absent until it does; what is measured from the process' own clock goes on growing.
- Labels are bounded, however producers, articles, sites and addresses are called: *series* is how many the labels make at most in
  one process, beside the partitions.
- Every family has a HELP line with the meaning given here.
"""
_PROCESS = (
    ("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
     "Near 1 s each second: the process has reached its core; start another one.", Section.CONSUMERS_BEHIND),
    ("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
     "Of a consumer: what rules remember; of a reader: lists and the catalogue.", Section.VIRAL_NIGHT),
    ("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", "Nothing: it is reserved, not used.", None),
    ("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
     "If it moves: the process was started again.", Section.PROCESS_AWAY),
    ("process_open_fds", "gauge", "Number of open file descriptors.",
     "Near process_max_fds: further connections are refused.", Section.VIRAL_NIGHT),
    ("process_max_fds", "gauge", "Maximum number of open file descriptors.",
     "It is the limit of the system or of the unit (LimitNOFILE).", None),
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What one process has."""

    title: str
    where: str
    metrics: type[Metrics]
    build: str = ""


PARTS = (
    Part("ranker consume", "On `--admin-port`.", ConsumerMetrics, "ranker"),
    Part("ranker serve", "On `--admin-port`.", ReaderMetrics, "ranker"),
    Part("producers collect", "On `--admin-port`.", CollectorMetrics, "collector"),
    Part("ranker verify --metrics", "In a file, by each run.", VerifyMetrics),
    Part("ranker freeze --metrics", "In a file, by each run.", FreezeMetrics),
)


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRO
    for part in PARTS:
        yield f"## {part.title}\n"
        yield f"{part.where}\n"
        yield from _head()
        if part.build:
            high = "Versions differ while an upgrade is rolled out, and not afterwards."
            kind = "info; labels role, version, python; 1 series"
            yield _row(f"{part.build}_build_info", kind, BUILD, high, Section.UPGRADE)
        for one in part.metrics.catalogue():
            yield _row(one.name, _kind(one), one.text, one.high, one.runbook)
        yield ""
    yield "## Every process\n"
    yield "With `/metrics`, of the process itself, if the system tells it (Linux does).\n"
    yield from _head()
    for name, kind, text, high, section in _PROCESS:
        unit = next((unit for unit in _UNITS if unit in name), "")
        yield _row(name, ", ".join(filter(None, (kind, unit))), text, high, section)


def _head() -> Iterator[str]:
    yield "| metric | meaning | what a high value says | runbook |"
    yield "|---|---|---|---|"


def _kind(one: Declared) -> str:
    kind = "counter" if one.kind is Counter else "histogram" if one.kind is Histogram else "gauge"
    unit = _COUNTED.get(one.name) or next(
        (unit for unit in _UNITS if one.name.removesuffix("_total").endswith(unit)), ""
    )
    parts = [kind, unit]
    if one.labels:
        parts.append(f"{'labels' if len(one.labels) > 1 else 'label'} {', '.join(one.labels)}")
        parts.append(series(one))
    if one.buckets:
        parts.append(f"buckets up to {', '.join(f'{bound:,}' for bound in one.buckets)}")
    return "; ".join(filter(None, parts))


def series(one: Declared) -> str:
    number = "one" if one.most == 1 else f"at most {one.most:,}"
    return f"{number} series" + " a partition" * ("partition" in one.labels)


def _row(name: str, kind: str, text: str, high: str, section: Section | None) -> str:
    link = f"[{section.replace('-', ' ')}](runbook.md#{section})" if section else ""
    return "| " + " | ".join([f"`{name}`<br>{kind}", _cell(text), _cell(high), link]) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def declared(parts: Sequence[Part] = PARTS) -> list[Declared]:
    return [one for part in parts for one in part.metrics.catalogue()]


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
