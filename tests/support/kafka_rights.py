"""The rights of each role as deploy/kafka-acls.sh has them, and users that have all of them, or all but one."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from ranker.connect.kafka import KafkaSettings
from tests.support.secured_kafka import SecuredKafka, token

SCRIPT = Path(__file__).parents[2] / "deploy" / "kafka-acls.sh"
_KINDS = {"--topic": (2, "topic"), "--group": (3, "group"), "--transactional-id": (5, "transactional id")}
_OPERATIONS = (
    "Read",
    "Write",
    "Create",
    "Delete",
    "Alter",
    "Describe",
    "ClusterAction",
    "DescribeConfigs",
    "AlterConfigs",
)
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


class Right(NamedTuple):
    """One right; as text the words with which a program names it if it is missing."""

    operation: str
    kind: str
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        return f"grant {self.operation} on {_KINDS[self.kind][1]} {self.name}"


def commands(role: str, topic: str, *options: str) -> list[list[str]]:
    """What the script runs for a role on `topic`, word by word."""
    printing = os.environ | {"KAFKA_ACLS": "echo", "RANKER_TOPIC": topic}
    done = subprocess.run(["sh", SCRIPT, role, "User:USER", *options], env=printing, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def rights(role: str, topic: str) -> list[Right]:
    found = []
    for words in commands(role, topic):
        pairs = list(zip(words, [*words[1:], ""], strict=True))
        operations = [value for name, value in pairs if name == "--operation"]
        prefixed = ("--resource-pattern-type", "prefixed") in pairs
        found += [
            Right(operation, kind, name, prefixed) for kind, name in pairs if kind in _KINDS for operation in operations
        ]
    return found


async def grant(broker: SecuredKafka, user: str, granted: Iterable[Right]) -> None:
    """As kafka-acls.sh does it, which takes 2 s for each command."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        for right in granted:
            pattern = _PREFIXED if right.prefixed else _LITERAL
            operation = _OPERATIONS.index(right.operation) + 3
            request = CreateAclsRequest(
                _KINDS[right.kind][0], right.name, pattern, f"User:{user}", "*", operation, _ALLOW
            )
            reply = await admin._client.send(admin._client.get_random_node(), request)
            assert all(code == 0 for code, _ in reply.creation_responses), reply
    finally:
        await admin.close()


def by_token(broker: SecuredKafka, user: str, directory: Path) -> KafkaSettings:
    """Settings of any user; the token lives for ten minutes."""
    file = directory / f"{user}.token"
    file.write_text(token(user, 600.0))
    return KafkaSettings(broker.at("SASL_PLAINTEXT"), "SASL_PLAINTEXT", "OAUTHBEARER", token_file=str(file))


def environ(kafka: KafkaSettings, **more: str) -> Mapping[str, str]:
    """For a command that is run with these settings."""
    return os.environ | kafka.shown() | {"PYTHONPATH": str(SCRIPT.parents[1])} | more
