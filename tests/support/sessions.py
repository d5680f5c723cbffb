"""A session on a shard that has begun, for tests that have no log and no gate."""

from __future__ import annotations

from typing import Any

from ranker.consume.homes import Homes
from ranker.consume.session import Session
from ranker.core.generation import Generation
from ranker.metrics import ConsumerMetrics, new_registry


async def open_session(store: Any, generation: Generation, partitions: int) -> Session:
    """Of partition 0 among so many; `store` is a ShardStore, or what stands for one."""
    state, metrics = await store.load(), ConsumerMetrics(new_registry(), ["view"])
    return Session(store, generation, 0, partitions, state, metrics, lambda _: None, Homes(), None)
