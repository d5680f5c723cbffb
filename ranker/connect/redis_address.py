"""RANKER_REDIS_URL: which servers it names, and what is wrong with one that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ranker.connect import redis_options
from ranker.service.endpoints import shown

DEFAULT = "redis://127.0.0.1:6379/0"
PORT, SENTINEL_PORT = 6379, 26379
SCHEMES = (
    *("redis", "rediss", "unix"),
    *("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
)
_SERVER = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:,/@?#\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_ESCAPED = "with / ? # @ in a user or password as %2F %3F %23 %40"
_FIX = f"write redis://[user:password@]host:port/0, {_ESCAPED}"
_SENTINEL_FIX = (
    f"write redis+sentinel://host:{SENTINEL_PORT},host:{SENTINEL_PORT}/NAME/0, NAME as the Sentinels know it"
)
_ALIASES = {
    "redis-sentinel": "redis+sentinel",
    "sentinel": "redis+sentinel",
    "rediss-sentinel": "rediss+sentinel",
    "redis-cluster": "redis+cluster",
    "rediss-cluster": "rediss+cluster",
    "valkey": "redis",
    "valkeys": "rediss",
}
"""What other clients call them, named in the fix."""


class AddressError(ValueError):
    """What is wrong with an address, with the fix and without its secrets."""


@dataclass(frozen=True)
class Address:
    """The parts of an address. `servers` are (host, port), of Sentinels or nodes; a socket file has none.

    `service` is the primary's name at the Sentinels, "" without any; `path` that of the socket file. `options` are
    those of redis-py that stand behind the ?, without database, user and password.
    """

    scheme: str
    servers: tuple[tuple[str, int], ...] = ()
    service: str = ""
    path: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def has_tls(self) -> bool:
        return self.scheme.startswith("rediss")

    @property
    def has_sentinels(self) -> bool:
        return self.scheme.endswith("+sentinel")

    @property
    def is_cluster(self) -> bool:
        return self.scheme.endswith("+cluster")


def parsed(url: str) -> Address:
    """The parts of `url`. Raises AddressError."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme not in SCHEMES:
        meant = f"; for {scheme}:// write {_ALIASES[scheme]}://" if mark and scheme in _ALIASES else ""
        raise AddressError(f"{shown(url)!r} must start with one of {', '.join(s + '://' for s in SCHEMES)}{meant}")
    if not rest.isprintable() or " " in rest:
        raise AddressError(f"{shown(url)!r} has a space or a control character; {_FIX}")
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    place, _, path = rest.partition("/")
    user, at, names = place.rpartition("@")
    username, _, password = user.partition(":") if at else ("", "", "")
    # With an @ in one of these a password has cut the address short, and what stands for the host is its user.
    unnamed = [piece for piece in query.split("&") if "=" not in piece]
    if "@" in "".join((path, fragment, *unnamed)):
        raise AddressError(f"{shown(url)!r} names no host; {_FIX}")
    if fragment:
        raise AddressError(f"{shown(url)!r} has a # behind it; {_FIX}")
    service, database = "", unquote(path).strip("/")
    if scheme.endswith("+sentinel"):
        service, _, database = database.partition("/")
        if not service or (service.isdecimal() and not database):
            raise AddressError(f"{shown(url)!r} does not name the primary; {_SENTINEL_FIX}")
    try:
        options = redis_options.read(query, has_tls=scheme.startswith("rediss"))
    except redis_options.OptionError as error:
        raise AddressError(f"{shown(url)!r} has {error}") from None

    def either(before: str, name: str) -> str:
        if before and name in options:
            raise AddressError(f"{shown(url)!r} has {name} behind its ?, and the same before it; keep one")
        return before or options.pop(name, "")

    login = (either(unquote(username), "username") or None, either(unquote(password), "password") or None)
    if scheme == "unix":
        if not path or names:
            raise AddressError(f"{shown(url)!r} names no socket file; write unix:///run/redis/redis.sock")
        number = _database(url, options.pop("db", ""), "write ?db=0")
        return Address(scheme, (), "", unquote(f"/{path}"), number, *login, options)
    servers = _servers(url, names, SENTINEL_PORT if "sentinel" in scheme else PORT)
    if len(servers) > 1 and "+" not in scheme:
        several = f"{scheme}+sentinel:// or {scheme}+cluster://"
        raise AddressError(f"{shown(url)!r} names several servers, and {scheme}:// leads to one; write {several}")
    database = either(database, "db")
    if scheme.endswith("+cluster") and database not in ("", "0"):
        fix = "leave the path empty"
        raise AddressError(f"{shown(url)!r} names a database, which a Redis Cluster does not have; {fix}")
    number = _database(url, database, _SENTINEL_FIX if service else "write redis://host:6379/0")
    return Address(scheme, servers, service, "", number, *login, options)


def _database(url: str, database: str, fix: str) -> int:
    if database and not (database.isdecimal() and len(database) < 10):
        raise AddressError(f"the database of {shown(url)!r} is not a number; {fix}")
    return int(database or 0)


def _servers(url: str, names: str, port: int) -> tuple[tuple[str, int], ...]:
    if not names:
        raise AddressError(f"{shown(url)!r} names no host; {_FIX}")
    servers = []
    for name in names.split(","):
        found = _SERVER.fullmatch(name)
        number = int(found["port"] or port) if found else 0
        if found is None or not 0 < number < 65536:
            raise AddressError(f"{shown(url)!r} cannot be read, as to host and port; {_FIX}")
        servers.append((found["six"] or found["name"], number))
    return tuple(servers)
