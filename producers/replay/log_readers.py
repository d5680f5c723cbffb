"""What replay makes of the client's address in an access log: whether it is internal, and a key of this run."""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from producers.readers import MAX_AGENT, repeat_key
from producers.replay.rows import ReplayRow
from ranker.service.address import Address, Addresses, Network, written

_LONGEST = 1_000
"""Characters before the time that are looked at."""
_DAY_MS = 86_400_000
_FORWARDED = re.compile(r'"([^"]*)"|([^"\s][^"]*)')


_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        (
            *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
            *("::1/128", "fc00::/7", "fe80::/10"),
        ),
    )
)
"""Whoever connects from these is a proxy if there is a X-Forwarded-For: the log's server is behind it."""


class LogReaders:
    """`internal` are the networks of the site's own people. With `keys`, events get a repeat_key by a random salt.

    The salt is another one for each day (UTC) and each object, and nothing of an address or agent is kept. `private`
    counts the keys of private addresses: a proxy's, if a log has many. Beside these, `proxies` write X-Forwarded-For.
    """

    def __init__(
        self, internal: Iterable[Network] = (), *, keys: bool = False, proxies: Iterable[Network] = ()
    ) -> None:
        self._internal = tuple(internal)
        self._addresses = Addresses([*_PRIVATE, *proxies])
        self.keys = keys
        self.private = 0
        secret = os.urandom(32)
        self._salt = functools.lru_cache(maxsize=64)(
            lambda day: blake2b(b"%d" % day, key=secret, digest_size=32).digest()
        )

    def is_internal(self, row: ReplayRow) -> bool:
        """Whether the client's address is of an internal network."""
        if not self._internal:
            return False
        address = self.client(row)
        return address is not None and any(address in network for network in self._internal)

    def add_key(self, view: dict[str, Any], row: ReplayRow) -> None:
        """Gives an event its repeat_key, out of the row that it was made of, if that has an address."""
        if (address := self.client(row)) is not None:
            self.private += address.is_private
            salt = self._salt(view["occurred_at"] // _DAY_MS)
            view["repeat_key"] = repeat_key(salt, view["site_id"], view["article_id"], address, row.agent[:MAX_AGENT])

    def client(self, row: ReplayRow) -> Address | None:
        """The client's address, by X-Forwarded-For if a proxy connected; None if there is none."""
        address = log_address(row.client)
        if address is None or not row.forwarded:
            return address
        # Behind the agent of a combined line other fields may stand, such as the address that answered.
        texts = (found.group(1) or found.group(2) for found in _FORWARDED.finditer(row.forwarded[:_LONGEST]))
        chain = next((text for text in texts if _first(text) is not None), "")
        return self._addresses.of(str(address), [chain.encode("latin-1", "replace")] if chain else ())


def log_address(before: str) -> Address | None:
    """The last address among what stands before the time of a line; of a list of proxies the first, the client's."""
    found = None
    for word in reversed(before[-_LONGEST:].split()):
        if found is not None and not word.endswith(","):
            break
        found = _first(word) or found
    return found


def _first(word: str) -> Address | None:
    return written(word.strip('",()').partition(",")[0])
