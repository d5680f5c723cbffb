"""Two Redis of which one is the primary, behind one address: as behind a name or a balancer that a switch turns over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer


class RedisPair:
    """`url` leads to `primary`. Connections that stand stay with the server they were made to, as after a real switch."""

    def __init__(self, primary: RedisServer, replica: RedisServer, port: int) -> None:
        self.primary, self.replica = primary, replica
        self.url = f"redis://{HOST}:{port}/0"
        self._serving: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Makes the replica a copy of the primary; returns when it holds all that was written until now."""
        with self.replica.client() as replica, self.primary.client() as primary:
            replica.replicaof(HOST, str(self.primary.port))

            async def linked() -> bool:
                return bool(replica.info("replication")["master_link_status"] == "up")

            await waiting.until_async("The link to the primary", linked)

            async def level() -> bool:
                at = primary.info("replication")["master_repl_offset"]
                return bool(replica.info("replication")["slave_repl_offset"] >= at)

            await waiting.until_async("The replica's copy", level)

    def switch(self, *, serve_stale: bool = True) -> None:
        """The replica becomes the primary. The old one stays up as a replica of nobody: what it holds stands still."""
        old, new = self.primary, self.replica
        with new.client() as client:
            client.replicaof("NO", "ONE")
        with old.client() as client:
            client.config_set("replica-serve-stale-data", "yes" if serve_stale else "no")
            client.replicaof(HOST, str(free_port()))
        self.primary, self.replica = new, old

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from and to the server that is the primary when it is made."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            to_reader, to_writer = await asyncio.open_connection(HOST, self.primary.port)
            await asyncio.gather(_carry(reader, to_writer), _carry(to_reader, writer))

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self.primary.kill()
        self.replica.kill()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def redis_pair(directory: Path) -> AsyncIterator[RedisPair]:
    """A pair whose address is served by the test's own loop while the block runs."""
    quick = ("--repl-diskless-sync-delay", "0")  # else it waits 5 s for further replicas
    servers = [RedisServer(directory / name, extra=quick) for name in ("one", "two")]
    for server in servers:
        server.start()
    pair = RedisPair(servers[0], servers[1], free_port())
    listener = await asyncio.start_server(pair.serve, HOST, int(pair.url.rpartition(":")[2].removesuffix("/0")))
    try:
        await pair.follow()
        yield pair
    finally:
        listener.close()
        await pair.close()
