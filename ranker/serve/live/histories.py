"""The rank history of the lists in use: read when a list comes into use, and again when an hour may have been added."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from ranker.core.generation import Generation, ListName
from ranker.lists.history import GRAIN_S, Ranks
from ranker.store.history import read_ranks
from schemas.article_id import DEFAULT, IdRule

AGAIN_MS = 60_000
"""How often a list is looked at whose present hour has not been written yet."""
AT_ONCE = 8
"""Lists whose history one refresh reads at most: a refresh must not become long because many come into use."""


class Histories:
    """`ranks` has what was read; nothing waits for what was not."""

    def __init__(self, client: Any, rules: Mapping[str, IdRule]) -> None:
        """`rules` are the sites' rules for article ids."""
        self._client = client
        self._rules = rules
        self.ranks: dict[ListName, Ranks] = {}
        self._due: dict[ListName, int] = {}
        self._generation = ""

    async def follow(self, generation: Generation, names: Collection[ListName], now_ms: int) -> None:
        """Reads what is due. Raises StoreUnavailableError."""
        if generation.id != self._generation:
            self._generation = generation.id
            self.ranks.clear()
            self._due.clear()
        due = (name for name in list(names) if name.board in generation.boards and self._due.get(name, 0) <= now_ms)
        for name in islice(due, AT_ONCE):
            entries = await read_ranks(self._client, generation.id, name, now_ms)
            ranks = Ranks(entries, self._rules.get(name.site, DEFAULT))
            if name not in names or generation.id != self._generation:
                continue  # not in use any more: it would be kept for good
            self.ranks[name] = ranks
            hour_ms = now_ms - now_ms % (GRAIN_S * 1000)
            written = ranks.newest_ms is not None and ranks.newest_ms >= hour_ms
            self._due[name] = hour_ms + GRAIN_S * 1000 if written else now_ms + AGAIN_MS

    def forget(self, name: ListName) -> None:
        """The list is not in use any more."""
        self.ranks.pop(name, None)
        self._due.pop(name, None)
