"""Keeps this consumer's generation registered, and the active one from being forgotten."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ranker.consume.errors import UnfitStoreError
from ranker.core.generation import Generation
from ranker.service.periodic import periodic
from ranker.store import generations
from ranker.store.errors import StoreFullError, StoreUnavailableError

_EVERY_S = 2.0
_FIT_EVERY = 30


class ActiveKeeper:
    """Puts `active` back where Redis has lost it; sets it only where no other generation is known."""

    def __init__(self, client: Any, generation: Generation, unfit: Callable[[], Awaitable[Sequence[str]]]) -> None:
        """`unfit` returns why the store would lose counts."""
        self._client = client
        self._unfit = unfit
        self._generation = generation
        self._remembered: generations.Active | None = None
        self._partitions = 0

    async def before_opening(self, partitions: int) -> None:
        """Registers the generation and lets lists take in `partitions` shards, before a new one can hold counts."""
        if faults := await self._unfit():
            raise UnfitStoreError("; ".join(faults))
        self._partitions = partitions
        await self._keep()

    async def run(self, trouble: Callable[[str, str | None], None]) -> None:
        """Every two seconds, for ever; whether the store is still fit, every thirtieth time, to `trouble`."""
        rounds = itertools.count(1)

        async def look() -> None:
            if self._partitions:
                await self._keep()
                if not next(rounds) % _FIT_EVERY:
                    trouble("settings of Redis", "; ".join(await self._unfit()) or None)

        await periodic(_EVERY_S, look, "the generation is not kept registered", (StoreUnavailableError, StoreFullError))

    async def _keep(self) -> None:
        active = await generations.ensure_first(self._client, self._generation, self._partitions, self._remembered)
        await generations.register(self._client, self._generation)
        raised = await generations.raise_partitions(self._client, self._generation.id, self._partitions)
        self._remembered = raised or active or self._remembered
