"""Kafka for operators' commands: reads, creates and alters topics, and shows the brokers' clocks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from ranker.connect.kafka import KafkaSettings, grant
from ranker.connect.kafka_start import find_fault, start
from ranker.log import groups, record_batches
from ranker.log.alter_configs import AlterTopic
from ranker.log.errors import LogRefusedError, LogUnavailableError, refused, stop, translated
from ranker.log.groups import Group
from ranker.log.sample import sample

_ANSWER_MS = 10_000
_TOPICS_OWN = 1
"""DYNAMIC_TOPIC_CONFIG: the source of a setting that was given to the topic itself."""
_SAMPLE_BYTES = 32 << 20
"""Of the newest records that are read, at most."""
_FETCH_BYTES = 65_536
_POLL_MS = 100


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is. `config` has the settings that the broker reports: all (Apache Kafka), or those given.

    `replicas` and `in_sync` are those of the partition that has the fewest; `leaders` are brokers, by partition.
    `chosen` are the settings that were given to the topic itself; the others are the broker's defaults.
    """

    name: str
    partitions: int
    replicas: int
    config: dict[str, str]
    in_sync: int = 1
    leaders: Mapping[int, int] = field(default_factory=dict)
    chosen: frozenset[str] = frozenset()


class Stamp(NamedTuple):
    """A record's append time by its broker's clock, and the last time by ours when it was not yet committed (ms)."""

    partition: int
    at_ms: int
    since_ms: int


class Sample(NamedTuple):
    """Records of a partition that holds the offsets [begin, end)."""

    begin: int
    end: int
    records: Sequence[ConsumerRecord]


