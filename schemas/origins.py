"""Origins and host names as browsers send them: in lower case and Punycode, without the default port of the scheme.

By UTS 46 without transitional processing, as browsers have it. Python's own `idna` is of 2003 and makes other names of
ß, ς and the joiners.
"""

from __future__ import annotations

import ipaddress
import re

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]*\]|[^/?#@\\:\[\]]*)(?::([0-9]{1,5}))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_PORTS = {"http": 80, "https": 443}
_LONGEST = 253


class OriginError(ValueError):
    """It is no origin or no host name. The message says why, to stand behind what was given."""


def sent_origin(given: str) -> str:
    """The origin that a browser sends for pages of this one, such as https://www.xn--socit-esab.example."""
    found = _ORIGIN.fullmatch(given)
    if found is None:
        raise OriginError("is no origin: write scheme, host and perhaps port, such as https://www.example.org")
    scheme, host, port = found[1].lower(), found[2], found[3]
    shown = f"[{_address(host[1:-1], 6)}]" if host.startswith("[") else sent_host(host)
    if port is None or int(port) == _PORTS[scheme]:
        return f"{scheme}://{shown}"
    if not 0 < int(port) < 65_536:
        raise OriginError(f"has the port {port}, which there is not; write one from 1 to 65535")
    return f"{scheme}://{shown}:{int(port)}"


def sent_host(given: str) -> str:
    """The name that a browser sends for this host."""
    host = given.lower() if given.isascii() else _in_ascii(given)
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST or not all(map(_LABEL.fullmatch, labels)):
        raise OriginError("has no host that there can be: write each host by its name, such as www.example.org")
    if labels[-1].isdigit():
        return _address(host, 4)
    return host


def _in_ascii(given: str) -> str:
    import idna  # its tables take 10 ms

    try:
        mapped = idna.uts46_remap(given, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise OriginError(f"has no host that there can be ({error})") from None
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in mapped.split(".")
    )


def _address(given: str, version: int) -> str:
    try:
        return (ipaddress.IPv6Address if version == 6 else ipaddress.IPv4Address)(given).compressed
    except ValueError:
        raise OriginError("has an IP address that there cannot be; write such as 192.0.2.7 or [2001:db8::7]") from None
