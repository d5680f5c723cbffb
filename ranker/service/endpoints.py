"""Addresses of servers: how to print them without secrets, and the faults of those of Redis."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ranker.service.printable import printable

DEFAULT_REDIS = "redis://127.0.0.1:6379/0"
REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")

_SCHEMES = (*REDIS_SCHEMES, "redis+sentinel", "rediss+sentinel", "http", "https", "kafka")
_LONGEST = 200
_HIDDEN = "***"
_REDIS_FIX = "write redis://[user:password@]host:port/0, with / ? # @ in a user or password as %2F %3F %23 %40"


def shown(address: str) -> str:
    """`address`, or several of them, for printing: without anything before an @, without query or fragment.

    It need not be valid: any part that may belong to a password is left out.
    """
    scheme, mark, rest = address.partition("://")
    if not mark:
        scheme, rest = "", address
    user, at, place = rest.rpartition("@")
    if at:
        # Behind a ? or # the last @ may be a query's.
        place = _HIDDEN if re.search("[?#]", user) else f"{_HIDDEN}@{place}"
        scheme = scheme if scheme in ("", *_SCHEMES) else _HIDDEN
    place = re.sub(r"[?#].*", lambda found: f"{found[0][0]}{_HIDDEN}", place, flags=re.DOTALL)
    return printable(f"{scheme}{mark}{place}", _LONGEST)


def redis_url(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """RANKER_REDIS_URL, else the local server; and its faults."""
    url = environ.get("RANKER_REDIS_URL") or DEFAULT_REDIS
    fault = redis_fault(url)
    return url, [f"RANKER_REDIS_URL: {fault}"] if fault else []


def redis_fault(address: str) -> str:
    """Why `address` is not valid for Redis, with the fix; "" if it is."""
    try:
        parts = urlsplit(address)
        named = bool(parts.hostname) and parts.port != 0  # `.port` raises ValueError if it is no port
    except ValueError:  # its text repeats the password
        return f"{shown(address)!r} cannot be read; {_REDIS_FIX}"
    if parts.scheme not in REDIS_SCHEMES:
        return f"{shown(address)!r} must start with one of {', '.join(s + '://' for s in REDIS_SCHEMES)}"
    # With an @ in one of these a password has cut the address short, and what stands for the host is its user.
    unnamed = [piece for piece in parts.query.split("&") if "=" not in piece]
    if "@" in "".join((parts.path, parts.fragment, *unnamed)) or (parts.scheme != "unix" and not named):
        return f"{shown(address)!r} names no host; {_REDIS_FIX}"
    database = parts.path.strip("/")
    if "cluster" in parts.scheme and database not in ("", "0"):
        return f"{shown(address)!r} names a database, which a Redis Cluster does not have; leave the path empty"
    if parts.scheme != "unix" and database and not database.isdecimal():
        return f"the database of {shown(address)!r} is not a number; write redis://host:6379/0"
    return ""
