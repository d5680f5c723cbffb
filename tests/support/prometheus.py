"""A Prometheus of the test's own: it scrapes what it is given, evaluates rules, and is read by its HTTP API."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from deploy.local import children
from deploy.local.ports import HOST, free_port
from deploy.local.servers import Server
from tests.support.http import ask

Labels = dict[str, str]


@dataclass(frozen=True)
class Sample:
    """One series at one time."""

    labels: Labels
    value: float


@dataclass(frozen=True)
class Series:
    """One series over a range: (Unix time in seconds, value), oldest first."""

    labels: Labels
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Alert:
    """One active alert; `state` is pending or firing. `labels` has alertname with the rest."""

    name: str
    state: str
    labels: Labels
    annotations: Labels


@dataclass(frozen=True)
class Target:
    """One scraped address; `health` is up, down or unknown, and `error` says why the last scrape failed."""

    job: str
    instance: str
    health: str
    error: str


class Prometheus(Server):
    """`targets` are the jobs with their addresses ("127.0.0.1:9100"), `rules` files of rules.

    Both may be changed while it runs: `reload` has them taken up. A job stays when its last address goes: of a job that
    is removed, Prometheus keeps the last values for five minutes.
    """

    def __init__(
        self,
        binary: Path,
        directory: Path,
        targets: Mapping[str, Sequence[str]],
        rules: Sequence[Path] = (),
        interval_s: float = 1.0,
    ) -> None:
        """Scrape and evaluate each `interval_s`."""
        super().__init__("Prometheus", directory)
        self.binary = binary
        self.port = free_port()
        self.targets = {job: list(addresses) for job, addresses in targets.items()}
        self.rules = [path.resolve() for path in rules]
        self.interval_s = interval_s

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def spawn(self) -> children.Child:
        self._write_configuration()
        argv: list[str | Path] = [
            self.binary,
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]
        return children.start(self.name, argv, self.directory / "prometheus.log", cwd=self.directory)

    def answers(self) -> bool:
        try:
            return ask(self.port, "/-/ready").status == 200
        except OSError:
            return False

    def reload(self) -> None:
        """Take up changed `targets`, `rules` and contents of rule files. Raises AssertionError if they are refused."""
        self._write_configuration()
        answer = ask(self.port, "/-/reload", "POST", b"")
        assert answer.status == 200, answer.body.decode()

    def query(self, promql: str, at_s: float | None = None) -> list[Sample]:
        """Evaluate at `at_s` (Unix time), or now. A scalar is one sample without labels."""
        data = self._get("query", query=promql, **({} if at_s is None else {"time": at_s}))
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def value(self, promql: str) -> float:
        """The value of a query that has one result; NaN if it has none. Raises AssertionError if it has several."""
        found = self.query(promql)
        assert len(found) < 2, found
        return found[0].value if found else math.nan

    def query_range(self, promql: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """Evaluate at each `step_s` from `start_s` to `end_s`, Unix times."""
        data = self._get("query_range", query=promql, start=start_s, end=end_s, step=step_s)
        return [
            Series(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in data["result"]
        ]

    def alerts(self) -> list[Alert]:
        """Every alert that is pending or firing."""
        return [
            Alert(one["labels"]["alertname"], one["state"], one["labels"], one["annotations"])
            for one in self._get("alerts")["alerts"]
        ]

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {alert.name for alert in self.alerts() if alert.state == "firing"}

    def scraped(self) -> list[Target]:
        """Every target with its health."""
        return [
            Target(one["labels"]["job"], one["labels"]["instance"], one["health"], one["lastError"])
            for one in self._get("targets", state="active")["activeTargets"]
        ]

    def all_up(self) -> bool:
        """Whether every target was scraped, and its last scrape succeeded."""
        return all(target.health == "up" for target in self.scraped())

    @property
    def _configuration(self) -> Path:
        return self.directory / "prometheus.yml"

    def _write_configuration(self) -> None:
        interval = f"{round(self.interval_s * 1000)}ms"
        settings = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(path) for path in self.rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": addresses}]} for job, addresses in self.targets.items()
            ],
        }
        self._configuration.write_text(json.dumps(settings, indent=1))  # YAML contains JSON

    def _get(self, path: str, **parameters: object) -> Any:
        answer = ask(self.port, f"/api/v1/{path}?{urlencode(parameters)}")
        assert answer.json["status"] == "success", answer.json
        return answer.json["data"]


@contextmanager
def scraping(
    binary: Path,
    directory: Path,
    targets: Mapping[str, Sequence[str]],
    rules: Sequence[Path] = (),
    interval_s: float = 1.0,
) -> Iterator[Prometheus]:
    """A Prometheus that answers; it is killed with the block, and when this process dies."""
    prometheus = Prometheus(binary, directory, targets, rules, interval_s)
    prometheus.start()
    try:
        yield prometheus
    finally:
        prometheus.kill()
