"""Least privilege: with the rights of its role each program works, and without any one of them it says which."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.local import children
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.ports import free_port, is_listening
from deploy.local.waiting import until_async
from ranker.connect.kafka import KafkaSettings
from ranker.core.best_of import TOPIC
from ranker.core.partial_counts import Rejected
from ranker.log import admin
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.errors import LogRefusedError
from tests.conftest import without
from tests.integration.consume.engine import RANKER
from tests.support.compared import PARTITIONS
from tests.support.dead_letter_topic import UNKNOWN, event
from tests.support.frozen import DAY_MS, FrozenSite, records
from tests.support.http import ask
from tests.support.kafka_rights import SCRIPT, Right, by_token, environ, grant, rights
from tests.support.secured_kafka import SecuredKafka

pytestmark = pytest.mark.slow
PRODUCERS = [sys.executable, "-c", "from producers.commands import main; main(prog_name='producers')"]
LIMIT_S = 10.0
ORIGIN = "https://www.example.org"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def broker(services_directory: Path) -> Iterator[SecuredKafka]:
    try:
        kafka = SecuredKafka(services_directory / "kafka-rights")
    except MissingTool as missing:
        without(missing)
    kafka.start()
    yield kafka
    kafka.stop()


class Desk:
    """A topic of the test's own, and a user with some of a role's rights."""

    def __init__(self, broker: SecuredKafka, redis_url: str, directory: Path, role: str) -> None:
        self.broker, self.redis_url, self.directory = broker, redis_url, directory
        self.site = FrozenSite(broker.bootstrap, redis_url, directory, exact=False) if role == "freezer" else None
        self.topic = self.site.name if self.site else f"views-{os.urandom(4).hex()}"
        self.config = directory / "ranker.toml"
        self.config.write_text(
            f'topic = "{self.topic}"\n[rules]\nunknown_sites = "reject"\n[sites.demo]\n[sites.demo.calendar]\n'
            'zone = "Europe/Paris"\n'
        )
        self.kafka = KafkaSettings()

    async def user(self, granted: list[Right]) -> str:
        user = f"user-{next(_numbers)}"
        await grant(self.broker, user, granted)
        self.kafka = by_token(self.broker, user, self.directory)
        assert self.kafka.token_file is not None
        return await asyncio.to_thread(Path(self.kafka.token_file).read_text)

    async def create(self, *names: str, partitions: int = 1, **config: str) -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        await client.start()
        try:
            settings = {name.replace("_", "."): value for name, value in config.items()}
            there = await client.list_topics()
            wanted = [NewTopic(n, partitions, 1, topic_configs=settings) for n in names if n not in there]
            if wanted:
                await client.create_topics(wanted)
        finally:
            await client.close()

    async def remove(self, name: str) -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=self.broker.bootstrap)
        await client.start()
        try:
            await client.delete_topics([name])

            async def gone() -> bool:
                return name not in await client.list_topics()

            await until_async(f"The end of topic {name}", gone)
        finally:
            await client.close()

    @property
    def environ(self) -> dict[str, str]:
        ours = environ(self.kafka, RANKER_CONFIG=str(self.config), RANKER_REDIS_URL=self.redis_url)
        return {**ours, "RANKER_ENV": "development"}

    async def run(self, *argv: str, stdin: str = "") -> str:
        """Everything that a command prints, within twice LIMIT_S: with its own start, on a machine that may be busy."""
        done = await asyncio.to_thread(
            subprocess.run, argv, env=self.environ, input=stdin, text=True, capture_output=True, timeout=2 * LIMIT_S
        )
        return f"{done.stdout}{done.stderr}exit code {done.returncode}"

    async def started(self, words: list[str], until: Callable[[str], Awaitable[bool]]) -> str:
        """What a process logs until it has ended, or `until` is true of that; within LIMIT_S."""
        log = self.directory / "process.log"
        child = children.start("process", words, log, env=self.environ)

        async def over() -> bool:
            return child.returncode() is not None or await until(log.read_text())

        try:
            with contextlib.suppress(LocalFault):
                await until_async("what the process says", over, LIMIT_S)
            return log.read_text()
        finally:
            child.stop(5.0)

    async def write(self, value: bytes | None, topic: str = "", key: bytes = b"demo//a") -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.broker.bootstrap)
        await producer.start()
        try:
            await producer.send_and_wait(topic or self.topic, value, key=key)
        finally:
            await producer.stop()

    async def holds(self, topic: str) -> bool:
        """Whether a topic has any record."""
        async with admin.connected(KafkaSettings(self.broker.bootstrap)) as log:
            return any(sample.end > sample.begin for sample in (await log.samples(topic, 1)).values())


async def producer(desk: Desk, missing: Right | None) -> str:
    await desk.create(desk.topic)
    line = f'{{"article_id":"/a","occurred_at":{time.time_ns() // 1_000_000}}}\n'
    said = await desk.run(*PRODUCERS, "replay", "-", "--topic", desk.topic, stdin=line)
    assert missing is not None or "1 of 1 lines sent" in said
    return said


async def collector(desk: Desk, missing: Right | None) -> str:
    """It takes a view of a page, and reads the catalogue."""
    await desk.create(desk.topic)
    await desk.create("articles", cleanup_policy="compact")
    desk.config.write_text(f'topic = "{desk.topic}"\n[sites.demo]\norigins = ["{ORIGIN}"]\n')
    port = free_port()

    async def until(log: str) -> bool:
        """One view after the other, as pages send them; those that Kafka does not take are in the spool."""
        if is_listening(port):
            view, headers = '{"article_id":"/a"}', {"Origin": ORIGIN, "Content-Type": "text/plain"}
            assert (await asyncio.to_thread(ask, port, "/v1/events", "POST", view, **headers)).status == 202
        return await desk.holds(desk.topic) if missing is None else "grant " in log

    words = ["collect", "--port", str(port), "--admin-port", "0", "--spool", str(desk.directory / "spool")]
    said = await desk.started([*PRODUCERS, *words], until)
    assert missing is not None or await desk.holds(desk.topic)
    return said


async def importer(desk: Desk, missing: Right | None) -> str:
    await desk.create("articles", cleanup_policy="compact")
    feed = "<rss><channel><item><link>https://www.example.org/a</link><title>A</title></item></channel></rss>"
    argv = [*PRODUCERS, "articles", "import", "-", "--site", "demo"]
    said = await desk.run(*argv, stdin=feed)  # without a date, so that earlier records are looked at
    assert said.endswith("exit code 0" if missing is None else "exit code 1"), said
    return said


async def consumer(desk: Desk, missing: Right | None) -> str:
    """Its topic has a record that is no event, which goes to the dead letters."""
    await desk.create(desk.topic, f"{desk.topic}.dead")
    await desk.create("articles", "best-of", cleanup_policy="compact")
    await desk.write(b"{")

    async def until(log: str) -> bool:
        return await desk.holds(f"{desk.topic}.dead") if missing is None else "grant " in log

    return await desk.started([*RANKER, "consume", "--admin-port", "0"], until)


async def freezer(desk: Desk, missing: Right | None) -> str:
    """Its topic of documents has a record: nothing is read of an empty one."""
    del missing
    assert desk.site is not None
    now_ms = time.time_ns() // 1_000_000
    await desk.site.begin({n: records(n, desk.site.site, now_ms - 10 * DAY_MS, now_ms, 200) for n in range(PARTITIONS)})
    await desk.write(None, TOPIC, b"other/day/2026-11-01/read/1")
    process = desk.site.start(environ=desk.kafka.shown())
    out, errors = await asyncio.to_thread(process.communicate, timeout=2 * LIMIT_S)
    return f"{out}{errors}exit code {process.returncode}"


async def operator(desk: Desk, missing: Right | None) -> str:
    """The command that needs the right; without one missing all of them."""
    applied = [*RANKER, "topics", "apply", "--replicas", "1"]
    dead = f"{desk.topic}.dead"
    if missing is not None and missing.operation == "Create":
        with contextlib.suppress(UnknownTopicOrPartitionError):
            await desk.remove(missing.name)
        return await desk.run(*applied)
    if missing is not None and missing.operation in ("Alter", "AlterConfigs", "Describe"):
        partitions = 1 if missing.operation == "Alter" else 64
        await desk.create(desk.topic, dead, partitions=partitions)
        await desk.remove("articles")
        await desk.create("articles", "best-of", cleanup_policy="delete")
        return await desk.run(*applied)
    said = await desk.run(*applied)
    if missing is None or missing.kind == "--group":
        async with admin.connected(desk.kafka) as log:
            try:
                await log.members("ranker-any")
            except LogRefusedError as error:
                return str(error)
    if missing == Right("Read", "--topic", desk.topic):
        await desk.write(b"{}")
        return await desk.run(*RANKER, "check")
    await letter(desk)
    for words in (("list",), ("resend", "--all")):
        said += await desk.run(*RANKER, "dead", *words)
    return said


async def letter(desk: Desk) -> None:
    """A dead letter, and a record beside it."""
    letters = DeadLetters(KafkaSettings(desk.broker.bootstrap), desk.topic)
    await letters.start()
    try:
        now_ms = time.time_ns() // 1_000_000
        await letters.write(0, [Rejected(0, now_ms, UNKNOWN, b"demo//a", event("/a", now_ms))])
    finally:
        await letters.stop()
    await desk.write(b"{}")


FLOWS = {
    "producer": producer,
    "collector": collector,
    "importer": importer,
    "consumer": consumer,
    "freezer": freezer,
    "operator": operator,
}


def cases() -> Iterator[Any]:
    """Each role with all of its rights, and without each one of them; what the counting needs is not long."""
    for role in FLOWS:
        yield pytest.param(role, -1, id=f"{role}-all", marks=[pytest.mark.long] if role == "operator" else [])
        for number, right in enumerate(rights(role, "views")):
            is_often = role in ("producer", "consumer") and right.name not in ("articles", "best-of")
            marks = [] if is_often or (role, right.operation) == ("collector", "Write") else [pytest.mark.long]
            yield pytest.param(role, number, id=f"{role}-{right}".replace(" ", "-"), marks=marks)


@pytest.mark.parametrize(("role", "number"), list(cases()))
async def test_each_right_is_needed_and_named(
    role: str, number: int, broker: SecuredKafka, redis_url: str, tmp_path: Path
) -> None:
    """With all rights of the role nothing is refused."""
    desk = Desk(broker, redis_url, tmp_path, role)
    wanted = rights(role, desk.topic)
    missing = wanted.pop(number) if number >= 0 else None
    token = await desk.user(wanted)
    said = await FLOWS[role](desk, missing)
    if missing is None:
        assert "grant " not in said
        assert "exit code 1" not in said
    else:
        # Without AlterConfigs, which includes it, DescribeConfigs is missed first.
        described = missing._replace(operation=missing.operation.replace("AlterConfigs", "DescribeConfigs"))
        assert str(missing) in said or str(described) in said
        assert not said.endswith("exit code 0")
    assert "Traceback" not in said
    assert token not in said


@pytest.mark.long
async def test_the_script_gives_and_takes_the_rights(broker: SecuredKafka, tmp_path: Path) -> None:
    """Run with Apache Kafka's own tool."""
    tool = tmp_path / "kafka-acls.sh"
    java = " ".join(f"'{word}'" for word in broker.command("org.apache.kafka.tools.AclCommand"))
    tool.write_text(f'#!/bin/sh\nexec {java} "$@"\n')
    tool.chmod(0o755)
    principal = f"User:CN=a consumer-{os.urandom(2).hex()},O=Example"

    def rights_by_tool(action: str, role: str) -> str:
        ours = os.environ | {"KAFKA_ACLS": str(tool), "ACTION": action}
        script = ["sh", str(SCRIPT), role, principal, "--bootstrap-server", broker.bootstrap]
        done = subprocess.run(script, env=ours, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        listed = [str(tool), "--bootstrap-server", broker.bootstrap, "--list", "--principal", principal]
        found: str = subprocess.run(listed, text=True, capture_output=True, check=True).stdout
        return found

    given = await asyncio.to_thread(rights_by_tool, "--add", "collector")
    assert given.count("operation=WRITE") == given.count("operation=READ") == 1
    assert "operation" not in await asyncio.to_thread(rights_by_tool, "--remove", "collector")


@pytest.mark.parametrize("words", [[], ["consumer"], ["reader", "User:a"]])
def test_the_script_says_how_it_is_used(words: list[str]) -> None:
    done = subprocess.run(["sh", str(SCRIPT), *words], text=True, capture_output=True)
    assert done.returncode == 2
    for role in FLOWS:
        assert role in done.stderr
