"""Addresses of Redis and Kafka: how to print them without secrets, and their faults."""

from __future__ import annotations

import re

from ranker.service.printable import printable

_SCHEMES = (
    *("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
    *("http", "https", "kafka"),
)
_LONGEST = 200
_HIDDEN = "***"
_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/@?#\[\]]+):([0-9]{1,5})")


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


def kafka_fault(bootstrap: str) -> str:
    """Why `bootstrap` is no list of Kafka's addresses, with the fix; "" if it is."""
    for broker in bootstrap.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 0 < int(found[2]) < 65536:
            # Of all of it, since a comma may be a password's.
            named = shown(bootstrap if "@" in bootstrap else broker)
            return f"{named!r} is not HOST:PORT, without user or password; several are separated by commas"
    return ""
