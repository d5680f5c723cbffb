"""Receipts of real lists, recounted by `ranker verify` and by the plain program of docs/verify, whatever has died since."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from click.testing import CliRunner, Result

from deploy.local.redis import RedisServer
from ranker.commands import main
from tests.integration.consume.engine import CHECKOUT, Consumer, Engine
from tests.support.reader_process import ReaderProcess, reader_process
from tests.support.redis_switch import redis_pair

PARTITIONS = 2
WINDOWS = ("short", "long")


@pytest_asyncio.fixture
async def ruled(new_ruled: Callable[..., Engine], own_redis: RedisServer) -> Engine:
    """An engine with rules, on a Redis of its own."""
    engine = new_ruled(redis_url=own_redis.url)
    await engine.create_topic(PARTITIONS)
    return engine


async def counting(engine: Engine, views: int) -> Consumer:
    """A consumer that is ready and has counted so many."""
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    await engine.traffic.send(views)
    await engine.until_counted()
    return consumer


class Receipts:
    """Takes receipts and keeps them as files."""

    def __init__(self, engine: Engine, reader: ReaderProcess) -> None:
        self._engine = engine
        self._reader = reader
        self.files: list[Path] = []
        self.definition = engine.directory / "definition.json"

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, engine: Engine) -> AsyncIterator[Receipts]:
        """From a reader that runs meanwhile, with the definition that they are verified by."""
        with reader_process(engine.redis_url, engine.directory, config=engine.config.read_text()) as reader:
            await asyncio.to_thread(reader.until_ready)
            made = cls(engine, reader)
            run = await asyncio.to_thread(engine.ranker, "generations", "definition")
            assert run.returncode == 0, run.stderr
            made.definition.write_text(run.stdout)
            yield made

    async def take(self, site: str = "demo", board: str = "read", **more: str) -> dict[str, Any]:
        """Those of both windows; the last answer."""
        for window in WINDOWS:
            query = urlencode({"receipt": "true", "limit": "100", **more})

            async def answered(target: str = f"/v1/{site}/popular/{board}/{window}?{query}") -> str:
                answer = await asyncio.to_thread(self._reader.get, target)
                return answer.body.decode() if answer.status == 200 else ""

            text = await self._engine.until("An answer", answered)
            self.files.append(self._engine.directory / f"receipt-{len(self.files)}.json")
            self.files[-1].write_text(text)
        found: dict[str, Any] = json.loads(text)
        return found

    def verified(self, file: Path) -> subprocess.CompletedProcess[str]:
        """By `ranker verify`, without Redis."""
        return self._engine.ranker("verify", str(file), "--definition", str(self.definition))

    async def here(self, file: Path) -> Result:
        """The same without a process of its own."""
        argv = ["verify", str(file), "--definition", str(self.definition)]
        return await asyncio.to_thread(CliRunner(env=self._engine.env()).invoke, main, argv)

    def recounted(self, file: Path) -> subprocess.CompletedProcess[str]:
        """By the plain program, which has nothing of ours on its path."""
        program = CHECKOUT / "docs" / "verify" / "recount.py"
        argv = [sys.executable, "-I", str(program), str(file), str(self.definition), self._engine.bootstrap]
        return subprocess.run(argv, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})

    async def check(self) -> None:
        """Every receipt taken so far is equal by both."""
        for file in self.files:
            for by in (self.verified, self.recounted):
                run = await asyncio.to_thread(by, file)
                assert run.returncode == 0, (file.read_text()[:2000], run.stdout, run.stderr)
                assert "equal" in run.stdout, run.stdout


@pytest.mark.long
async def test_receipts_hold_whatever_dies_afterwards(ruled: Engine) -> None:
    """Taken on a live system; a killed consumer, an emptied Redis and another consumer later they are what they were."""
    first = await counting(ruled, 3_000)
    async with Receipts.of(ruled) as receipts:
        answer = await receipts.take()
        assert {part["partition"] for part in answer["receipt"]["partitions"]} == set(range(PARTITIONS))
        assert answer["items"], "a list without places proves little"
        writing = asyncio.create_task(ruled.traffic.send(2_000))
        await receipts.take("le-courrier", "engaged")
        first.kill()
        await receipts.take()
        second = ruled.consume()
        await writing
        await ruled.until("readiness", second.ready)
        await ruled.until_counted()
        await receipts.take()
        await ruled.client.flushall()
        await ruled.until_counted()
        await receipts.check()


@pytest.mark.long  # most of a minute; the test before has every other death
async def test_receipts_hold_when_redis_goes_back(new_ruled: Callable[..., Engine], tmp_path: Path) -> None:
    """A failover to an older copy: receipts of what it never had are equal, since the log has it."""
    async with redis_pair(tmp_path) as pair:
        engine = new_ruled(redis_url=pair.url)
        await engine.create_topic(PARTITIONS)
        await counting(engine, 1_500)
        await pair.follow()
        with pair.replica.client() as replica:
            replica.replicaof("NO", "ONE")
        await engine.traffic.send(1_500)
        await engine.until_counted()
        async with Receipts.of(engine) as receipts:
            await receipts.take()
            pair.switch()
            await receipts.take()
            await engine.traffic.send(500)
            await receipts.take()
        await receipts.check()


@pytest.mark.long
async def test_what_retention_has_taken_is_refused_not_equal(ruled: Engine) -> None:
    """By both verifiers."""
    await counting(ruled, 2_000)
    async with Receipts.of(ruled) as receipts:
        await receipts.take()
        old = receipts.files[-1]
        ends = {TopicPartition(ruled.topic, partition): n for partition, n in enumerate(await ruled.applied())}
        await ruled.admin(
            lambda admin: admin.delete_records({tp: RecordsToDelete(before_offset=n // 2) for tp, n in ends.items()})
        )
        for run in (receipts.verified(old), receipts.recounted(old)):
            assert run.returncode == 1
            assert "cannot be recounted any more" in run.stderr, run.stderr


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a count of the list": lambda answer: answer["items"][1].update(count=answer["items"][1]["count"] + 1),
    "two places": lambda answer: answer["items"].insert(0, answer["items"].pop(2)),
    "the hash": lambda answer: answer["receipt"].update(sha256="0" * 64),
    "an offset": lambda answer: answer["receipt"]["partitions"][0].update(
        n=answer["receipt"]["partitions"][0]["n"] - 400
    ),
    "an alias": lambda answer: answer["receipt"]["aliases"].update(
        {answer["items"][0]["article_id"]: answer["items"][1]["article_id"]}
    ),
    "a partition left out": lambda answer: answer["receipt"]["partitions"].pop(),
    "the number of rows": lambda answer: answer["receipt"].update(rows=answer["receipt"]["rows"] - 1),
    "the first place": lambda answer: (
        [item.update(rank=rank) for rank, item in enumerate(answer["items"])] + [answer["items"].pop(0)]
    ),
    "a place in the middle": lambda answer: answer["items"].pop(2),
    "a rank": lambda answer: answer["items"][0].update(rank=2),
    "another article": lambda answer: answer["items"][0].update(article_id="/never-read", count=None),
    "the total": lambda answer: answer.update(total=answer["total"] + 1),
}
REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "the rules": (lambda answer: answer["receipt"].update(rules=["bots@1"]), "was changed"),
    "the board": (
        lambda answer: (answer.update(board="loved"), answer["receipt"].update(board="loved")),
        "has no list loved/long",
    ),
    "the generation": (lambda answer: answer["receipt"].update(generation="0" * 12), "ranker generations definition"),
    "no receipt": (lambda answer: answer.pop("receipt"), "without its receipt"),
    "a version": (lambda answer: answer["receipt"].update(version=2), "update it"),
    "an offset that is none": (lambda answer: answer["receipt"]["partitions"][0].update(n=-1), "it is no receipt"),
    "a partition of another topic": (
        lambda answer: answer["receipt"]["partitions"][0].update(partition=9),
        "its Kafka",
    ),
    "another list's": (lambda answer: answer.update(board="engaged"), "different lists"),
    "a place that is none": (lambda answer: answer["receipt"].update(hidden=[-5]), "it is no receipt"),
    "a hash that is none": (lambda answer: answer["receipt"].update(sha256="\x1b]0;x\x07"), "it is no receipt"),
    "floors beyond all times": (
        lambda answer: answer["receipt"]["partitions"][0].update(floors=[2**52, 2**52]),
        "are no times",
    ),
    "a number beyond all": (lambda answer: answer["receipt"]["partitions"][0].update(n=10**25), "it is no receipt"),
    "a partition twice": (
        lambda answer: answer["receipt"]["partitions"].append(answer["receipt"]["partitions"][0]),
        "names a partition twice",
    ),
    "a wrong type": (lambda answer: answer["receipt"].update(rows="many"), "it is no receipt"),
}


@pytest.mark.long
async def test_what_was_changed_is_found(ruled: Engine) -> None:
    """A list or a receipt in which somebody touched one thing is different, or refused with words.

    Someone who invents a whole receipt, with a hash that fits, chooses its records: it is no signature, and what is odd
    about it is noted.
    """
    await counting(ruled, 3_000)
    async with Receipts.of(ruled) as receipts:
        answer = await receipts.take()
    file = ruled.directory / "changed.json"
    for name, change in CHANGES.items():
        changed = json.loads(json.dumps(answer))
        change(changed)
        file.write_text(json.dumps(changed))
        run = await receipts.here(file)
        assert (run.exit_code, run.output.count("different")) == (1, 1), (name, run.output)
    for name, (change, words) in REFUSED.items():
        changed = json.loads(json.dumps(answer))
        change(changed)
        file.write_text(json.dumps(changed))
        run = await receipts.here(file)
        assert run.exit_code == 1, (name, run.output)
        assert words in run.output, (name, run.output)
    await receipts.check()
    invented = json.loads(json.dumps(answer["receipt"]))
    del invented["partitions"][0]
    invented["partitions"][0]["floors"][1] -= 8 * 1000
    file.write_text(json.dumps(invented))
    run = await receipts.here(file)
    assert "note: partitions 0 of the topic are no part of it" in run.output
    assert "counts from further back than a window of long does" in run.output
