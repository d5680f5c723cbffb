"""Connects to the Redis that holds the counts: one server, by its Sentinels, or a cluster; the one place that does."""

from __future__ import annotations

from typing import Any, TypeAlias

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ranker.connect import redis_errors
from ranker.connect.redis_address import Address
from ranker.connect.redis_connections import (
    BySentinel,
    ByTls,
    Cancellable,
    FileLogin,
    ToPrimary,
    connection_class,
)
from ranker.connect.redis_sentinels import Sentinels
from ranker.connect.redis_settings import PREFIX, RedisSettings
from schemas.configuration import SettingsError

Client: TypeAlias = "Redis | RedisCluster"

CONNECT_S = 2.0
ANSWER_S = 5.0
"""Longer than any script (30 ms) or whole list takes; after it a suspended server counts as unavailable."""
CONNECTIONS = 16
"""Per client and server; a further command waits for one of them, up to ANSWER_S."""


def connect(redis: RedisSettings, *, connections: int = CONNECTIONS, answer_s: float = ANSWER_S) -> Client:
    """A client for what `redis.url` names; it connects at its first command.

    Replies are bytes; raw commands return scores as Redis' text. A connection that the server closed while idle, or
    whose server has become a replica, is opened again, once, and its address resolved anew; nothing else is retried
    here, least of all a command that timed out. Raises SettingsError, a ValueError, with the fix and without secrets.
    """
    if faults := list(redis.faults()):
        raise SettingsError(faults)
    address = redis.address()
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": answer_s,
        "retry": Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
        # Version 2 of the protocol: the same replies from every server and version that is supported.
        "protocol": 2,
        # No CLIENT SETINFO: users without it would fill the log of what ACLs forbid.
        "driver_info": None,
        **_login(redis.username or address.username, address.password, redis.password_file, ""),
        **address.options,
    }
    tls: list[type[Any]] = [Connection]
    context: dict[str, Any] = {}
    if any(name.startswith("ssl_") for name in address.options):
        tls, context = [SSLConnection], {"has_tls": True, "has_certificate": "ssl_certfile" in address.options}
    elif address.has_tls:
        tls = [ByTls]
        context = {
            "has_tls": True,
            "has_certificate": bool(redis.tls.cert_file),
            "tls_context": redis.tls.context(),
        }
    if address.is_cluster:
        return _cluster(address, connections, options, connection_class([Cancellable, *tls], **context))
    if address.has_sentinels:
        sentinels = Sentinels(
            address.servers,
            address.service,
            connection_class([Cancellable, *tls], login_of="SENTINEL_", **context),
            {
                **{name: value for name, value in options.items() if name not in _OF_REDIS},
                "retry": Retry(NoBackoff(), 0),
                **_login(redis.sentinel_username, None, redis.sentinel_password_file, "SENTINEL_"),
            },
        )
        made = connection_class([BySentinel, *tls], sentinels=sentinels, **context)
    elif address.path:
        made = connection_class([ToPrimary, UnixDomainSocketConnection])
        options["path"] = address.path
    else:
        made = connection_class([ToPrimary, *tls], **context)
        options["host"], options["port"] = address.servers[0]
    options["db"] = address.database
    options.setdefault("max_connections", connections)
    options.setdefault("timeout", answer_s)
    return _Single.from_pool(BlockingConnectionPool(connection_class=made, **options))


_OF_REDIS = ("username", "password", "credential_provider", "db", "max_connections", "timeout", "client_name")
"""Options that are not for Sentinels."""


def _login(username: str | None, password: str | None, password_file: str | None, of: str) -> dict[str, Any]:
    if password_file:
        return {"credential_provider": FileLogin(f"{PREFIX}_{of}PASSWORD_FILE", password_file, username)}
    return {"username": username, "password": password}


def _cluster(address: Address, connections: int, options: dict[str, Any], made: type[Any]) -> RedisCluster:
    options.setdefault("max_connections", connections)
    options.setdefault("health_check_interval", 30)
    nodes = [ClusterNode(host, port) for host, port in address.servers]
    cluster = _Cluster(startup_nodes=nodes, ssl=issubclass(made, SSLConnection), **options)
    for node in cluster.startup_nodes:
        node.connection_class = made
    cluster.connection_kwargs["connection_class"] = made
    return cluster


class _Named:
    """A client that says which command a user may not run, and on which key."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().execute_command(*args, **options)  # type: ignore[misc]  # of the client beside it
        except exceptions.NoPermissionError as error:
            raise exceptions.NoPermissionError(redis_errors.forbidden(error, args)) from error


class _Single(_Named, Redis):  # type: ignore[misc]  # as Redis itself
    pass


class _Cluster(_Named, RedisCluster):  # type: ignore[misc]  # as RedisCluster itself
    pass


async def redis_time_ms(client: Client) -> int:
    """Redis' own clock, in milliseconds since the epoch; in a cluster, that of any node."""
    seconds, microseconds = await client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
