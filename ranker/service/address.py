"""Whose request it is: the peer's address, or behind proxies that are known what they say of it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NOBODY = ipaddress.IPv6Address(0)
"""Stands for a peer that has no address, as on a Unix socket."""

MAX_FORWARDED = 20
"""Addresses in X-Forwarded-For that are looked at, from the right; no request comes through so many proxies."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""What a translator makes of IPv4 addresses (RFC 6052)."""

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([^]]*)](?::[0-9]{1,5})?")


class Addresses:
    """`proxies` are believed in what they write into X-Forwarded-For, and nobody else is."""

    def __init__(self, proxies: Iterable[Network]) -> None:
        self._proxies = tuple(proxies)

    def of(self, peer: str | None, forwarded: Iterable[bytes]) -> Address:
        """The client's address: the last one in X-Forwarded-For that is no proxy's, if the peer is a proxy.
        Where even the last MAX_FORWARDED are proxies': the peer.

        What is no address there was not written by a proxy, so that everything before it is worth nothing: the peer.
        """
        address = parsed(peer or "") or NOBODY
        if not self._proxies or not self.is_proxy(address):
            return address
        texts = b",".join(forwarded).decode("latin-1").rsplit(",", MAX_FORWARDED)
        for text in reversed(texts[-MAX_FORWARDED:]):
            client = _written(text.strip())
            if client is None:
                break
            if not self.is_proxy(client):
                return client
        return address

    def is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def networks(texts: Iterable[str], where: str) -> tuple[list[Network], list[str]]:
    """Addresses and networks as ranker.toml has them at key `where`; a sentence for each text that is none."""
    found: list[Network] = []
    faults = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            faults.append(f"{where}: {text!r} is no address or network ({error}); write such as 10.0.0.0/8")
    return found, faults


def parsed(text: str) -> Address | None:
    """`text` as an address, IPv4 also where it is written as IPv6; None where it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _written(text: str) -> Address | None:
    """An address as proxies write it, some with the client's port (Azure, HAProxy)."""
    found = _WITH_PORT.fullmatch(text)
    return parsed(found[1] or found[2] if found else text)


def rate_limit_key(address: Address) -> bytes:
    """What limits are kept by: an IPv4 address, and the first 64 bits of an IPv6 one, which one client has whole.

    Of a translated IPv4 address it is that one: all of IPv4 has the same first 64 bits there.
    """
    if address in _NAT64:
        return address.packed[12:]
    return address.packed[:8] if address.version == 6 else address.packed
