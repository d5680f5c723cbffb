"""Memory of shards and servers, with a node of the Cluster away: what is measured of the others is shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ranker.consume.jobs.measure_store import StoreMeter
from ranker.core.generation import Generation
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store import inventory, redis_info
from ranker.store.errors import StoreUnavailableError
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS


class Cluster:
    """Partitions and nodes 0 to 2; `away` are those whose node does not reply."""

    def __init__(self) -> None:
        self.away: set[int] = set()
        self.registry = new_registry()
        generation, nobody = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS), cast("Any", None)
        metrics = ConsumerMetrics(self.registry, [])
        self.meter = StoreMeter(nobody, generation, lambda: range(3), lambda: 0, metrics)

    async def memory(self, _client: object, _generation: Generation, partition: int) -> SimpleNamespace:
        if partition in self.away:
            raise StoreUnavailableError("its node is away")
        return SimpleNamespace(kinds={"totals": 7})

    async def replying(self, *_: object) -> tuple[list[SimpleNamespace], StoreUnavailableError | None]:
        fault = StoreUnavailableError("a node is away") if self.away else None
        replying = {0, 1, 2} - self.away
        return [SimpleNamespace(name=f"n{node}", used_bytes=5, max_bytes=9) for node in replying], fault

    def shown(self, family: str, label: str) -> set[str]:
        (found,) = (one for one in self.registry.collect() if one.name == family)
        return {sample.labels[label] for sample in found.samples}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(inventory, "memory", made.memory)
    monkeypatch.setattr(redis_info, "replying", made.replying)
    return made


async def test_a_shard_whose_node_is_away(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone has no series, and those after it are measured, too."""
    monkeypatch.setattr("ranker.consume.jobs.measure_store.SHARD_EVERY_S", 0.0)
    assert await cluster.meter.shards()
    cluster.away = {1}
    with pytest.raises(StoreUnavailableError):
        await cluster.meter.shards()
    assert cluster.shown("ranker_store_bytes", "partition") == {"0", "2"}
    cluster.away = set()
    assert await cluster.meter.shards()
    assert cluster.shown("ranker_store_bytes", "partition") == {"0", "1", "2"}


async def test_a_server_that_is_away(cluster: Cluster) -> None:
    """The others keep theirs."""
    await cluster.meter.servers()
    cluster.away = {0}
    with pytest.raises(StoreUnavailableError):
        await cluster.meter.servers()
    assert cluster.shown("ranker_redis_memory_used_bytes", "node") == {"n1", "n2"}
    assert cluster.shown("ranker_redis_memory_limit_bytes", "node") == {"n1", "n2"}
