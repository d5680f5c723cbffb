"""Whoever is not let in is told why, in one sentence with the fix, within 10 s, and without a secret."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from aiokafka.conn import create_conn

from deploy.local import waiting
from deploy.local.ports import free_port
from producers import Producer, ProducerError
from ranker import settings
from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from ranker.log import admin
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.store import generations
from tests.support.collector_process import collector, new_topic, records
from tests.support.kafka_at import SECURED
from tests.support.refusing_kafka import WRONG, Refused, RefusingKafka
from tests.support.secured_kafka import PASSWORD

SOON_S = 10.0
ROOT = Path(__file__).parents[3]
TOML = """
[sites.demo.calendar]
zone = "Europe/Paris"
"""
COMMANDS = (
    ("ranker", "check"),
    ("ranker", "consume", "--admin-port", "0"),
    ("ranker", "topics", "apply"),
    ("ranker", "freeze"),
    ("ranker", "verify"),
    ("producers", "replay", "LOG", "--site", "demo"),
    ("producers", "articles", "import", "ARTICLES", "--site", "demo"),
)


async def activate(redis_url: str, config: str) -> None:
    """Makes the generation of this file the active one, as `ranker consume` does when it is let in."""
    client = connect(RedisSettings(redis_url))
    try:
        await generations.ensure_first(client, settings.load(config, {}).generation, 1, None)
    finally:
        await client.aclose()


def check_text(text: str, refusing: RefusingKafka) -> None:
    """No secret, no traceback."""
    for secret in (PASSWORD, WRONG, Path(refusing.token).read_text(), Path(refusing.old_token).read_text()):
        assert secret not in text
    assert "Traceback" not in text


async def test_those_who_are_right_are_let_in(refusing: RefusingKafka) -> None:
    """By each mechanism, by a token, by a certificate: what is refused below is refused for its fault alone."""
    for right in (
        *(
            refusing.login(protocol, mechanism)
            for protocol in ("SASL_SSL", "SASL_PLAINTEXT")
            for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
        ),
        replace(refusing.login("SASL_PLAINTEXT"), bootstrap=refusing.at("SCRAM_ONLY")),
        refusing.by_token(),
        refusing.by_certificate(),
    ):
        assert list(right.faults()) == []
        async with admin.connected(right):
            pass


def test_a_connection_ends_although_the_broker_is_silent(refusing: RefusingKafka) -> None:
    """In the loop of the programs: the end of TLS would wait for 30 s, and a consumer that is to stop with it."""

    async def close() -> None:
        arguments = refusing.login().arguments()
        host, _, port = arguments.pop("bootstrap_servers").partition(":")
        connection = await create_conn(host, int(port), **arguments)
        refusing.suspend()
        async with asyncio.timeout(SOON_S):
            await connection.close()

    try:
        uvloop.run(close())
    finally:
        refusing.resume()


async def test_each_fault_has_its_sentence(refusing: RefusingKafka) -> None:
    """To the ranker's clients and to the producers'."""

    async def of_ranker(case: Refused) -> str:
        with pytest.raises((LogRefusedError, LogUnavailableError)) as caught:
            async with admin.connected(case.settings):
                pass
        return str(caught.value)

    async def of_producers(case: Refused) -> str:
        with pytest.raises(ProducerError) as caught:
            async with Producer(case.settings):
                pass
        return str(caught.value)

    cases = list(refusing.refused())
    assert len(cases) > 25
    began = time.monotonic()
    for told in (of_ranker, of_producers):
        for case, text in zip(cases, await asyncio.gather(*map(told, cases)), strict=True):
            assert case.said in text, (case.name, text)
            check_text(text, refusing)
    assert time.monotonic() - began < SOON_S


async def test_a_broker_that_names_another_address(refusing: RefusingKafka) -> None:
    """Where brokers are behind a balancer or in a container, the first connection succeeds and no other one does."""
    misleading = KafkaSettings(refusing.at("MISLEADING"))
    said = r"not the broker that it names by advertised\.listeners: no connection to 127\.0\.0\.1:\d+"
    with pytest.raises(ProducerError, match=said):
        async with Producer(misleading):
            pass
    with pytest.raises(LogUnavailableError, match=said):
        async with admin.connected(misleading) as log:
            await log.topics(["page-views"])


async def test_a_port_that_is_not_kafkas(refusing: RefusingKafka) -> None:
    """A web server, and one that says nothing: the sentence does not wait for the client's 40 s."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with await asyncio.start_server(web, "127.0.0.1", port := free_port()):
            for place in (f"127.0.0.1:{port}", f"127.0.0.1:{silent.getsockname()[1]}"):
                began = time.monotonic()

                async def refused(ours: KafkaSettings, place: str = place) -> None:
                    with pytest.raises((LogRefusedError, LogUnavailableError), match=f"{place} "):
                        async with admin.connected(replace(ours, bootstrap=place)):
                            pass

                await asyncio.gather(
                    *map(refused, (KafkaSettings(), refusing.login("SASL_PLAINTEXT"), refusing.login()))
                )
                assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("faults", [1, pytest.param(2, marks=pytest.mark.long)])
