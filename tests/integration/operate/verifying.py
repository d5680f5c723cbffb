"""Runs `ranker verify` beside an engine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from click.testing import CliRunner, Result

from ranker.commands import main
from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.consume.traffic import Readers

RULED: dict[str, Any] = {"config": RULES_TOML, "traffic": Readers}
"""Options of an engine whose rules have something to do."""
_ONE_AT_A_TIME = asyncio.Lock()


async def verify(engine: Engine, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and report; fails if there is no report."""
    done = await _run(engine, "--json", *options)
    assert done.stdout, done.output
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.stderr == ""
    return done.exit_code, report


async def refused(engine: Engine, *options: str) -> tuple[int, str]:
    """Exit code and message of a run that compares nothing."""
    done = await _run(engine, *options)
    assert not done.stdout
    assert isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


async def _run(engine: Engine, *options: str) -> Result:
    """In this process: to start one takes longer than most of these runs."""
    async with _ONE_AT_A_TIME:  # it takes standard output over
        return await asyncio.to_thread(CliRunner(env=engine.env()).invoke, main, ["verify", *options])


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
