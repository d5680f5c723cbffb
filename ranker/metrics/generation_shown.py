"""Which generation a process works on: consumers and readers have the same family."""

from __future__ import annotations

from prometheus_client import Gauge

from ranker.service.metrics import gauge
from ranker.service.runbook import Section


def generation_info(does: str) -> Gauge:
    """`does` is what the process does with it, as a verb."""
    return gauge(
        "ranker_generation_info{generation}",
        f"1: the generation that this process {does}.",
        "Consumers and readers differ while a new generation is filled; afterwards they are the same.",
        Section.UPGRADE,
    )


def show_generation(family: Gauge, generation: str) -> None:
    """Shows this one and no other."""
    family.clear()
    family.labels(generation).set(1)
