"""Which documents of periods there are, level with Redis. A document never changes, so their keys are the index."""

from __future__ import annotations

import logging
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from ranker.core.best_of import Key
from ranker.store.keys import BEST_OF
from ranker.store.topic_copy import Position, read_keys, read_position, read_value

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A period that has documents: of each board, the newest revision."""

    kind: str
    first: date
    boards: Mapping[str, int] = field(default_factory=dict)


class Archive:
    """Empty until `follow` has read it whole. If the copy begins anew, what was read before stays until that is whole:
    a half of it would have an older week for the newest.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._position: Position | None = None
        self.is_read = False
        self._entries: dict[str, list[Entry]] = {}
        self._at: dict[tuple[str, str, date], int] = {}

    async def follow(self) -> bool:
        """Reads the index if it has changed (12,000 keys: some 30 ms, once a day); whether it has.

        Raises StoreUnavailableError; what was read before stays.
        """
        found = await read_position(self._client, BEST_OF)
        if found is None or not found[1] or found[0] == self._position:
            return False
        position = found[0]
        self._take(await read_keys(self._client, BEST_OF))
        self._position, self.is_read = position, True
        return True

    def _take(self, keys: Sequence[bytes]) -> None:
        found: dict[str, dict[tuple[date, str], dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for raw in keys:
            try:
                key = Key.parse(raw.decode())
            except ValueError as error:  # a record of somebody else must not hide the documents
                log.warning("a record of topic best-of is left out", extra={"reason": str(error)})
                continue
            boards = found[key.site][key.first, key.kind]
            boards[key.board] = max(key.revision, boards.get(key.board, 0))
        self._entries = {
            site: [Entry(kind, first, boards) for (first, kind), boards in sorted(of.items(), reverse=True)]
            for site, of in found.items()
        }
        self._at = {
            (site, entry.kind, entry.first): at for site, of in self._entries.items() for at, entry in enumerate(of)
        }

    def entries(self, site: str) -> Sequence[Entry]:
        """The periods of a site, latest first; of two that begin on one day, the week."""
        return self._entries.get(site, ())

    def entry(self, site: str, kind: str, first: date) -> Entry | None:
        at = self._at.get((site, kind, first))
        return None if at is None else self._entries[site][at]

    def beside(self, site: str, kind: str, first: date, board: str) -> tuple[date | None, date | None]:
        """The dates of the documents before and after this one, of the same kind and board."""
        earlier = later = None
        for one in self.entries(site):
            if one.kind == kind and board in one.boards:
                if one.first < first:
                    earlier = one.first
                    break
                if one.first > first:
                    later = one.first
        return earlier, later


async def read_document(client: Any, key: Key) -> dict[str, Any] | None:
    """A document as it was made; None if there is none. Raises StoreUnavailableError."""
    packed = await read_value(client, BEST_OF, str(key).encode())
    if packed is None:
        return None
    document: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return document
