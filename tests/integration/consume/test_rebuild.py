"""`ranker rebuild`: a generation is built beside the active one, compared with it, and activated."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from tests.integration.consume.engine import RULES_TOML, Engine
from tests.integration.consume.rebuilding import PARTITIONS, Pair, Rebuild, active_of


async def _watermark_ms(engine: Engine) -> int:
    shard = await engine.shard(0)
    assert shard is not None
    return shard.watermark_ms


@pytest.mark.long
async def test_from_no_rules_to_those_of_the_press(pair: Pair) -> None:
    """Built, compared, activated; it counts until its consumers have taken over, and ends then. Then the way back."""
    blue, green = pair.blue.generation.id, pair.green.generation.id
    async with pair.blue.traffic.flowing(per_s=300):
        rebuild = Rebuild(pair.green, "--yes", "--json")
        await rebuild.until_said("Start consumers of")
        assert await pair.active() == green
        since_ms = await _watermark_ms(pair.green)

        async def counts_on() -> bool:
            return await _watermark_ms(pair.green) > since_ms + 5_000

        await pair.green.until("counting for longer than three sessions", counts_on)  # by nobody else
        heir = pair.green.consume()
        await pair.green.until("readiness", heir.ready)
    done = await asyncio.to_thread(rebuild.end)
    assert done.returncode == 0, done.stderr
    for words in (
        f"Generation {green} is to be built: beside {blue}",
        "in force duplicate@1, bots@1, internal@1, repeat-60s@1",
        "rules    was bots@1; counts every site",
        "MB more; the active generation uses",
        f"{green} is level with the log",
        f"ranker generations activate {blue} ",
        f"ranker generations drop {blue}",
        "Consumers have taken over",
    ):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert (found["before"]["generation"], found["after"]["generation"]) == (blue, green)
    assert {(one["site"], one["board"], one["window"]) for one in found["lists"]} == {
        (site, board, window)
        for site in ("demo", "le-courrier")
        for board in ("read", "engaged")
        for window in ("short", "long")
    }
    await pair.check()
    assert pair.blue.ranker("generations", "activate", blue).returncode == 0
    again = await asyncio.to_thread(Rebuild(pair.blue).end)
    assert (again.returncode, "active generation already" in again.stdout) == (0, True)
    assert await pair.active() == blue


@pytest.mark.long
async def test_without_a_terminal_nothing_is_activated(pair: Pair) -> None:
    """It shows a table and what to run; run again it goes on where it stood, and compares at once."""
    first = await asyncio.to_thread(Rebuild(pair.green).end)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"`ranker rebuild --config {pair.green.config} --yes`" in first.stdout
    assert "dropped by rules" in first.stdout
    assert "→ duplicate " in first.stdout
    assert await pair.active() == pair.blue.generation.id
    before = [await pair.green.version(partition) for partition in range(PARTITIONS)]
    again = await asyncio.to_thread(Rebuild(pair.green, "--json").end)
    assert again.returncode == 0
    assert " to read  0 records of 2 partitions" in again.stderr
    assert json.loads(again.stdout)["lists"]
    assert [await pair.green.version(partition) for partition in range(PARTITIONS)] == before
    await pair.check()


@pytest.mark.parametrize(
    ("answer", "activated"),
    [
        (b"y\n", True),
        pytest.param(b"no\n", False, marks=pytest.mark.long),
        pytest.param(b"\n", False, marks=pytest.mark.long),
    ],
)
async def test_the_question(pair: Pair, terminal: tuple[int, int], answer: bytes, activated: bool) -> None:
    """While it waits for an answer it counts."""
    keyboard, stdin = terminal
    rebuild = Rebuild(pair.green, stdin=stdin)
    await rebuild.until_said("? [y/N]: ")
    await pair.blue.traffic.send(500)
    await pair.green.until_counted()
    os.write(keyboard, answer)
    if activated:
        await rebuild.until_said("Start consumers of")
        rebuild.interrupt()
    done = await asyncio.to_thread(rebuild.end)
    assert done.returncode == 0, done.stderr
    assert (await pair.active() == pair.green.generation.id) is activated
    assert ("keep its consumers running" in done.stdout) is activated
    assert ("is not activated" in done.stdout) is not activated
    await pair.check()


@pytest.mark.long
async def test_another_one_is_activated_at_the_question(
    pair: Pair, new_ruled: Callable[..., Engine], terminal: tuple[int, int]
) -> None:
    """It stays, since nobody was shown what would change in its lists; the same command again shows that."""
    third = new_ruled(
        config=RULES_TOML.replace("lanes = 8", "lanes = 16"), topic=pair.blue.topic, redis_url=pair.blue.redis_url
    )
    third.consume()
    await third.until_counted()
    keyboard, stdin = terminal
    rebuild = Rebuild(pair.green, stdin=stdin)
    await rebuild.until_said("? [y/N]: ")
    activated = pair.blue.ranker("generations", "activate", third.generation.id)
    assert activated.returncode == 0, activated.stderr
    os.write(keyboard, b"y\n")
    done = await asyncio.to_thread(rebuild.end)
    new, old = pair.green.generation.id, pair.blue.generation.id
    assert (done.returncode, "Traceback" in done.stderr, "--force" in done.stderr) == (1, False, False)
    assert f"{third.generation.id} is active now, but {new} is compared with {old}, which was active" in done.stderr
    assert await pair.active() == third.generation.id
    again = Rebuild(pair.green, "--yes", "--json")
    await again.until_said("Start consumers of")
    again.interrupt()
    done = await asyncio.to_thread(again.end)
    assert json.loads(done.stdout)["before"]["generation"] == third.generation.id
    assert await pair.active() == new
    await pair.check()


@pytest.mark.long
async def test_partitions_are_added_at_the_question(pair: Pair, terminal: tuple[int, int]) -> None:
    """The same generation is active, with one more: that is no reason to refuse."""
    keyboard, stdin = terminal
    rebuild = Rebuild(pair.green, stdin=stdin)
    await rebuild.until_said("? [y/N]: ")
    await pair.blue.add_partitions(PARTITIONS + 1)

    async def raised() -> bool:
        return bool(json.loads(await pair.blue.client.get("ranker:active"))["partitions"] == PARTITIONS + 1)

    await pair.blue.until("a further partition", raised)
    await pair.blue.traffic.send(500)
    os.write(keyboard, b"y\n")
    await rebuild.until_said("Start consumers of")
    assert await pair.active() == pair.green.generation.id
    await pair.green.until("the further partition of the new one", raised)  # its consumer may not have begun it yet
    rebuild.interrupt()
    assert (await asyncio.to_thread(rebuild.end)).returncode == 0


@pytest.mark.long
async def test_ctrl_c_before_the_end(pair: Pair, terminal: tuple[int, int]) -> None:
    """While it begins, and at the question: nothing is activated, no traceback; it prints how to go on."""
    for words, later_s in (("Generation ", 0.0), ("Generation ", random.uniform(0.0, 1.0)), ("? [y/N]: ", 0.0)):
        rebuild = Rebuild(pair.green, stdin=terminal[1])
        await rebuild.until_said(words)
        await asyncio.sleep(later_s)
        rebuild.interrupt()
        done = await asyncio.to_thread(rebuild.end)
        assert done.returncode == 1
        assert "stopped" in done.stderr
        assert "Traceback" not in done.stderr
        assert "Unclosed" not in done.stderr
    assert "nothing was activated" in done.stderr
    assert f"`ranker rebuild --config {pair.green.config}` goes on from there" in done.stderr
    assert await pair.active() == pair.blue.generation.id
    await pair.check()


@pytest.mark.long
async def test_a_redis_too_small_for_two(pair: Pair) -> None:
    """Said before, with the number and the fix, and nothing is begun; by --force it goes on as far as there is room."""
    used = (await pair.blue.client.info("memory"))["used_memory"]
    await pair.blue.client.config_set("maxmemory", used + 60_000)
    refused = await asyncio.to_thread(Rebuild(pair.green, "--yes").end)
    assert refused.returncode == 1
    assert "Redis is too small for two generations by about" in refused.stderr
    assert "CONFIG SET maxmemory" in refused.stderr
    assert await pair.green.applied() == [-1, -1]
    forced = await asyncio.to_thread(Rebuild(pair.green, "--yes", "--force").end)
    assert (forced.returncode, "Redis is out of memory" in forced.stderr) == (1, True), forced.stderr
    assert await pair.active() == pair.blue.generation.id
    await pair.blue.client.config_set("maxmemory", used + 60_000_000)
    assert (await asyncio.to_thread(Rebuild(pair.green).end)).returncode == 0
    await pair.check()


@pytest.mark.long
async def test_two_processes_share_the_partitions(pair: Pair) -> None:
    """Each shows the whole; both end when consumers have taken over."""
    async with pair.blue.traffic.flowing(per_s=200):
        both = [Rebuild(pair.green, "--yes") for _ in range(2)]
        for rebuild in both:
            await rebuild.until_said("Start consumers of")

        async def shared() -> bool:
            return await pair.green.admin(lambda admin: _owners(admin, pair.green)) == [1, 1]

        await pair.green.until("a partition for each", shared)
        await pair.green.until_counted()
        pair.green.consume()
        for rebuild in both:
            done = await asyncio.to_thread(rebuild.end)
            assert done.returncode == 0, done.stderr
    await pair.check()


async def _owners(admin: AIOKafkaAdminClient, engine: Engine) -> list[int]:
    """How many partitions each member of the group has."""
    (response,) = await admin.describe_consumer_groups([f"ranker-{engine.generation.id}"])
    return [member[4].count(b"\x00\x00\x00\x01\x00\x00\x00") for member in response.groups[0][5]]


@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.long
async def test_killed_again_and_again(new_ruled: Callable[..., Engine], terminal: tuple[int, int], kills: int) -> None:
    """At random moments: as it starts, counts, compares, waits for an answer. Not one count more or less."""
    green = new_ruled(session_timeout_ms=1_000)
    await green.create_topic(PARTITIONS)
    await green.traffic.send(4000)
    chance = random.Random(kills)
    async with green.traffic.flowing(per_s=200):
        for _ in range(kills):
            rebuild = Rebuild(green, stdin=terminal[1])
            await asyncio.sleep(chance.uniform(0.7, 4.0))
            assert rebuild.process.poll() is None, rebuild.said
            rebuild.kill()
        last = Rebuild(green, "--yes")
        await last.until_said("Start consumers of")
    await green.until_counted()
    last.interrupt()
    assert (await asyncio.to_thread(last.end)).returncode == 0
    await green.check()
    assert await active_of(green) == green.generation.id


@pytest.mark.long
async def test_a_stopped_partition_ends_it(new_ruled: Callable[..., Engine]) -> None:
    """With the reason, exit code 1."""
    green = new_ruled()
    await green.create_topic(PARTITIONS, message_timestamp_type="CreateTime")
    await green.traffic.send(100)
    done = await asyncio.to_thread(Rebuild(green, "--yes").end)
    assert done.returncode == 1
    assert "accept_create_time" in done.stderr
    assert "Traceback" not in done.stderr
    assert await active_of(green) == ""


@pytest.mark.long
async def test_bad_records_that_an_operator_accepts(new_ruled: Callable[..., Engine]) -> None:
    """With the option that the reason names, the same command goes on."""
    green = new_ruled(config=RULES_TOML.replace("flush_ms", "dead_stretch = 100\nflush_ms"))
    await green.create_topic(PARTITIONS)
    async with green.traffic.producer() as producer:
        await asyncio.gather(*[await producer.send(green.topic, partition=0, value=b"not json") for _ in range(150)])
    await green.traffic.send(200)
    refused = await asyncio.to_thread(Rebuild(green, "--yes").end)
    named = re.search(r"start with (--accept-bad) (0:\d+) ", refused.stderr)
    assert (refused.returncode, named is not None) == (1, True), refused.stderr
    assert named is not None
    done = await asyncio.to_thread(Rebuild(green, *named.groups()).end)
    assert (done.returncode, sum(await green.applied())) == (0, 350), done.stderr
    await green.check()


async def test_without_a_topic(new_ruled: Callable[..., Engine]) -> None:
    """Said at once, with the fix."""
    done = await asyncio.to_thread(Rebuild(new_ruled(), "--yes").end)
    assert (done.returncode, "ranker topics apply" in done.stderr) == (1, True)
