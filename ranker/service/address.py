"""The client's address of a request: the peer's, or behind known proxies the one that they report."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NOBODY = ipaddress.IPv6Address(0)
"""The address of a peer without one, as on a Unix socket."""

MAX_FORWARDED = 20
"""Addresses in X-Forwarded-For that are read, from the right; no request comes through so many proxies."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""What a translator makes of IPv4 addresses (RFC 6052)."""

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([^]]*)](?::[0-9]{1,5})?")


class Addresses:
    """X-Forwarded-For is used only if `proxies` wrote it."""

    def __init__(self, proxies: Iterable[Network]) -> None:
        self._proxies = tuple(proxies)

    def of(self, peer: str | None, forwarded: Iterable[bytes]) -> Address:
        """The client's address: the last one in X-Forwarded-For that is no proxy's, if the peer is a proxy.

        If the last MAX_FORWARDED are all proxies', the peer's; so too if a text is no address, since no proxy wrote it
        and nothing before it can be trusted.
        """
        address = parsed(peer or "") or NOBODY
        if not self._proxies or not self.is_proxy(address):
            return address
        texts = b",".join(forwarded).decode("latin-1").rsplit(",", MAX_FORWARDED)
        for text in reversed(texts[-MAX_FORWARDED:]):
            client = written(text.strip())
            if client is None:
                break
            if not self.is_proxy(client):
                return client
        return address

    def is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def networks(texts: Iterable[str], where: str) -> tuple[list[Network], list[str]]:
    """Addresses and networks as ranker.toml has them at key `where`; a sentence for each text that is none.

    An IPv4-mapped IPv6 one is taken as IPv4, as clients' addresses are.
    """
    found: list[Network] = []
    faults = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            faults.append(f"{where}: {text!r} is no address or network ({error}); write such as 10.0.0.0/8")
            continue
        mapped = getattr(network.network_address, "ipv4_mapped", None)
        bits = network.prefixlen - 96
        found.append(ipaddress.IPv4Network((mapped, bits)) if mapped is not None and bits >= 0 else network)
    return found, faults


def parsed(text: str) -> Address | None:
    """`text` as an address, an IPv4-mapped IPv6 one as IPv4; None if it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def written(text: str) -> Address | None:
    """An address as proxies write it, some with the client's port (Azure, HAProxy)."""
    found = _WITH_PORT.fullmatch(text)
    return parsed(found[1] or found[2] if found else text)


def rate_limit_key(address: Address) -> bytes:
    """The key of rate limits: an IPv4 address, or the first 64 bits of an IPv6 one, since a client has a whole /64.

    For an IPv4 address translated by NAT64 that address: otherwise all of them would share one /64.
    """
    if address in _NAT64:
        return address.packed[12:]
    return address.packed[:8] if address.version == 6 else address.packed
