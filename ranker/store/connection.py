"""Connects to the Redis that holds the counts: one server, TLS, or a cluster, by its URL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ranker.service import endpoints
from schemas.configuration import SettingsError

Client: TypeAlias = "Redis | RedisCluster"

UNREACHABLE: tuple[type[Exception], ...] = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.RedisClusterException,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)
"""Errors that may pass: retry the same command, and report meanwhile that Redis is not available."""

CONNECT_S = 2.0
ANSWER_S = 5.0
"""Longer than any script (30 ms) or whole list takes; after it a suspended server counts as unavailable."""
ROLE_EVERY_S = 2.0
"""How often a connection in use checks that its server is still the primary."""
CONNECTIONS = 16
"""Per client and server; a further command waits for one of them, up to ANSWER_S."""


def connect(url: str, *, connections: int = CONNECTIONS, answer_s: float = ANSWER_S) -> Client:
    """A client for `redis://`, `rediss://` (TLS) or `redis+cluster://` (any node; also `rediss+cluster://`).

    It connects at its first command. Replies are bytes; raw commands return scores as Redis' text. A connection that
    the server closed while idle, or whose server has become a replica, is opened again, once, and its address resolved
    anew; nothing else is retried here, least of all a command that timed out. For an address that it cannot parse,
    raises SettingsError, a ValueError, with the fix and without the password.
    """
    fault = endpoints.redis_fault(url)
    try:
        if not fault:
            return _client(url, connections, answer_s)
    except (TypeError, ValueError):  # their texts repeat the unknown option, and with it secrets
        fault = f"{endpoints.shown(url)!r} has options behind its ? that Redis' client does not know; leave them out"
    raise SettingsError([f"RANKER_REDIS_URL: {fault}"])


def _client(url: str, connections: int, answer_s: float) -> Client:
    parts = urlsplit(url)
    options = {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": answer_s,
        "retry": Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
        # Version 2 of the protocol: the same replies from every server and version that is supported.
        "protocol": 2,
    }
    if "cluster" in parts.scheme:
        address = parts._replace(scheme=parts.scheme.removesuffix("+cluster"), path="").geturl()
        cluster = RedisCluster.from_url(address, max_connections=connections, health_check_interval=30, **options)
        for node in cluster.startup_nodes:
            node.connection_class = _extended(_Cancellable, node.connection_class)
        cluster.connection_kwargs["connection_class"] = _extended(
            _Cancellable, cluster.connection_kwargs["connection_class"]
        )
        return cluster
    pool = BlockingConnectionPool.from_url(url, max_connections=connections, timeout=answer_s, **options)
    pool.connection_class = _extended(_ToPrimary, pool.connection_class)
    pool.connection_class(**pool.connection_kwargs)  # does not connect, but raises on unknown options
    return Redis.from_pool(pool)


class _Cancellable(AbstractConnection):
    """A connection that never loses a cancellation.

    redis-py sends under asyncio.wait_for, which before Python 3.12 can swallow the cancellation of the sending task: a
    worker that was cancelled once would run for ever. asyncio.timeout cannot, and needs no task per command.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        limit_s = self.socket_timeout
        self.socket_timeout = None  # makes redis-py send without wait_for
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError as error:
            raise exceptions.TimeoutError("Timeout writing to socket") from error
        finally:
            self.socket_timeout = limit_s


class _ToPrimary(_Cancellable):
    """A connection that ends when its server becomes a replica, so that the next one finds the primary.

    After a planned switch the old primary keeps its connections: it would refuse every write for ever, and answer reads
    from a copy. Nodes of a cluster reply MOVED instead.
    """

    _role_due_s = 0.0

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self._check_role()

    async def check_health(self) -> None:
        """In place of the client's own PING, which a busy connection never sends."""
        if asyncio.get_running_loop().time() >= self._role_due_s:
            await self.retry.call_with_retry(self._check_role, lambda _: self.disconnect())

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except (exceptions.ReadOnlyError, exceptions.MasterDownError) as error:
            await self.disconnect()
            raise exceptions.ConnectionError(f"{_REPLICA} ({error})") from error

    async def _check_role(self) -> None:
        """By HELLO: every user may send it, and a server that loads its data answers it too."""
        await self.send_command("HELLO", check_health=False)
        try:
            reply = await self.read_response()
        except exceptions.ResponseError:  # forbidden by an ACL, or unknown to a proxy: only writes will show the role
            reply = ()
        if isinstance(reply, Sequence):  # a proxy may answer with the map of protocol 3
            reply = dict(zip(reply[::2], reply[1::2], strict=False))
        if isinstance(reply, dict) and reply.get(b"role") in (b"replica", b"slave"):
            raise exceptions.ConnectionError(_REPLICA)
        self._role_due_s = asyncio.get_running_loop().time() + ROLE_EVERY_S


_REPLICA = "the server at this address is a replica; RANKER_REDIS_URL has to lead to the primary"


def _extended(extension: type[Any], connection_class: type[Any]) -> type[Any]:
    return type(connection_class.__name__, (extension, connection_class), {})


async def redis_time_ms(client: Client) -> int:
    """Redis' own clock, in milliseconds since the epoch; in a cluster, that of any node."""
    seconds, microseconds = await client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
