"""Whole suites against a secured Apache Kafka: `RANKER_TEST_KAFKA=sasl_ssl` or `mtls` (make test-secured).

The programs under test are one user, with the rights that deploy/kafka-acls.sh gives to all roles together, on any topic.
What tests arrange goes by the open listener.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from ranker.connect.kafka import KafkaSettings
from tests.support import kafka_rights
from tests.support.kafka_at import SECURED
from tests.support.kafka_rights import Right
from tests.support.secured_kafka import PASSWORD, SecuredKafka

USER = "engine"
KINDS = ("", "sasl_ssl", "mtls")
ROLES = ("producer", "collector", "importer", "consumer", "freezer", "operator")


def kind() -> str:
    """What this run is for: one of KINDS, "" for open brokers."""
    found = os.environ.get("RANKER_TEST_KAFKA", "")
    assert found in KINDS, f"RANKER_TEST_KAFKA={found} is none of {KINDS}"
    return found


EMBEDDED_ALONE = pytest.mark.skipif(
    bool(os.environ.get("RANKER_TEST_KAFKA")), reason="about the embedded broker, which has neither TLS nor users"
)


def new_apache(directory: Path) -> ApacheKafka:
    """A broker that is not started yet, of the kind that this run is for."""
    return _SecuredRun(directory, kind()) if kind() else ApacheKafka(directory, starts_soon=True)


class _SecuredRun(SecuredKafka):
    """While it runs, programs under test reach it by what kafka_at has for its open address."""

    def __init__(self, directory: Path, found: str) -> None:
        super().__init__(directory, (USER,))
        ca = str(self.authority.ca)
        if found == "mtls":
            own = self.authority.client(USER)
            self._principal = f"CN={USER},OU=certificates,O=tests"
            settings = KafkaSettings(self.at("SSL"), "SSL", ca_file=ca, cert_file=str(own.cert), key_file=str(own.key))
        else:
            password = directory / "password"
            password.write_text(PASSWORD)
            self._principal = USER
            settings = KafkaSettings(self.at("SASL_SSL"), "SASL_SSL", "SCRAM-SHA-512", USER, str(password), ca_file=ca)
        self._granted = False
        SECURED[self.bootstrap] = settings

    def start(self) -> None:
        super().start()
        if not self._granted:  # its log, and with it the rights, outlives a restart
            grant = kafka_rights.grant(self, self._principal, _rights())
            with ThreadPoolExecutor(1) as pool:  # the caller may have a loop that runs
                pool.submit(asyncio.run, grant).result()
            self._granted = True


def _rights() -> set[Right]:
    """Those of all roles; for the names of the tests' topics, any."""
    found = {right for role in ROLES for right in kafka_rights.rights(role, "views")}
    anywhere = {"--topic": "*", "--group": "ranker-", "--transactional-id": "ranker-"}
    return {right._replace(name=anywhere[right.kind], prefixed=right.kind != "--topic") for right in found}
