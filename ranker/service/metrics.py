"""Metrics as data: each is declared in the class of the process that fills it, and made for a registry."""

from __future__ import annotations

import platform
from functools import partial
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

from ranker.service.version import VERSION

_M = TypeVar("_M", Counter, Gauge, Histogram)


def _declared(kind: type[_M], name: str, text: str, **options: Any) -> _M:
    """`name` has the labels with it: requests_total{route,status}."""
    bare, _, labels = name.removesuffix("}").partition("{")
    return cast("_M", partial(kind, bare, text, labels.split(",") if labels else (), **options))


def counter(name: str, text: str) -> Counter:
    return _declared(Counter, name, text)


def gauge(name: str, text: str) -> Gauge:
    return _declared(Gauge, name, text)


def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
    return _declared(Histogram, name, text, buckets=buckets)


def show_build(registry: CollectorRegistry, program: str, role: str) -> None:
    """Adds PROGRAM_build_info, which says what runs here."""
    info = Info(f"{program}_build", "What runs here: role, version of the engine and of Python.", registry=registry)
    info.info({"role": role, "version": VERSION, "python": platform.python_version()})


class Metrics:
    """A subclass declares its metrics as attributes; an instance has them, on its registry and in that order."""

    def __init__(self, registry: CollectorRegistry) -> None:
        for attribute, declared in vars(type(self)).items():
            if isinstance(declared, partial):
                setattr(self, attribute, declared(registry=registry))


def new_registry() -> CollectorRegistry:
    """A registry of a process' own, with its CPU, memory and file descriptors (process_…, where the system tells)."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # no use of a creation time for every counter
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    return registry
