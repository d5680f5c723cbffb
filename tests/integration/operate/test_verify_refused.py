"""`ranker verify` without what it needs, or for something that is not there: a sentence, and never "equal"."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.ports import HOST, free_port
from tests.integration.consume.engine import RANKER, Engine
from tests.integration.operate.verifying import RULED, counted, equal, found, refused, verify
from tests.support.redis_switch import redis_pair

READS = "%R~ranker:* +multi +exec +get +hget +hgetall +hmget +smembers +scard +sscan +lrange +llen +zrange +zcard"
"""What docs/reference.md has for a user of its own."""


@pytest.fixture
async def ruled(new_engine: Callable[..., Engine]) -> Engine:
    engine = new_engine(**RULED)
    await engine.create_topic(2)
    return engine


def metrics_of(file: Path) -> dict[str, float]:
    families = text_string_to_metric_families(file.read_text())
    return {
        sample.name.removeprefix("ranker_verify_"): sample.value for family in families for sample in family.samples
    }


async def test_what_is_not_there(ruled: Engine, tmp_path: Path) -> None:
    """Wrong use is exit code 2 and names what there is; what is away or gone is exit code 1 with the way out."""
    code, message = await refused(ruled)
    assert code == 1
    assert "no generation is active in Redis; is `ranker consume` running?" in message
    await counted(ruled, 500)
    generation = ruled.generation.id
    for options, words in (
        (("--site", "elsewhere"), "there is no site 'elsewhere' in generation"),
        (("--board", "shared"), "there is no board 'shared' in generation"),
        (("--window", "24h"), "there are: short, long"),
        (("--partition", "2"), "there is no partition 2 in generation"),
    ):
        code, message = await refused(ruled, *options)
        assert (code, words in message) == (2, True), message
    code, message = await refused(ruled, "--generation", "0123456789ab")
    assert code == 1
    assert "generation 0123456789ab is not known here" in message
    ruled.redis_url = f"redis://{HOST}:{free_port()}/0"
    code, message = await refused(ruled)
    assert code == 1
    assert "Redis is not available" in message
    ruled.redis_url = new_url(ruled)
    bootstrap, ruled.bootstrap = ruled.bootstrap, f"{HOST}:{free_port()}"
    file = tmp_path / "ranker_verify.prom"
    code, message = await refused(ruled, "--metrics", str(file))
    assert code == 1
    assert "`ranker check` shows what is wrong" in message
    assert metrics_of(file)["failed"] == 1
    ruled.bootstrap = bootstrap
    await ruled.client.hset(f"ranker:{{{generation}.1}}:meta", "dropped", 1)
    code, message = await refused(ruled)
    assert code == 1
    assert "partition 1: its counts were dropped" in message


def new_url(engine: Engine) -> str:
    """The address of the engine's own client."""
    options = engine.client.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/0"


async def test_the_file_of_metrics(ruled: Engine, tmp_path: Path) -> None:
    """A good run, one with a difference, and one without a result, which leaves no old number behind."""
    await counted(ruled, 500)
    file = tmp_path / "ranker_verify.prom"
    report = await equal(ruled, "--metrics", str(file))
    good = metrics_of(file)
    assert good.keys() == {"last_run_timestamp_seconds", "failed", "differences", "records", "unchecked"}
    assert (good["failed"], good["differences"], good["records"]) == (0, 0, report["records"])
    await ruled.client.hincrby(f"ranker:{{{ruled.generation.id}.0}}:sums", "demo:long:view", 1)
    assert (await verify(ruled, "--metrics", str(file)))[0] == 1
    assert metrics_of(file)["differences"] == 1
    code, _ = await refused(ruled, "--metrics", str(file), "--site", "elsewhere")
    assert code == 2
    assert metrics_of(file)["failed"] == 1
    assert str(metrics_of(file)["differences"]) == "nan"
    for wrong in (str(tmp_path / "none" / "a.prom"), "/dev/null", str(tmp_path)):
        code, message = await refused(ruled, "--metrics", wrong)
        assert code == 2, "before the log is read"
        assert "in a folder that" in message


