"""Keeps this consumer's generation registered, and restores the active one if Redis loses it."""

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
    """Restores `active` if Redis has lost it; sets it only if no other generation is registered."""

    def __init__(
        self,
        client: Any,
        generation: Generation,
        unfit: Callable[[], Awaitable[Sequence[str]]],
        *,
        may_be_first: bool = True,
    ) -> None:
        """`unfit` returns the reasons why the store would lose counts. Without `may_be_first` it never sets it."""
        self._client = client
        self._unfit = unfit
        self._generation = generation
        self._may_be_first = may_be_first
        self._remembered: generations.Active | None = None
        self._partitions = 0

    async def before_opening(self, partitions: int) -> None:
        """Registers the generation and lets lists include `partitions` shards, before a new shard can hold counts."""
        if faults := await self._unfit():
            raise UnfitStoreError("; ".join(faults))
        self._partitions = partitions
        await self._keep()

    async def run(self, trouble: Callable[[str, str | None], None]) -> None:
        """Keeps it every two seconds, for ever; every thirtieth time it reports an unfit store to `trouble`."""
        rounds = itertools.count(1)

        async def keep() -> None:
            if self._partitions:
                await self._keep()
                if not next(rounds) % _FIT_EVERY:
                    trouble("settings of Redis", "; ".join(await self._unfit()) or None)

        await periodic(_EVERY_S, keep, "the generation is not kept registered", (StoreUnavailableError, StoreFullError))

    async def _keep(self) -> None:
        if self._may_be_first or self._remembered is not None:
            active = await generations.ensure_first(self._client, self._generation, self._partitions, self._remembered)
        else:
            active = await generations.read_active(self._client)
        await generations.register(self._client, self._generation)
        raised = await generations.raise_partitions(self._client, self._generation.id, self._partitions)
        self._remembered = raised or active or self._remembered
