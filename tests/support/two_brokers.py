"""Two nodes of Apache Kafka: the first leads, serves clients and is the controller; the second follows.

If the second is suspended, nothing puts it out of the in-sync replicas: what the first appends stays uncommitted. The
second has no listener for clients, so none of them is led to it and waits there.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_metadata import brokers_known
from deploy.local.ports import HOST, free_port

FIRST, SECOND = 1, 2
PATIENT = {
    "replica.lag.time.max.ms": "600000",
    "broker.session.timeout.ms": "600000",
    "offsets.topic.num.partitions": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BETWEEN:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "BETWEEN",
}


class TwoBrokers:
    """`bootstrap` is the first's address."""

    def __init__(self, directory: Path) -> None:
        self.first = ApacheKafka(directory / "first", starts_soon=True)
        clients, between = f"PLAINTEXT://{self.first.bootstrap}", f"BETWEEN://{HOST}:{free_port()}"
        self.first.settings = PATIENT | {
            "listeners": f"{clients},{between},CONTROLLER://{HOST}:{self.first.controller_port}",
            "advertised.listeners": f"{clients},{between}",
        }
        self.second = ApacheKafka(directory / "second", starts_soon=True)
        self.second.cluster = self.first.cluster
        self.second.settings = PATIENT | {
            "node.id": str(SECOND),
            "process.roles": "broker",
            "controller.quorum.voters": f"{FIRST}@{HOST}:{self.first.controller_port}",
            "listeners": f"BETWEEN://{self.second.bootstrap}",
            "advertised.listeners": f"BETWEEN://{self.second.bootstrap}",
        }

    @property
    def bootstrap(self) -> str:
        return self.first.bootstrap

    def start(self) -> None:
        """Both at once."""
        with ThreadPoolExecutor() as pool:
            for _ in pool.map(ApacheKafka.start, (self.first, self.second)):
                pass
        waiting.until("Two brokers", lambda: brokers_known(HOST, self.second.port) == 2, 30.0)

    def stop(self) -> None:
        """The second first: without a controller it would wait."""
        for broker in (self.second, self.first):
            if broker.running:
                broker.resume()
            broker.stop()

    async def create(self, name: str, *replicas: Iterable[int], **config: str) -> None:
        """A topic with a partition for each of `replicas`, led by the first of these; `config` with _ for dots."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:

            async def led() -> bool:
                await admin._client.force_metadata_update()
                return admin._client.cluster.controller is not None

            # Kafka names any broker as the controller, also the second, whom clients cannot reach.
            await waiting.until_async("The first named as controller", led)
            named = {setting.replace("_", "."): value for setting, value in config.items()}
            topic = NewTopic(
                name, -1, -1, replica_assignments=dict(enumerate(map(list, replicas))), topic_configs=named
            )
            while admin._client.cluster.controller is None:  # any live broker is named, so maybe the second
                await admin._client.force_metadata_update()
            answer = await admin.create_topics([topic])
            assert [error for _, error, *_ in answer.topic_errors] == [0], answer
        finally:
            await admin.close()
