"""A Redis Cluster of three primaries, with or without replicas, for the store's tests."""

import contextlib
from pathlib import Path

import redis

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer, Tls

SLOTS = 16_384
NODES = 3


class RedisCluster:
    """Three nodes that share the slots evenly, and as many replicas if `replicated`: node 3 of node 0, and so on.

    `url` is redis+cluster:// (rediss+cluster:// with `tls`) with the address of the first.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path | None = None,
        *,
        tls: Tls | None = None,
        replicated: bool = False,
        extra: tuple[str, ...] = (),
    ) -> None:
        self.nodes = []
        for number in range(2 * NODES if replicated else NODES):
            settings = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), *extra)
            self.nodes.append(RedisServer(directory / f"node-{number}", binary, settings, tls=tls))

    @property
    def url(self) -> str:
        return self.nodes[0].url.replace("://", "+cluster://", 1)

    def start(self) -> None:
        """Start the nodes, introduce them to each other, give out the slots and wait until all agree."""
        for node in self.nodes:
            node.start()
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            begin, end = (SLOTS * share // NODES for share in (number, number + 1))
            with node.client() as client:
                if number < NODES:
                    client.execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                bus = int(node.extra[node.extra.index("--cluster-port") + 1])
                with first.client() as client:
                    client.execute_command("CLUSTER", "MEET", HOST, node.port, bus)
        waiting.until("The agreement of the Redis Cluster", self.agrees, 30.0)
        for replica, primary in zip(self.nodes[NODES:], self.nodes, strict=False):
            with primary.client() as client:
                own = client.execute_command("CLUSTER", "MYID")
            waiting.until("The replica's knowledge of its primary", lambda: self._replicates(replica, own), 30.0)  # noqa: B023
        waiting.until("The copies of the Redis Cluster", self.copied, 30.0)

    @staticmethod
    def _replicates(replica: RedisServer, primary: bytes) -> bool:
        with contextlib.suppress(redis.ResponseError), replica.client() as client:
            client.execute_command("CLUSTER", "REPLICATE", primary)
            return True
        return False

    def copied(self) -> bool:
        """Say whether each replica has a link to its primary, and every node knows of all copies."""
        for replica in self.nodes[NODES:]:
            with contextlib.suppress(redis.RedisError), replica.client() as client:
                if client.info("replication")["master_link_status"] == "up":
                    continue
            return False
        return all(self._known(node) == len(self.nodes) - NODES for node in self.nodes)

    @staticmethod
    def _known(node: RedisServer) -> int:
        """How many copies of slots this node knows of."""
        with node.client() as client:
            return sum(len(part) - 3 for part in client.execute_command("CLUSTER", "SLOTS"))

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
