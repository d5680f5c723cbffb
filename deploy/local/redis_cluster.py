"""A Redis Cluster of three primaries, for the store's tests."""

import contextlib
from pathlib import Path

import redis

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer

SLOTS = 16_384
NODES = 3


class RedisCluster:
    """Three nodes that share the slots evenly, without replicas. `url` is redis+cluster://127.0.0.1:PORT/0."""

    def __init__(self, directory: Path, binary: Path | None = None) -> None:
        self.nodes = []
        for number in range(NODES):
            settings = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            self.nodes.append(RedisServer(directory / f"node-{number}", binary, settings))

    @property
    def url(self) -> str:
        return f"redis+cluster://{HOST}:{self.nodes[0].port}/0"

    def start(self) -> None:
        """Start the nodes, introduce them to each other, give out the slots and wait until all agree."""
        for node in self.nodes:
            node.start()
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            begin, end = (SLOTS * share // NODES for share in (number, number + 1))
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                bus = int(node.extra[node.extra.index("--cluster-port") + 1])
                with first.client() as client:
                    client.execute_command("CLUSTER", "MEET", HOST, node.port, bus)
        waiting.until("The agreement of the Redis Cluster", self.agrees, 30.0)

    def agrees(self) -> bool:
        """Say whether every node sees every slot served by every node."""
        with contextlib.suppress(redis.RedisError):
            for node in self.nodes:
                with node.client() as client:
                    # As words of their own the client leaves the replies as the server sent them.
                    if b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                        return False
                    if len(client.execute_command("CLUSTER", "SLOTS")) != NODES:
                        return False
            return True
        return False

    def flush(self) -> None:
        for node in self.nodes:
            node.flush()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
