"""Addresses of servers: how to print them without secrets."""

from __future__ import annotations

import re

from ranker.service.printable import printable

_SCHEMES = (
    *("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
    *("http", "https", "kafka"),
)
_LONGEST = 200
_HIDDEN = "***"


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