def test_each_command_says_the_sentence(refusing: RefusingKafka, redis_url: str, tmp_path: Path, faults: int) -> None:
    """As a process, each with so many of the faults: exit code 1, within 10 s. `ranker check` lists it as a fault."""
    config = tmp_path / "ranker.toml"
    config.write_text(TOML)
    asyncio.run(activate(redis_url, str(config)))
    log, articles = tmp_path / "access.log", tmp_path / "articles.jsonl"
    log.write_text('1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "x"\n')
    articles.write_text('{"article_id":"/a","status":"removed"}\n')
    files = {"LOG": str(log), "ARTICLES": str(articles)}
    usual = [case for case in refusing.refused() if " on " not in case.name]
    rotated = iter(usual * 2)

    def ran(words: tuple[str, ...], case: Refused) -> tuple[int, str, float]:
        program, *arguments = (files.get(word, word) for word in words)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", f"from {program}.commands import main; main(prog_name='{program}')", *arguments],
            env={
                **os.environ,
                **case.settings.shown(),
                "PYTHONPATH": str(ROOT),
                "RANKER_REDIS_URL": redis_url,
                "RANKER_CONFIG": str(config),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr, time.monotonic() - began

    tried = [(words, next(rotated)) for words in COMMANDS for _ in range(faults)]
    with ThreadPoolExecutor(3) as pool:
        for (words, case), (code, text, took_s) in zip(tried, pool.map(lambda one: ran(*one), tried), strict=True):
            assert code == 1, (words, case.name, text)
            if words == ("ranker", "check"):
                assert "fault" in text.lower()
                said, _, fix = case.said.partition("; ")
            else:
                said, fix = case.said, ""
            flat = " ".join(text.replace("│", " ").split())
            assert said in flat, (words, case.name, text)
            assert fix in flat, (words, case.name, text)
            check_text(text, refusing)
            assert took_s < 2 * SOON_S, (words, case.name, took_s)  # with its own start, on a machine that may be busy


def write(file: Path, text: str) -> None:
    file.write_text(text)


@pytest.fixture
async def refused_password(refusing: RefusingKafka, tmp_path: Path) -> AsyncIterator[Path]:
    """The programs under test log in with what this file holds: not the password at first."""
    file = tmp_path / "password"
    write(file, WRONG)
    SECURED[refusing.bootstrap] = replace(refusing.login(), password_file=str(file))
    yield file
    del SECURED[refusing.bootstrap]


async def test_the_collector_says_it_and_loses_nothing(
    refusing: RefusingKafka, refused_password: Path, tmp_path: Path
) -> None:
    """It starts, keeps what it accepts, and sends it when it is let in: as soon as the file has the password."""
    topic = await new_topic(refusing.bootstrap, "refused")
    with collector(refusing.bootstrap, topic, tmp_path / "collector") as running:
        waiting.until("The sentence in the log", lambda: "refuses user 'engine'" in running.log.read_text(), SOON_S)
        check_text(running.log.read_text(), refusing)
        for number in range(20):
            event = {"event_type": "view", "site_id": "demo", "article_id": f"/a{number}"}
            assert running.page([event]).status == 202
        write(refused_password, PASSWORD)
        found = await records(refusing.bootstrap, topic, 20)
        assert len({record.key for record in found}) == 20
        check_text(running.log.read_text(), refusing)
