"""Apache Kafka itself, one node that is its own controller: what is claimed of Kafka is tested on this."""

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path

from deploy.local import children
from deploy.local.faults import LocalFault
from deploy.local.kafka_jars import jars, java
from deploy.local.kafka_metadata import brokers_known
from deploy.local.ports import HOST, free_port
from deploy.local.servers import Server

# A group is formed at once, the internal topics are small, and what production does every few minutes (looking for
# segments to delete, waiting before deleting a file) is done twice a second: nobody waits for it in a test.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.segment.delete.delay.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class ApacheKafka(Server):
    """One broker whose log outlives a stop and a start. `bootstrap` is 127.0.0.1:PORT, the same after a restart."""

    start_within_s = 90.0

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str] | None = None,
        heap: str = "512m",
        *,
        port: int | None = None,
        starts_soon: bool = False,
    ) -> None:
        """Take broker `settings` by their names in server.properties, over those of this module.

        One that `starts_soon` takes half the processor time for it (2.6 s instead of 5.3, 2 cores), and more later.
        """
        super().__init__("Apache Kafka broker", directory)
        self.java = java()
        self.jars = jars()
        self.heap = heap
        self.port = port or free_port()
        self.controller_port = free_port()
        self.settings = dict(settings or {})
        self.jvm = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC") if starts_soon else ()
        self.cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def set(self, **settings: str) -> None:
        """Change broker settings, with _ for the dots of their names; they hold from the next start."""
        self.settings |= {name.replace("_", "."): value for name, value in settings.items()}

    def restart(self, **settings: str) -> None:
        """Stop it, change settings as `set` does, and start it on the same log."""
        self.stop()
        self.set(**settings)
        self.start()

    def spawn(self) -> children.Child:
        properties = self.write_properties()
        if not (self.directory / "log" / "meta.properties").exists():
            self.format_storage(properties)
        return children.start(
            self.name, [*self.command("kafka.Kafka"), properties], self.directory / "kafka.log", cwd=self.directory
        )

    def write_properties(self) -> Path:
        places = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "log.dirs": str(self.directory / "log"),
        }
        path = self.directory / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in (SETTINGS | places | self.settings).items()))
        return path

    def format_storage(self, properties: Path) -> None:
        # With =, since one id in 64 begins with a dash.
        argv = [*self.command("kafka.tools.StorageTool"), "format", f"--cluster-id={self.cluster}", "-c", properties]
        argv += self.format_options()
        done = children.run("kafka.tools.StorageTool", argv, self.directory / "format.log")
        if done.returncode() != 0:
            raise LocalFault(f"Apache Kafka could not format its storage:\n{done.tail()}")

    def format_options(self) -> list[str]:
        """What formatting is to do besides, as its command line has it."""
        return []

    def command(self, main: str) -> list[str | Path]:
        """Return how Java runs a class of the broker, with a heap that is bounded."""
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [self.java, *self.jvm, f"-Xmx{self.heap}", "-Xshare:auto", level, "-cp", f"{self.jars}/*", main]

    def answers(self) -> bool:
        return brokers_known(HOST, self.port) > 0
