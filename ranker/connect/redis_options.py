"""What stands behind the ? of RANKER_REDIS_URL: the few options that have an effect; every other one is a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl


class OptionError(ValueError):
    """What is wrong with an option, behind the words "the address has"; with the fix and without any value."""


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _above_zero(number: Callable[[str], float]) -> Callable[[str], float]:
    def read(value: str) -> float:
        found = number(value)
        if not 0 < found < math.inf:
            raise ValueError
        return found

    return read


def _one_of(**meanings: Any) -> Callable[[str], Any]:
    def read(value: str) -> Any:
        try:
            return meanings[value.lower()]
        except KeyError:
            raise ValueError from None

    return read


_SECONDS, _COUNT = (_above_zero(float), "a number of seconds above 0"), (_above_zero(int), "a number above 0")
_ANY = (_text, "a text")
ALWAYS: dict[str, tuple[Callable[[str], Any], str]] = {
    **dict.fromkeys(("username", "password", "db", "client_name"), _ANY),
    "max_connections": _COUNT,
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout"), _SECONDS),
}
OF_TLS: dict[str, tuple[Callable[[str], Any], str]] = {
    **dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password"), _ANY),
    "ssl_cert_reqs": (_one_of(none="none", optional="optional", required="required"), "none, optional or required"),
    "ssl_check_hostname": (_one_of(true=True, false=False), "true or false"),
}
_SECRET = ("password", "ssl_password")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def read(query: str, *, has_tls: bool) -> dict[str, Any]:
    """The options of a query by name, as redis-py takes them. Raises OptionError."""
    given = parse_qsl(query, keep_blank_values=True)
    found: dict[str, Any] = {}
    for name, value in given:
        reader, form = (ALWAYS | OF_TLS).get(name, (None, ""))
        if reader is None:
            # What is cut off a password may look like a name.
            is_cut = any(other in _SECRET or "@" in text for other, text in given)
            is_name = value and _NAME.fullmatch(name) and not is_cut
            raise OptionError(
                f"{name if is_name else 'an unknown option'} behind its ?, which is not supported; leave it out "
                f"(supported: {', '.join([*ALWAYS, *(OF_TLS if has_tls else ())])})"
            )
        if name in OF_TLS and not has_tls:
            raise OptionError(f"{name} behind its ?, which has no effect without TLS; write rediss, or leave it out")
        if name in found:
            raise OptionError(f"{name} behind its ? twice; keep one")
        try:
            found[name] = reader(value)
        except ValueError:
            raise OptionError(f"{name} behind its ?, whose value is not {form}; correct it, or leave it out") from None
    return found
