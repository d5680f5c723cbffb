"""What each recorded version has left is taken up by today's programs, or refused with the way out.

Each folder of tests/data is one version. One that is recorded later is tried by the same tests.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from deploy.local import children, waiting
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.ports import free_port
from ranker.connect.redis import connect
from ranker.settings import load
from ranker.store import generations
from ranker.store.shard import FORMAT
from tests.support.reader import ready, running_reader, until
from tests.support.recorded_log import Restored, copy
from tests.support.recorded_run import PARTITIONS, Recording, restored
from tests.support.redis_at import redis_at
from tests.support.topics import read

RUNS = sorted((Path(__file__).parents[2] / "data").glob("run-*"))
VIEWS = "page-views"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: run.name)
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(request.param)


@pytest.fixture(scope="module")
def system(recording: Recording, services_directory: Path) -> Iterator[Restored]:
    directory = services_directory / f"formats-{recording.directory.name}"
    directory.mkdir()
    kafka = EmbeddedKafka(directory / "kafka")
    kafka.start()
    store = restored(recording, directory / "redis")
    try:
        asyncio.run(copy(recording, kafka.bootstrap))
        store.start()
        yield Restored(recording, kafka, store, directory)
    finally:
        store.stop()
        kafka.stop()


@pytest_asyncio.fixture
async def client(system: Restored) -> AsyncIterator[Any]:
    opened = connect(redis_at(system.redis.url))
    yield opened
    await opened.aclose()


async def metas(client: Any) -> dict[int, tuple[str, str, int]]:
    """Of each shard of the active generation: its format, its lineage, its n."""
    active = await generations.read_active(client)
    assert active is not None
    found = {}
    for partition in range(active.partitions):
        meta = await client.hmget(f"ranker:{{{active.generation}.{partition}}}:meta", "format", "lineage", "n")
        found[partition] = (meta[0].decode(), meta[1].decode(), int(meta[2]))
    return found


async def test_the_reader_serves_the_same_lists(system: Restored) -> None:
    """Every field that there was has the value that it had; receipts too."""
    served = system.recording.served
    sites = load(str(system.recording.config), {}).sites
    async with running_reader(system.redis.url, sites, served["now_ms"]) as reader:
        await until(lambda: ready(reader), "readiness")
        expected = served["lists"] | {f"{name}&receipt=true": one for name, one in served.get("receipts", {}).items()}
        for target, old in expected.items():
            now = (await reader.get(target)).json
            assert {name: now[name] for name in old} == old, target


async def test_the_counts_are_what_the_log_says(system: Restored) -> None:
    """`ranker verify` reads the old state and the old definition."""
    code, said = await system.run("ranker", "verify", "--json")
    report = json.loads(said)
    assert (code, report["equal"], report["differences"]) == (0, True, 0)
    assert report["records"] == sum(1 for _ in system.recording.log(VIEWS))


async def test_receipts_are_verified(system: Restored, tmp_path: Path) -> None:
    """Of every list that was recorded with one."""
    receipts = system.recording.served.get("receipts", {})
    if not receipts:
        pytest.skip(f"{system.recording.directory.name} had no receipts")
    for number, answer in enumerate(list(receipts.values())[:4]):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
        code, said = await system.run("ranker", "verify", str(file), "--json")
        assert code == 0, said
        assert json.loads(said)["equal"] is True


@pytest.mark.long
async def test_freeze_says_what_the_log_does_not_have(system: Restored) -> None:
    """It reads the old definition and the old log: a day that is older than that is refused by its name."""
    day = datetime.fromtimestamp(system.recording.served["now_ms"] / 1000, UTC).date() - timedelta(days=2)
    words = ("freeze", "--kind", "day", "--period", str(day))
    code, said = await system.run("ranker", *words, more='[sites.demo.calendar]\nzone = "Europe/Paris"\n')
    assert code == 1
    assert "cannot be counted, since the log has nothing before" in said


async def test_the_collector_sends_what_waited(system: Restored, tmp_path: Path) -> None:
    """The spool is taken up, and every event of it is sent."""
    if not system.recording.spool.exists():
        pytest.skip(f"{system.recording.directory.name} has no spool")
    spool = tmp_path / "spool"
    shutil.copytree(system.recording.spool, spool)
    port = free_port()
    words = ["collect", "--port", str(free_port()), "--admin-port", str(port), "--spool", str(spool), "--drain-s", "0"]
    keys = await during(system, words, "demo//attente/", 20)
    assert len(keys) == 20
    assert len(set(keys)) == 20


async def test_replay_goes_on_where_it_was(system: Restored, tmp_path: Path) -> None:
    """The second half of the log is sent, and no line of the first again."""
    if not system.recording.followed.exists():
        pytest.skip(f"{system.recording.directory.name} has no position")
    log, state = tmp_path / "access.jsonl", tmp_path / "position.json"
    shutil.copy(system.recording.followed, log)
    text = system.recording.followed.with_name("position.json").read_text("utf-8")
    state.write_text(text.replace('"access.jsonl"', json.dumps(str(log))), "utf-8")
    words = ["replay", "--follow", "--state", str(state), str(log), "--site", "local"]
    keys = await during(system, words, "local//suivi/", 40)  # the first 20 are in the recorded log
    assert len(keys) == 40


async def during(system: Restored, words: list[str], prefix: str, count: int) -> list[str]:
    """The keys that begin so in the topic, once there are so many, after a program of producers has run and ended."""
    argv = [sys.executable, "-c", "from producers.commands import main; main()", *words]
    child = children.start("program", argv, system.directory / f"{words[0]}.log", system.env())

    async def found() -> list[str]:
        records = await read(system.kafka.bootstrap, VIEWS, PARTITIONS[VIEWS])
        return [key for record in records if (key := (record.key or b"").decode("utf-8", "replace")).startswith(prefix)]

    async def enough() -> bool:
        assert child.returncode() is None, child.tail()
        return len(await found()) >= count

    try:
        await waiting.until_async(f"{count} events", enough, 60.0)
    finally:
        child.stop(10.0)
    assert child.returncode() == 0
    return await found()


async def test_the_consumer_goes_on_or_begins_beside_it(system: Restored, client: Any) -> None:
    """A generation that is still today's goes on at its own n; another one stays shown, and `ranker check` has the way.

    The last test of a run: floors move, and what is older than the windows leaves.
    """
    before = await metas(client)
    assert {found[0] for found in before.values()} == {FORMAT}
    active = await generations.read_active(client)
    assert active is not None
    today = load(str(system.recording.config), {}).generation
    port = free_port()
    argv = [sys.executable, "-c", "from ranker.commands import main; main()", "consume", "--admin-port", str(port)]
    child = children.start("consumer", argv, system.directory / "consumer.log", system.env())

    async def begun() -> bool:
        assert child.returncode() is None, child.tail()
        return all([await client.exists(f"ranker:{{{today.id}.{p}}}:meta") for p in before]) and await level()

    async def level() -> bool:
        ends = [0] * len(before)
        for record in await read(system.kafka.bootstrap, VIEWS, len(before)):
            ends[record.partition] = record.offset + 1
        ns = [int(await client.hget(f"ranker:{{{today.id}.{p}}}:meta", "n") or -1) for p in before]
        return ns == ends

    try:
        await waiting.until_async("counting", begun, 60.0)
    finally:
        child.stop(10.0)
    assert child.returncode() == 0
    assert "Traceback" not in child.log.read_text()
    after = await metas(client)
    assert await generations.read_active(client) == msgspec.structs.replace(active)
    if active.generation == today.id:
        for partition, (_, lineage, n) in before.items():
            assert after[partition][1] == lineage  # no gap, nothing was counted again
            assert after[partition][2] >= n
    else:
        assert after == before
        code, said = await system.run("ranker", "check")
        assert code in (0, 1)
        assert f"{active.generation} is active, these settings make {today.id}" in said
        assert f"run `ranker generations activate {today.id}`" in said
