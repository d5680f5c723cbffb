"""`ranker check` beside processes that run: who counts, what waits, what each process says; as text and as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import schemas
from deploy.local.ports import free_port
from ranker.core.generation import from_table
from ranker.core.partial_counts import Rejected
from ranker.log.dead_letter_writer import DeadLetters
from ranker.store import generations
from ranker.store.keys import ShardKeys
from schemas import configuration
from tests.integration.consume.engine import Engine
from tests.support.kafka_at import kafka_at
from tests.support.reader_process import ReaderProcess

Document = dict[str, Any]


async def check(engine: Engine, *words: str) -> tuple[int, str]:
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(engine.ranker, "check", *words)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


async def document(engine: Engine, *words: str) -> Document:
    """What --json prints; the exit code agrees with it, and the schema too."""
    code, said = await check(engine, "--json", *words)
    found: Document = json.loads(said)
    assert schemas.faults("check", found) == []
    assert found["faults"] == sum(one["kind"] == "fault" for one in found["findings"])
    assert code == (1 if found["faults"] else 0)
    return found


def texts(found: Document, subject: str, kind: str | None = None) -> str:
    return "\n".join(
        f"{one['text']} | {one['fix']} | {one['runbook']}"
        for one in found["findings"]
        if one["subject"] == subject and kind in (None, one["kind"])
    )


@contextlib.asynccontextmanager
async def running(new_engine: Callable[..., Engine], directory: Path) -> AsyncIterator[tuple[Engine, ReaderProcess]]:
    """A consumer that is ready, and a reader."""
    engine = new_engine()
    await engine.create_topic()
    consumer = engine.consume()
    reader = ReaderProcess(engine.redis_url, directory / "reader.log", 1.0, config=engine.config.read_text())
    reader.start()
    try:
        await engine.until("the consumer", consumer.ready)
        await asyncio.to_thread(reader.until_ready)
        yield engine, reader
    finally:
        reader.child.stop()


@pytest.mark.long
async def test_who_counts_what_waits_and_what_processes_say(new_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """Groups, dead letters, another generation, a hung process, one that is not there."""
    async with running(new_engine, tmp_path) as (engine, reader):
        admin = [consumer.admin for consumer in engine.consumers] + [f"127.0.0.1:{reader.admin_port}"]
        found = await document(engine, "--admin", ",".join(admin))
        name = engine.generation.id
        assert f"ranker-{name}: 1 member (ranker-consume at 127.0.0.1: 2), 0 records behind" in texts(
            found, "group", "ok"
        )
        said = texts(found, "process", "ok")
        assert ": consume " in said
        assert ": serve " in said
        assert said.count("ready") == 2
        assert "no letter waits" in texts(found, "dead letters", "ok")
        assert "of maxmemory" in texts(found, "Redis") or "without a limit" in texts(found, "Redis")

        letters = DeadLetters(kafka_at(engine.bootstrap), engine.topic)
        await letters.start()
        await letters.write(0, [Rejected(7, 1_800_000_000_000, "malformed", None, b"{}")])
        await letters.stop()
        other = from_table(
            configuration.filled(tomllib.loads(engine.config.read_text().replace("comment = 3", "comment = 4")))
        )
        await generations.register(engine.client, other)
        reader.child.suspend()
        try:
            found = await document(engine, "--admin", admin[1], "--admin", f"localhost:{free_port()}")
        finally:
            reader.child.resume()
        assert "1 records were not counted (malformed 1)" in texts(found, "dead letters", "note")
        assert f"{other.id} is not shown: 0 shards" in texts(found, "generation", "note")
        said = texts(found, "process", "fault")
        assert "no answer within 5 s" in said
        assert "no connection" in said
        assert said.count("docs/runbook.md#a-process-is-away") >= 2


@pytest.mark.long
async def test_nobody_counts(new_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """A fault if the members of the active generation have ended; a note before it has begun: perhaps none shall run."""
    async with running(new_engine, tmp_path) as (engine, _):
        assert engine.consumers[0].stop() == 0
        found = await document(engine)
        assert "has no member: nobody counts its generation, which readers show" in texts(found, "group", "fault")
        for partition in range(engine.partitions):
            await engine.client.delete(ShardKeys(engine.generation.id, partition).meta)
        before = await document(engine)
    # the engine's topics have short retentions; of anything else nothing is wrong
    sections = {one["runbook"] for one in found["findings"] if one["kind"] == "fault"}
    sections -= {"docs/runbook.md#a-partition-is-stopped"}  # on a slow machine T is behind by now
    assert sections == {"docs/runbook.md#a-topic-has-wrong-settings", "docs/runbook.md#a-process-is-away"}
    assert "has no member: nobody counts" in texts(before, "group", "note")


async def test_the_text_names_the_section(tmp_path: Path, new_engine: Callable[..., Engine]) -> None:
    """Under the fix."""
    engine = new_engine(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    await engine.create_topic()
    code, said = await check(engine)
    assert code == 1
    lines = said.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("fault  Redis")]
    assert lines[at + 1].startswith("       fix: ")
    assert lines[at + 2] == "       runbook: docs/runbook.md#redis-is-lost"


@pytest.mark.parametrize("words", [("--admin", "ranker"), ("--admin", "http://u:s3cret@ranker:1"), ("--jason",)])
async def test_wrong_options_are_exit_code_2(new_engine: Callable[..., Engine], words: tuple[str, ...]) -> None:
    """Before anything is asked, and without a secret."""
    done = await asyncio.to_thread(new_engine().ranker, "check", *words)
    assert done.returncode == 2
    assert "s3cret" not in done.stderr
    assert done.stdout == ""
