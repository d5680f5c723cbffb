"""Secrets and certificates are renewed while consumer, collector and library run: no restart, nothing lost or twice.

token     ├── 3 s ──┤            the broker ends a connection 2 s after its login, in the middle of requests
              ├── 3 s ──┤
broker    ├── CA, passwords ──┤ restart ├── another CA, other passwords ──────────┤
files     ├── CA, certificates, password ────────┤ ├── those of the broker ───────┤
programs  ├── count ──────────────────┤ say why not ├── count ────────────────────┤
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.faults import MissingTool
from producers import Producer
from ranker.connect.kafka import KafkaSettings
from tests.conftest import without
from tests.integration.connect.senders import Senders
from tests.integration.consume.engine import Engine
from tests.support.certificates import Authority
from tests.support.collector_process import collector
from tests.support.kafka_at import SECURED
from tests.support.secured_kafka import PASSWORD, PLAIN, SecuredKafka, token

USER = "engine"
NEW_PASSWORD = "un autre mot de passe"
SESSION_MS, LIFE_S, EVERY_S = 2_000, 3.0, 1.0
TOKENS = 9
"""So many are written one after the other: four sessions of each connection."""
SOON_S = 20.0


@pytest.fixture(scope="module")
def broker(services_directory: Path) -> Iterator[SecuredKafka]:
    settings = {
        "super.users": f"User:ANONYMOUS;User:{USER};User:CN={USER},OU=certificates,O=tests",
        "listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms": str(SESSION_MS),
    }
    try:
        made = SecuredKafka(services_directory / "kafka-renewed", (USER,), settings)
    except MissingTool as missing:
        without(missing)
    made.start()
    yield made
    made.stop()


@pytest_asyncio.fixture
async def engine(broker: SecuredKafka, redis_url: str, tmp_path: Path) -> AsyncIterator[Engine]:
    made = Engine(broker.bootstrap, redis_url, tmp_path)
    await made.create_topic(2)
    yield made
    await made.close()
    SECURED.pop(broker.bootstrap, None)


def write(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    part.write_text(text)
    part.replace(file)


async def test_tokens_that_end(broker: SecuredKafka, engine: Engine, tmp_path: Path) -> None:
    """The broker ends each connection when its login is over; the next one has the next token."""
    file = tmp_path / "token"
    written = 0

    async def renew() -> None:
        nonlocal written
        while True:
            write(file, token(USER, LIFE_S))
            written += 1
            await asyncio.sleep(EVERY_S)

    renewing = asyncio.create_task(renew())
    await asyncio.sleep(0)
    SECURED[broker.bootstrap] = settings = KafkaSettings(
        broker.at("SASL_SSL"), "SASL_SSL", "OAUTHBEARER", token_file=str(file), ca_file=str(broker.authority.ca)
    )
    consumer = engine.consume()
    try:
        await engine.until("readiness", consumer.ready)
        with collector(broker.bootstrap, engine.topic, tmp_path / "collector") as running:
            async with Producer(settings, engine.topic, name="library") as producer:
                senders = Senders(running, producer)
                before = written
                async with senders.sending():
                    await engine.until("the tokens", lambda: _reached(lambda: written >= before + TOKENS))
            await senders.check(engine)
            assert "Traceback" not in running.log.read_text()
    finally:
        renewing.cancel()
    assert len(senders.sent) > 100


@pytest.mark.long
async def test_a_new_ca_new_certificates_and_a_new_password(
    broker: SecuredKafka, engine: Engine, tmp_path: Path
) -> None:
    """After a restart of the broker each program says what is wrong, until its files are those of the broker.

    The consumer and the library log in with a password, the collector has a certificate.
    """
    password, ca = tmp_path / "password", tmp_path / "ca.pem"
    cert, key = tmp_path / "own.pem", tmp_path / "own.key"
    write(password, PASSWORD)

    def install(authority: Authority) -> None:
        made = authority.client(USER)
        for file, source in ((ca, authority.ca), (cert, made.cert), (key, made.key)):
            write(file, source.read_text())

    install(broker.authority)
    by_password = KafkaSettings(broker.at("SASL_SSL"), "SASL_SSL", "PLAIN", USER, str(password), ca_file=str(ca))
    SECURED[broker.bootstrap] = by_password
    consumer = engine.consume()
    await engine.until("readiness", consumer.ready)
    SECURED[broker.bootstrap] = KafkaSettings(
        broker.at("SSL"), "SSL", ca_file=str(ca), cert_file=str(cert), key_file=str(key)
    )
    with collector(broker.bootstrap, engine.topic, tmp_path / "collector") as running:
        async with Producer(by_password, engine.topic, name="library", delivery_s=120.0) as producer:
            senders = Senders(running, producer)
            async with senders.sending():
                await engine.until("traffic", lambda: _reached(lambda: len(senders.sent) > 100))
                other = await asyncio.to_thread(restart, broker)
                unknown = "is from an unknown CA; set RANKER_KAFKA_CA_FILE to the file with that CA's own"
                await engine.until("the consumer's sentence", lambda: consumer.says(unknown), SOON_S)
                await engine.until("the collector's", lambda: _reached(lambda: unknown in running.log.read_text()))
                install(other)
                refused = f"refuses user '{USER}' or the password; correct RANKER_KAFKA_USERNAME, or what"
                await engine.until("the consumer's sentence", lambda: consumer.says(refused), SOON_S)
                assert any(unknown in line["event"] for line in consumer.log())
                assert any(refused in line["event"] for line in consumer.log())
                write(password, NEW_PASSWORD)
                await engine.until("readiness", consumer.ready, SOON_S)
                took = "Kafka takes events again; the spool is empty"
                await engine.until("the collector", lambda: _reached(lambda: took in running.log.read_text()))
        await senders.check(engine, int(running.metric("resent_events_total")))
        text = running.log.read_text() + consumer.child.log.read_text()
    assert "Traceback" not in text
    assert PASSWORD not in text
    assert NEW_PASSWORD not in text


def restart(broker: SecuredKafka) -> Authority:
    """Restart it with certificates of another CA, which it returns, and another password for USER."""
    other = Authority(broker.directory / "other")
    broker.stop()
    broker.settings |= {
        "ssl.keystore.location": str(other.server().both),
        "ssl.truststore.location": str(other.ca),
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{PLAIN} user_{USER}="{NEW_PASSWORD}";',
    }
    broker.start()
    return other


async def _reached(condition: Callable[[], bool]) -> bool:
    return condition()
