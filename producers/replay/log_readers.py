"""What replay makes of the address in a line of an access log: whether it is internal, and a key of this run."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from producers.readers import MAX_AGENT, repeat_key
from ranker.service.address import Address, Network, written

_LONGEST = 1_000
"""Characters before the time that are looked at."""
_DAY_MS = 86_400_000


class LogReaders:
    """`internal` are the networks of the site's own people. With `keys`, events get a repeat_key by a random salt.

    The salt is another one for each day (UTC) and each object, and nothing of an address or agent is kept. `private`
    counts the keys of private addresses: a proxy's, if a log has many.
    """

    def __init__(self, internal: Iterable[Network] = (), *, keys: bool = False) -> None:
        self._internal = tuple(internal)
        self.keys = keys
        self.private = 0
        secret = os.urandom(32)
        self._salt = functools.lru_cache(maxsize=64)(
            lambda day: blake2b(b"%d" % day, key=secret, digest_size=32).digest()
        )

    def is_internal(self, before: str) -> bool:
        """Whether the address among what stands `before` the time of a line is of an internal network."""
        if not self._internal:
            return False
        address = log_address(before)
        return address is not None and any(address in network for network in self._internal)

    def add_key(self, view: dict[str, Any], before: str, agent: str) -> None:
        """Gives an event its repeat_key, out of the line that it was made of, if that has an address."""
        if (address := log_address(before)) is not None:
            self.private += address.is_private
            salt = self._salt(view["occurred_at"] // _DAY_MS)
            view["repeat_key"] = repeat_key(salt, view["site_id"], view["article_id"], address, agent[:MAX_AGENT])


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
