"""Redis in each form that RANKER_REDIS_URL can name, with certificates where it speaks TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.redis import RedisServer, Tls, redis_binary
from deploy.local.redis_cluster import RedisCluster
from deploy.local.redis_sentinel import RedisBySentinel
from deploy.local.servers import Server
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.tls import TlsFiles
from tests.support.certificates import Authority
from tests.support.redis_at import SECURED

FORMS = ("tls", "socket", "sentinel", "sentinel_tls", "cluster_tls")
"""Beside a plain server and a plain cluster."""
QUICK = ("--repl-diskless-sync-delay", "0")


class Certificates:
    """One authority, a server's files and a client's."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        server, client = self.authority.server(), self.authority.client()
        self.tls = Tls(self.authority.ca, server.cert, server.key)
        self.files = TlsFiles(str(self.authority.ca), str(client.cert), str(client.key))


def made(form: str, directory: Path) -> tuple[Any, str]:
    """A server, or several, not yet started, and their address; what clients need beside it is in SECURED."""
    certificates = Certificates(directory / "certificates") if form.endswith("tls") else None
    tls = certificates.tls if certificates else None
    server: Any
    match form.removesuffix("_tls"):
        case "tls":
            server = RedisServer(directory / "server", redis_binary(), tls=tls)
        case "socket":
            file = directory / "redis.sock"
            server = RedisServer(directory / "server", redis_binary(), ("--unixsocket", str(file)))
        case "sentinel":
            server = RedisBySentinel(directory, tls=tls, sentinels=1)
        case "cluster":
            server = RedisCluster(directory, redis_binary(), tls=tls)
    url = f"unix://{directory / 'redis.sock'}" if form == "socket" else str(server.url)
    if certificates:
        SECURED[url] = RedisSettings(url, **vars(certificates.files))
    return server, url


def servers(server: Any) -> list[Server]:
    """The processes of what `made` gives."""
    if isinstance(server, RedisCluster):
        return list(server.nodes)
    return server.all if isinstance(server, RedisBySentinel) else [server]


@contextmanager
def started(form: str, directory: Path) -> Iterator[tuple[Any, str]]:
    server, url = made(form, directory)
    server.start()
    try:
        yield server, url
    finally:
        server.stop()
        SECURED.pop(url, None)
