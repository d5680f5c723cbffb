"""Metrics as data: each is declared in the class of the process that fills it, and made for a registry.

The declarations are the documentation: docs/metrics.md is made of them (tests/support/metrics_page.py).
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import Metric

from ranker.service.runbook import Section
from ranker.service.version import VERSION

UNKNOWN = math.nan
"""The value of an `optional_gauge` that is absent."""
BUILD = "What runs here: role, version of the engine and of Python."


class OptionalGauge(Gauge):
    """Has no series while its value is UNKNOWN: as at first, and whenever what it shows cannot be measured."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        super().__init__(name, text, labels, registry=registry)
        self.set(UNKNOWN)

    def collect(self) -> Iterable[Metric]:
        for family in super().collect():
            family.samples = [sample for sample in family.samples if not math.isnan(sample.value)]
            yield family


_M = TypeVar("_M", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Declared:
    """One family. `text` says what it counts or shows, `high` what a high value says (or a low one, if it says so).

    `most`: how many series the labels beside `partition` make at most, in one process; 1 without labels.
    """

    kind: type[Counter | Gauge | Histogram]
    name: str
    labels: tuple[str, ...]
    text: str
    high: str
    runbook: Section | None
    most: int
    buckets: tuple[float, ...] = ()

    def made(self, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
        options: dict[str, Any] = {"buckets": self.buckets} if self.buckets else {}
        return self.kind(self.name, self.text, self.labels, registry=registry, **options)


def _declared(kind: type[_M], name: str, *what: Any, **more: Any) -> _M:
    """`name` has the labels with it: requests_total{route,status}."""
    bare, _, labels = name.removesuffix("}").partition("{")
    return cast("_M", Declared(kind, bare, tuple(labels.split(",")) if labels else (), *what, **more))


def counter(name: str, text: str, high: str, runbook: Section | None = None, most: int = 1) -> Counter:
    return _declared(Counter, name, text, high, runbook, most)


def gauge(name: str, text: str, high: str, runbook: Section | None = None, most: int = 1) -> Gauge:
    return _declared(Gauge, name, text, high, runbook, most)


def optional_gauge(name: str, text: str, high: str, runbook: Section | None = None) -> Gauge:
    """Without labels: those that have some are absent without them."""
    return _declared(OptionalGauge, name, text, high, runbook, 1)


def histogram(
    name: str, text: str, high: str, runbook: Section | None = None, most: int = 1, *, buckets: tuple[float, ...]
) -> Histogram:
    return _declared(Histogram, name, text, high, runbook, most, buckets=buckets)


class Metrics:
    """A subclass declares its metrics as attributes; an instance has them, on its registry and in that order."""

    def __init__(self, registry: CollectorRegistry) -> None:
        for attribute, declared in _declarations(type(self)):
            setattr(self, attribute, declared.made(registry))

    @classmethod
    def catalogue(cls) -> list[Declared]:
        return [declared for _, declared in _declarations(cls)]


def _declarations(cls: type[Metrics]) -> Iterator[tuple[str, Declared]]:
    """A base's before those of the class itself."""
    for one in reversed(cls.__mro__):
        for attribute, declared in vars(one).items():
            if isinstance(declared, Declared):
                yield attribute, declared


def show_build(registry: CollectorRegistry, program: str, role: str) -> None:
    """Adds PROGRAM_build_info, which says what runs here."""
    info = Info(f"{program}_build", BUILD, registry=registry)
    info.info({"role": role, "version": VERSION, "python": platform.python_version()})


def new_registry() -> CollectorRegistry:
    """A registry of a process' own, with its CPU, memory and file descriptors (process_…, where the system tells)."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # no use of a creation time for every counter
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    return registry
