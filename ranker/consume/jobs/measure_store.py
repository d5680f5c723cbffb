"""Measures Redis' memory beside the counting: of the shards that this process has, and of the servers as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from ranker.core.generation import Generation
from ranker.metrics import ConsumerMetrics
from ranker.service.periodic import periodic
from ranker.store import inventory, redis_info
from ranker.store.errors import StoreFullError, StoreUnavailableError

SERVERS_EVERY_S = 15.0
SHARD_EVERY_S = 60.0
"""Measuring the 1,666 keys of a shard takes 5 to 7 ms of Redis' time and 43 ms of ours, in pipelines of 200."""
SHARDS_EVERY_S = 5.0
"""How often it is looked which shards are due: those of a gate that has just opened are."""
SHARDS_AT_MOST_S = 600.0
_EXPECTED = (StoreUnavailableError, StoreFullError)


class StoreMeter:
    """`open_partitions` returns those that this process reads and applies now."""

    def __init__(
        self,
        client: Any,
        generation: Generation,
        open_partitions: Callable[[], Collection[int]],
        now_ms: Callable[[], int],
        metrics: ConsumerMetrics,
    ) -> None:
        self._client = client
        self._generation = generation
        self._open_partitions = open_partitions
        self._now_ms = now_ms
        self._metrics = metrics
        self._measured_s: dict[int, float] = {}
        """When each shard was measured last, whether its metrics are still there or not."""

    async def run_servers(self) -> None:
        """Until cancelled; an error is logged once. Measuring must not be able to stop the counting."""
        await periodic(SERVERS_EVERY_S, self.servers, "Redis' memory is not known", _EXPECTED, never_ends=True)

    async def run_shards(self) -> None:
        """The same; seldom if it is withheld, since an ACL keeps a log of what it forbids."""
        await periodic(
            SHARDS_EVERY_S,
            self.shards,
            "the memory of shards is not known",
            _EXPECTED,
            at_most_s=SHARDS_AT_MOST_S,
            spread=0.2,
            never_ends=True,
        )

    async def servers(self) -> None:
        """Shows the memory of each server that replies; raises StoreUnavailableError if one does not."""
        used, limit = self._metrics.redis_memory_used_bytes, self._metrics.redis_memory_limit_bytes
        found: list[redis_info.Server] = []
        fault: Exception | None = None
        try:
            found, fault = await redis_info.replying(self._client, self._now_ms)
        finally:
            used.clear()
            limit.clear()
        for one in found:
            if one.used_bytes is not None:
                used.labels(one.name).set(one.used_bytes)
            if one.max_bytes:
                limit.labels(one.name).set(one.max_bytes)
        if fault is not None:
            raise fault

    async def shards(self) -> bool:
        """Shows each open shard's memory by kind; false if Redis withholds it.

        Raises the error of one that could not be measured, when the others were.
        """
        fault: Exception | None = None
        for partition in sorted(self._open_partitions()):
            if partition in self._metrics.measured and time.monotonic() - self._measured_s[partition] < SHARD_EVERY_S:
                continue
            try:
                measured = await inventory.memory(self._client, self._generation, partition)
            except _EXPECTED as error:
                self._metrics.forget_store_bytes(partition)
                fault = error
                continue
            if measured is None:
                self._metrics.forget_store_bytes()
                return False
            if partition in self._open_partitions():
                self._measured_s[partition] = time.monotonic()
                self._metrics.show_store_bytes(partition, measured.kinds)
        if fault is not None:
            raise fault
        return True
