"""Runs `ranker verify` beside an engine, as an operator does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.consume.traffic import Readers

RULED: dict[str, Any] = {"config": RULES_TOML, "traffic": Readers}
"""Options of an engine whose rules have something to do."""


async def verify(engine: Engine, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report; fails if there is no report."""
    done = await asyncio.to_thread(engine.ranker, "verify", "--json", *options)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr == ""
    return done.returncode, report


async def refused(engine: Engine, *options: str) -> tuple[int, str]:
    """Exit code and message of a run that compares nothing."""
    done = await asyncio.to_thread(engine.ranker, "verify", *options)
    assert not done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def found(report: dict[str, Any]) -> list[dict[str, str]]:
    """Every difference that is named."""
    return [one for partition in report["partitions"] for one in partition["differences"]]


async def equal(engine: Engine, *options: str) -> dict[str, Any]:
    """The report of a run that has found no difference."""
    code, report = await verify(engine, *options)
    assert (code, report["equal"], found(report)) == (0, True, []), found(report)[:5]
    return report


async def counted(engine: Engine, number: int) -> None:
    """So many records are counted, nobody writes, and no consumer is left."""
    consumer = engine.consume()
    await engine.traffic.send(number)
    await engine.until_counted()
    consumer.stop()
