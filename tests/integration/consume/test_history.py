"""The rank history beside real counting: `ranker consume` looks after it, and an entry is the list of its moment."""

from __future__ import annotations

from typing import Any

from ranker.connect.redis import connect
from ranker.consume.jobs.write_history import HistoryWriter
from ranker.core.generation import ListName
from ranker.core.times import HOUR_MS
from ranker.metrics import ConsumerMetrics, new_registry
from ranker.store.history import PLACES, read_ranks
from ranker.store.keys import HistoryKeys
from ranker.store.reader import Reader
from tests.integration.consume.engine import Engine
from tests.support.redis_at import redis_at


async def test_an_entry_is_the_list_that_was_counted(engine: Engine) -> None:
    """Views from a log, counted by a consumer: the entry of this hour has the ids that a reader merges at that time."""
    await engine.traffic.send(2000)
    consumer = engine.consume()
    await engine.until_counted()

    async def looked_after() -> bool:
        return await consumer.metric("ranker_history_age_seconds") > 0

    await engine.until("a history that `ranker consume` looks after", looked_after)
    client = connect(redis_at(engine.redis_url))
    name = ListName("demo", "read", "long")
    keys = HistoryKeys(engine.generation.id)

    async def level() -> Any:
        """What a reader merges now, and the entry that a historian writes now; None if no list is complete."""
        read = (await Reader(client).refresh(engine.generation, 2, [name], {}, {})).lists[name]
        hour = read.span.as_of_ms // HOUR_MS
        # In the first half of an hour the consumer may have written it when it had not counted all.
        for key in (keys.settled, keys.ranks("demo", "long", "read")):
            await client.delete(key)
        metrics = ConsumerMetrics(new_registry(), ["view"])
        historian = HistoryWriter(client, engine.generation, {}, lambda: 2, lambda: hour * HOUR_MS, metrics)
        await historian.write_due(hour * HOUR_MS)
        entry = (await read_ranks(client, engine.generation.id, name, hour * HOUR_MS)).get(hour)
        return None if entry is None else ([article.decode() for _, article in read.merged.rows], entry)

    try:
        merged, entry = await engine.until("an entry of this hour", level)
    finally:
        await client.aclose()
    assert entry == merged[:PLACES]
    assert len(entry) > 50