@pytest.mark.long
async def test_one_article(ruled: Engine) -> None:
    """Its counts are shown also if they are equal; for another spelling its name is printed."""
    await counted(ruled, 2000)
    article = "/politique/1"
    report = await equal(ruled, "--site", "demo", "--article", article)
    counts = [one for part in report["partitions"] for one in part["counts"]]
    assert {(one["board"], one["window"]) for one in counts} >= {("read", "long"), ("engaged", "long")}
    assert max(one["redis"] for one in counts) > 10
    assert all(one["redis"] == one["log"] and one["site"] == "demo" for one in counts)
    shown = ruled.ranker("verify", "--site", "demo", "--article", article).stdout
    assert f"list read/long of demo: Redis {max(one['redis'] for one in counts if one['board'] == 'read')}" in shown
    shown = ruled.ranker("verify", "--site", "demo", "--article", f"https://www.example.org{article}/?utm=1").stdout
    assert "no list counts https://www.example.org/politique/1/?utm=1" in shown
    assert f"--article {article}\n" in shown


async def test_a_user_who_may_only_read(ruled: Engine) -> None:
    """The rights of docs/reference.md suffice."""
    await counted(ruled, 500)
    await ruled.client.execute_command("ACL", "SETUSER", "verify", "reset", "on", ">secret", *READS.split())
    try:
        ruled.redis_url = ruled.redis_url.replace("redis://", "redis://verify:secret@")
        await equal(ruled)
        # Without transactions all is read by scripts.
        await ruled.client.execute_command("ACL", "SETUSER", "verify", "~ranker:*", "+eval", "-multi", "-exec")
        await equal(ruled)
        await ruled.client.execute_command("ACL", "SETUSER", "verify", "-sscan")
        code, message = await refused(ruled)
        assert code == 1
        assert "docs/reference.md" in message
    finally:
        await ruled.client.execute_command("ACL", "DELUSER", "verify")


async def test_redis_out_of_memory(ruled: Engine) -> None:
    """MULTI is refused then: all is read by scripts."""
    await counted(ruled, 500)
    await ruled.client.config_set("maxmemory", "1mb")
    try:
        await equal(ruled)
    finally:
        await ruled.client.config_set("maxmemory", "0")


async def test_interrupted(ruled: Engine) -> None:
    """Ctrl-C ends it as it does other commands: no traceback, and no result."""
    await counted(ruled, 20_000)
    process = await asyncio.create_subprocess_exec(
        *RANKER, "verify", env={**os.environ, **ruled.env()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    begin = await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, errors = await process.communicate()
    assert process.returncode == 1
    assert begin.startswith(b"generation ")
    assert b"equal: " not in out
    assert errors == b"\nAborted!\n"


@pytest.mark.long
async def test_redis_is_switched_and_emptied_meanwhile(new_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """A replica that is behind takes over, then all is lost: a run is equal or reports that it could not go on."""
    async with redis_pair(tmp_path) as pair:
        engine = new_engine(redis_url=pair.url, **RULED)
        await engine.create_topic(2)
        await engine.traffic.send(2000)
        engine.consume()
        await engine.until_counted()
        ends: list[int] = []

        async def runs(number: int) -> None:
            for _ in range(number):
                done = await asyncio.to_thread(engine.ranker, "verify", "--json")
                assert done.returncode == 0 or not done.stdout, done.stdout
                assert "Traceback" not in done.stderr, done.stderr
                ends.append(done.returncode)

        async with engine.traffic.flowing(per_s=400):
            with pair.replica.client() as replica:
                replica.replicaof("NO", "ONE")  # what is written from here on is lost
            both = asyncio.gather(runs(4), runs(4))
            await asyncio.sleep(2)
            pair.switch()
            await asyncio.sleep(2)
            with pair.primary.client() as primary:
                primary.flushall()
            await both
        assert 0 in ends
        await engine.client.aclose()


async def test_nothing_is_counted_yet(ruled: Engine) -> None:
    """A shard that has no records yet is equal to an empty log."""
    consumer = ruled.consume()

    async def begun() -> bool:
        return min(await ruled.applied()) >= 0

    await ruled.until("the shards", begun)
    await ruled.until("readiness", consumer.ready)
    code, report = await verify(ruled)
    assert (code, report["records"], found(report)) == (0, 0, [])
