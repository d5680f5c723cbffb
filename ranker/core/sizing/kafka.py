"""Kafka's storage, and the bytes that go from machine to machine."""

from __future__ import annotations

from dataclasses import dataclass

from ranker.core.generation import Generation
from ranker.core.sizing.load import Load, keys_per_event
from ranker.core.sizing.processes import kept, places, steps

EVENT_BYTES = 239
"""The value of a page view as the collector writes it, without ids of article and site: event_id of 32 characters,
repeat_key of 16, producer_id of 24, a time, a sequence of 7. visitor_id would be 48 more."""
RECORD_BYTES, BATCH_BYTES = 10, 61
"""Kafka's own: a record's lengths, time and offset; a batch's head. Producers here do not compress."""
LINGER_S = 0.02
"""A batch has what comes in so long, a round trip to Kafka."""
ANSWER_BYTES = 4_200
"""A list of ten with titles, 3,631 bytes, and heads (docs/reports/bench-2026-11-24.md, reader)."""
STEP_BYTES = 600
"""Of a step beside its counts: names of keys, versions."""
CHANGES_S = 1.0
"""A stream sends a list so often at most."""


@dataclass(frozen=True)
class Storage:
    """Bytes on disk, all copies together."""

    page_views: float
    articles: float

    @property
    def whole(self) -> float:
        return self.page_views + self.articles


@dataclass(frozen=True)
class Network:
    """Bytes a second in the busiest hours."""

    into_kafka: float
    between_brokers: float
    to_consumers: float
    to_redis: float
    to_readers: float
    to_clients: float

    @property
    def inside(self) -> float:
        return self.into_kafka + self.between_brokers + self.to_consumers + self.to_redis + self.to_readers


def record_bytes(load: Load) -> float:
    """A record of the topic page-views on disk, with its share of its batch."""
    key = load.site_bytes + 1 + load.id_bytes
    value = EVENT_BYTES + load.site_bytes + load.id_bytes
    of_batch = max(1.0, load.rate / load.partitions / max(1, load.members) * LINGER_S)
    return RECORD_BYTES + (key >= 64) + (value >= 8192) + key + value + BATCH_BYTES / of_batch


def storage(load: Load) -> Storage:
    """What the topics take when their retention is full. Dead letters and documents of periods are small beside it."""
    key = load.site_bytes + 1 + load.id_bytes
    return Storage(
        load.rate * load.retention_s * record_bytes(load) * load.replicas,
        load.catalogue * (key + load.record_bytes + RECORD_BYTES + BATCH_BYTES) * 2 * load.replicas,
    )


def network(load: Load, generation: Generation, readers: int) -> Network:
    """In the busiest hours. Every copy of Redis, and every other generation that is counted, comes on top."""
    into = load.peak_rate * record_bytes(load)
    a_batch = load.popularity.distinct(load.peak_rate * load.flush_s) / load.flush_s
    leaving = load.popularity.distinct(load.rate * generation.windows[0].grain_ms / 1000)
    leaving *= 1000 / generation.windows[0].grain_ms
    entry = load.id_bytes + 4
    to_redis = (a_batch + leaving) * entry * (1 + len(generation.windows)) + load.peak_rate * 8 * keys_per_event(
        load, generation
    )
    to_redis += (steps(load, generation) + load.partitions) * STEP_BYTES
    a_refresh = kept(load) * (places(load) * (load.id_bytes + 12) + load.partitions * 200)
    return Network(
        into,
        into * (load.replicas - 1),
        into,
        to_redis,
        a_refresh / load.refresh_s * readers,
        load.requests * ANSWER_BYTES + load.streams * ANSWER_BYTES / CHANGES_S,
    )
