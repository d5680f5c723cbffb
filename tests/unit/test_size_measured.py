"""The formulas of CPU beside the runs of docs/reports/size-2026-11-30.json that they were fitted to."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ranker.core.generation import Generation, Window
from ranker.core.sizing import processes
from ranker.core.sizing.load import Load
from tests.support.defaults import DEFAULT_BOARDS, PRESS

PARTS = json.loads((Path(__file__).parents[2] / "docs" / "reports" / "size-2026-11-30.json").read_text())["parts"]
WINDOWS = (Window("short", 15_000, 1_000), Window("long", 40_000, 5_000))
"""As tests/bench/steady.py has them."""
STEADY = {figure["name"]: figure["value"] for figure in PARTS["steady"]["figures"]}
RUNS = sorted({name.partition(": ")[0] for name in STEADY})
IDLE = "0 events/s, 4 partitions, none"
"""45 ms a second, where 24 partitions took 38: one of the two was disturbed."""


@pytest.mark.parametrize("run", RUNS)
def test_steady_loads(run: str) -> None:
    """Within 15 %, as docs/scale.md says: the consumer's CPU and Redis'."""
    partitions = int(re.findall(r"(\d+) partitions", run)[0])
    generation = Generation("x", WINDOWS, DEFAULT_BOARDS)
    if run.endswith("press"):
        generation = msgspec.structs.replace(generation, rules=PRESS.rules)
    load = Load(max(STEADY[f"{run}: sent"], 1e-9), 5_000, 40, peak=1.0, partitions=partitions)
    if run != IDLE:
        said = 1000 * processes.consumers(load, generation, least=1).cores
        assert said == pytest.approx(STEADY[f"{run}: CPU of the consumer"], rel=0.15)
    assert 1000 * processes.redis(load, generation, 0) == pytest.approx(STEADY[f"{run}: CPU of Redis"], rel=0.15)


@pytest.mark.parametrize("grid", sorted(PARTS["lists"]["details"]))
def test_refreshes(grid: str) -> None:
    """Within 35 %: the reader's CPU, Redis', and the memory of the lists."""
    took = PARTS["lists"]["details"][grid]
    load = Load(
        1_000, took["places"] // took["lists"], 40, partitions=int(grid.split(maxsplit=1)[0]), lists=took["lists"]
    )
    assert processes.refresh_us(load) / 1e6 == pytest.approx(took["cpu_s"], rel=0.35)
    assert processes.refresh_redis_us(load) / 1e6 == pytest.approx(took["redis_cpu_s"], rel=0.35)
    memory = processes.readers(load).memory - processes.readers(replace(load, lists=0, partitions=0)).memory
    assert memory == pytest.approx(took["memory_bytes"], rel=0.35)


def test_real_runs() -> None:
    """Of every kind that the report has, within 15 %."""
    off = {figure["name"]: figure["value"] for figure in PARTS["sizing"]["figures"] if figure["unit"].startswith("%")}
    assert len(off) > 25
    assert {name: round(value, 1) for name, value in off.items() if abs(value) > 15} == {}
