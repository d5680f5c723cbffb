"""Which generation readers show: the active one, followed at once, and restored if Redis has lost it."""

from __future__ import annotations

import logging
from typing import Any

from ranker.core.generation import Generation
from ranker.store.errors import StoreUnavailableError
from ranker.store.generations import Active, configuration, read_active, restore_active

log = logging.getLogger(__name__)


class ActiveGeneration:
    """`active` and `generation` are None until they have been read."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.active: Active | None = None
        self.generation: Generation | None = None

    async def follow(self) -> bool:
        """Reads it again; true if another generation is active now. Raises StoreUnavailableError."""
        if self.active is None:
            active = await read_active(self._client)
        else:
            active = await restore_active(self._client, self.active)
        if active is None or active == self.active:
            return False
        another = self.generation is None or active.generation != self.generation.id
        if another:
            generation = await configuration(self._client, active.generation)
            if generation is None:
                raise StoreUnavailableError(f"generation {active.generation} is active but not registered in Redis")
            log.info("following generation %s with %d partitions", active.generation, active.partitions)
            self.generation = generation
        self.active = active
        return another
