"""Documents of periods, read from Redis when somebody requests one. They never change, so what was read is kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson

from ranker.core.best_of import Key
from ranker.lists.archive import read_document
from ranker.store.errors import StoreUnavailableError

MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Of JSON, in all: some 300 documents of a hundred places. The largest that there can be has 4 MB."""
READS_AT_ONCE = 2


class Documents:
    """What was requested last, up to a bound. Only keys of the archive's index are to be requested."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._kept: OrderedDict[Key, tuple[Mapping[str, Any], int]] = OrderedDict()
        self._bytes = 0
        self._places = asyncio.Semaphore(READS_AT_ONCE)

    def known(self, key: Key) -> Mapping[str, Any] | None:
        """A document that is in memory; not to be changed."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    async def read(self, key: Key, deadline_s: float) -> Mapping[str, Any]:
        """A document, from Redis unless it is in memory; not to be changed. Raises StoreUnavailableError."""
        try:
            async with asyncio.timeout(deadline_s), self._places:
                found = self.known(key)  # another request may have read it meanwhile
                if found is None:
                    found = await read_document(self._client, key)
        except TimeoutError as error:
            raise StoreUnavailableError("a document was not read in time") from error
        if found is None:
            raise StoreUnavailableError("a document is in the index and not in Redis: it is being copied anew")
        self._keep(key, found)
        return found

    def _keep(self, key: Key, document: Mapping[str, Any]) -> None:
        if key in self._kept:
            return
        size = len(orjson.dumps(document))
        self._kept[key] = document, size
        self._bytes += size
        while self._bytes > MAX_KEPT_BYTES:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= dropped
