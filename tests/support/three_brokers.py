"""Three nodes of Apache Kafka, each broker and controller, of which any one may die; clients log in by SASL_SSL.

Topics are copied to all three, and what is acknowledged is on two at least (min.insync.replicas).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import CoordinationType

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_metadata import brokers_known
from deploy.local.ports import HOST
from ranker.connect.kafka import KafkaSettings
from tests.support.secured_kafka import PASSWORD, SecuredKafka

NODES = (1, 2, 3)
USER = "engine"
SETTINGS = {
    "super.users": f"User:ANONYMOUS;User:{USER}",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
"""A broker that is gone is known to be after 3 s."""


class ThreeBrokers:
    """`bootstrap` are the open addresses of all three, for arrangements; `settings` those of programs under test."""

    def __init__(self, directory: Path) -> None:
        self.brokers = {node: SecuredKafka(directory / str(node), (USER,), SETTINGS) for node in NODES}
        voters = ",".join(f"{node}@{HOST}:{broker.controller_port}" for node, broker in self.brokers.items())
        for node, broker in self.brokers.items():
            broker.cluster = self.brokers[1].cluster
            broker.settings |= {"node.id": str(node), "controller.quorum.voters": voters}
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers.values())
        ca, password = directory / "ca.pem", directory / "password"
        ca.write_bytes(b"".join(broker.authority.ca.read_bytes() for broker in self.brokers.values()))
        password.write_text(PASSWORD)
        self.settings = KafkaSettings(
            ",".join(broker.at("SASL_SSL") for broker in self.brokers.values()),
            "SASL_SSL",
            "SCRAM-SHA-512",
            USER,
            str(password),
            ca_file=str(ca),
        )

    def start(self) -> None:
        """All at once, and those that were killed."""
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(ApacheKafka.start, self.brokers.values()):
                pass
        for broker in self.brokers.values():
            waiting.until("Three brokers", lambda port=broker.port: brokers_known(HOST, port) == len(NODES), 60.0)  # type: ignore[misc]

    def stop(self) -> None:
        """As a crash would: each would wait for a controller."""
        for broker in self.brokers.values():
            if broker.running:
                broker.kill()

    async def create(self, partitions: Mapping[str, int], **config: str) -> None:
        """Topics with so many partitions, `config` with _ for dots; waits until all three have them."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            named = {setting.replace("_", "."): value for setting, value in config.items()}
            await admin.create_topics(
                [NewTopic(name, count, 3, topic_configs=named) for name, count in partitions.items()]
            )
        finally:
            await admin.close()
        await self.copied(*partitions)

    async def topics(self) -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return list(await admin.list_topics())
        finally:
            await admin.close()

    async def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            [described] = await admin.describe_topics([topic])
            return int(next(one["leader"] for one in described["partitions"] if one["partition"] == partition))
        finally:
            await admin.close()

    async def coordinator(self, transactional_id: str) -> int:
        """The node that coordinates the transactions of this id now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return int(await admin._client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id))
        finally:
            await admin.close()

    async def copied(self, *names: str) -> None:
        """Waits until all three have all of these topics again."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:

            async def in_sync() -> bool:
                described = await admin.describe_topics(list(names))
                partitions = [one for topic in described for one in topic["partitions"]]
                return len(partitions) >= len(names) and all(len(one["isr"]) == len(NODES) for one in partitions)

            await waiting.until_async("The copies", in_sync, 60.0)
        finally:
            await admin.close()

    async def killed(self, node: int) -> None:
        """Ends a node as a crash would."""
        await asyncio.to_thread(self.brokers[node].kill)