class LogAdmin:
    """One connection to the cluster, for the length of a command. LogUnavailableError if Kafka does not answer."""

    def __init__(self, kafka: KafkaSettings, client: Any) -> None:
        self._kafka = kafka
        self._client = client

    async def brokers(self) -> int:
        with translated():
            return len((await self._client.describe_cluster())["brokers"])

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Those of `names` that exist. Never requests one that does not: some brokers would create it."""
        with translated():
            wanted = sorted(set(names) & set(await self._client.list_topics()))
            if not wanted:
                return {}
            described = {topic["topic"]: topic["partitions"] for topic in await self._client.describe_topics(wanted)}
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in wanted]
            configs: dict[str, dict[str, str]] = {name: {} for name in wanted}
            chosen: dict[str, frozenset[str]] = {}
            for response in await self._client.describe_configs(resources):
                for error, message, _, name, entries in response.resources:
                    if error:
                        raise refused(
                            f"the settings of topic {name} cannot be read",
                            error,
                            message,
                            f"DescribeConfigs on topic {name}",
                        )
                    configs[name] = {entry[0]: entry[1] for entry in entries}
                    chosen[name] = frozenset(entry[0] for entry in entries if entry[3] == _TOPICS_OWN)
        return {
            name: TopicState(
                name,
                len(described[name]),
                min((len(partition["replicas"]) for partition in described[name]), default=0),
                configs[name],
                min((len(partition["isr"]) for partition in described[name]), default=0),
                {partition["partition"]: partition["leader"] for partition in described[name]},
                chosen.get(name, frozenset()),
            )
            for name in wanted
        }

    async def members(self, group: str) -> dict[str, str]:
        """Member ids of a consumer group to the client ids they gave, empty ones if the broker does not report them."""
        return {member.id: member.client_id for member in (await groups.members(self._client, group, ""))[1]}

    async def group(self, name: str, topic: str) -> Group:
        """A consumer group on a topic; one that does not exist has no members. LogRefusedError if that is refused."""
        state, members = await groups.members(self._client, name, topic)
        return Group(state, members, await groups.committed(self._client, name, topic))

    async def ends(self, name: str, partitions: int) -> dict[int, int]:
        """The offset behind the last record of each partition."""
        async with self._reading() as consumer:
            found = await consumer.end_offsets(_places(name, partitions))
        return {place.partition: end for place, end in found.items()}

    async def create(self, name: str, partitions: int, replicas: int, config: Mapping[str, str]) -> bool:
        """Creates a topic and waits until brokers know it; False if it existed.

        Raises LogRefusedError with the broker's message if it refuses.
        """
        topic = NewTopic(name, partitions, replicas, topic_configs=dict(config))
        with translated():
            response = await self._client.create_topics([topic])
        _, code, message = response.topic_errors[0]
        if code == TopicAlreadyExistsError.errno:
            return False
        if code:
            raise refused(f"Kafka did not create topic {name}", code, message, f"Create on topic {name}")
        await self._wait_until_known(name, partitions)
        return True

    async def add_partitions(self, name: str, partitions: int) -> None:
        """Raises a topic to `partitions` in all and waits until brokers know them. LogRefusedError if refused."""
        with translated():
            try:
                await self._client.create_partitions({name: NewPartitions(partitions)})
            except IncompatibleBrokerVersion:
                raise LogRefusedError(f"this broker cannot add partitions to {name}; create it anew") from None
            except KafkaError as error:
                if error.retriable:
                    raise
                if isinstance(error, TopicAuthorizationFailedError):
                    raise LogRefusedError(f"Kafka did not add partitions; {grant(f'Alter on topic {name}')}") from error
                raise LogRefusedError(f"Kafka did not add partitions to {name}: {error}") from error
        await self._wait_until_known(name, partitions)

    async def alter(self, name: str, settings: Mapping[str, str]) -> None:
        """Sets these settings of a topic, leaves its others, and waits until brokers know them.

        Raises LogRefusedError with the broker's message if it refuses.
        """
        with translated():
            response = await self._client._send_request(AlterTopic(name, settings))  # noqa: SLF001  # no other way
        ((code, message, _, _),) = response.responses
        if code:
            raise refused(f"Kafka did not alter topic {name}", code, message, f"AlterConfigs on topic {name}")
        with translated():
            async with asyncio.timeout(_ANSWER_MS / 1000):
                while not await self._has(name, settings):  # noqa: ASYNC110  # as below
                    await asyncio.sleep(0.02)

    async def _has(self, name: str, settings: Mapping[str, str]) -> bool:
        state = (await self.topics([name])).get(name)
        return state is not None and settings.items() <= state.config.items()

    async def _wait_until_known(self, name: str, partitions: int) -> None:
        """Waits for the brokers: they know a change some milliseconds after the controller has acknowledged it."""
        with translated():
            async with asyncio.timeout(_ANSWER_MS / 1000):
                while await self._partitions(name) < partitions:  # noqa: ASYNC110  # Kafka has no event to wait for
                    await asyncio.sleep(0.02)

    async def _partitions(self, name: str) -> int:
        if name not in await self._client.list_topics():
            return 0
        return sum(len(topic["partitions"]) for topic in await self._client.describe_topics([name]))

    @contextlib.asynccontextmanager
    async def _reading(self, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer without a group, for the length of the block."""
        record_batches.install()
        consumer = AIOKafkaConsumer(
            **self._kafka.arguments(),
            group_id=None,
            enable_auto_commit=False,
            request_timeout_ms=_ANSWER_MS,
            **options,
        )
        with translated():
            try:
                await start(consumer, self._kafka)
                yield consumer
            finally:
                await stop(consumer)

    async def newest_after(self, name: str, partitions: int, moment_ms: int) -> int | None:
        """The largest timestamp of the partitions' first records at or after `moment_ms`; None if there are none.

        With a moment ahead of our clock, and a topic with the brokers' times, a result means that a broker's clock is
        ahead. (Kafka has no request for a broker's time.)
        """
        async with self._reading() as consumer:
            found = await consumer.offsets_for_times(dict.fromkeys(_places(name, partitions), moment_ms))
        # The embedded broker replies 0 to every such request.
        return max(
            (at.timestamp for at in found.values() if at is not None and at.timestamp >= moment_ms), default=None
        )

    async def samples(self, name: str, partitions: int) -> dict[int, Sample]:
        """A sample of each partition's log, by its number, of as many as come within 10 s."""
        found: dict[int, Sample] = {}
        options = {"auto_offset_reset": "earliest", "max_partition_fetch_bytes": _FETCH_BYTES}
        async with self._reading(**options) as consumer:
            places = _places(name, partitions)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_MS / 1000):
                    for place in places:
                        begin, end = begins[place], ends[place]
                        consumer.assign([place])
                        records = await sample(consumer, place, begin, end) if begin < end else []
                        found[place.partition] = Sample(begin, end, records)
        return found

    async def newest(self, name: str, partitions: int, each: int) -> list[ConsumerRecord]:
        """The last `each` records of every partition, as far as they come within 10 s and 32 MiB."""
        found: list[ConsumerRecord] = []
        left_bytes = _SAMPLE_BYTES
        async with self._reading(auto_offset_reset="earliest") as consumer:  # if retention deletes them first
            places = _places(name, partitions)
            begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            consumer.assign([place for place in places if ends[place] > begins[place]])
            for place in consumer.assignment():
                consumer.seek(place, max(begins[place], ends[place] - each))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_MS / 1000):
                    for place in consumer.assignment():
                        while left_bytes > 0 and await consumer.position(place) < ends[place]:
                            fetched = await consumer.getmany(place, timeout_ms=100, max_records=1)
                            found += (some := fetched.get(place, []))
                            left_bytes -= sum(len(record.value or b"") for record in some)
        return found

    async def follow(
        self, name: str, partitions: int, seconds: float, now_ms: Callable[[], int], enough: Callable[[Stamp], bool]
    ) -> None:
        """Passes the stamps of records appended from now on to `enough`, until it returns True or the time is over."""
        known: list[tuple[int, Mapping[TopicPartition, int]]] = []
        async with self._reading(max_partition_fetch_bytes=_FETCH_BYTES) as consumer:
            places = _places(name, partitions)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                known.append((now_ms(), await consumer.end_offsets(places)))
                if len(known) == 1:
                    consumer.assign(places)
                    for place, end in known[0][1].items():
                        consumer.seek(place, end)
                for place, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                    for record in records:
                        since_ms = max(at_ms for at_ms, ends in known if ends[place] <= record.offset)
                        if enough(Stamp(place.partition, record.timestamp, since_ms)):
                            return


def _places(name: str, partitions: int) -> list[TopicPartition]:
    return [TopicPartition(name, partition) for partition in range(partitions)]


@contextlib.asynccontextmanager
async def connected(kafka: KafkaSettings) -> AsyncIterator[LogAdmin]:
    """A LogAdmin for the length of the block."""
    client = AIOKafkaAdminClient(**kafka.arguments(), client_id="ranker-admin", request_timeout_ms=_ANSWER_MS)
    try:
        with translated():
            await start(client, kafka)
        try:
            yield LogAdmin(kafka, client)
        except LogUnavailableError as error:
            if (fault := await find_fault(kafka)) is None:
                raise
            raise LogUnavailableError(f"Kafka is not available: {fault.sentence}") from error
    finally:
        await client.close()
