"""Rejected records go to a topic of their own, with their original bytes, before the step that passes them.

A letter that is too large to be kept has the first bytes of its value only, and the headers `size` (bytes of the whole
value, empty if nobody has seen its end) and `sha256` (of the whole value); `key_size` stands beside a key that was cut.
Headers of the record that [source] reads are kept, each under its name with `RECORD` before it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from ranker.connect.kafka import KafkaSettings
from ranker.connect.kafka_start import start
from ranker.core.partial_counts import KEPT_BYTES, Rejected
from ranker.log.delivery import deliver
from ranker.log.errors import LogUnavailableError, stop, translated

log = logging.getLogger(__name__)

MAX_BYTES = 8 << 20
"""As the topic's max.message.bytes (schemas/topics): room for 1 MiB of a record and its headers."""
RECORD = "record."
_SMALLER = (MAX_BYTES, KEPT_BYTES, 4096, 0)
"""Bytes of value and key with which a letter is tried, alone, if Kafka refuses it for its size."""
_FOR_SIZE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError, errors.RecordTooLargeError)


class DeadLetters:
    """Writes with acks=all. The key is topic/partition/offset, so compaction keeps one letter for a record."""

    def __init__(self, kafka: KafkaSettings, source: str) -> None:
        self._topic = f"{source}.dead"
        self._source = source
        self._kafka = kafka
        self._make_producer()

    def _make_producer(self) -> None:
        self._producer = AIOKafkaProducer(
            **self._kafka.arguments(), client_id="ranker-dead", acks="all", max_request_size=MAX_BYTES
        )

    async def start(self) -> None:
        """May be called again after LogUnavailableError."""
        try:
            with translated():
                await start(self._producer, self._kafka)
        except LogUnavailableError:
            await self.stop()
            self._make_producer()  # one that was not started cannot be started again
            raise

    async def stop(self) -> None:
        await stop(self._producer)

    async def write(self, partition: int, rejected: Sequence[Rejected]) -> None:
        """Returns once Kafka has acknowledged every one of them, those that it refuses for their size cut.

        A letter that is refused without any content is logged instead: no size stops a partition.
        """
        with translated("Write"), self._existing():
            for letter in await self._refused(partition, rejected):
                for most in _SMALLER:
                    if not await self._refused(partition, [letter.shortened(most, most)]):
                        break
                else:
                    log.error(
                        "dead letter refused: raise max.message.bytes of the topic",
                        extra={"topic": self._topic, "position": f"{partition}/{letter.offset}", "why": letter.reason},
                    )

    @contextlib.contextmanager
    def _existing(self) -> Iterator[None]:
        try:
            yield
        except errors.UnknownTopicOrPartitionError as error:
            raise LogUnavailableError(self._kafka.no_topic(self._topic, "Write")) from error

    async def _refused(self, partition: int, rejected: Sequence[Rejected]) -> list[Rejected]:
        """Those that Kafka does not take because they are too large, alone or together."""
        outcomes = await deliver(self._producer, self._records(partition, rejected))
        for error in outcomes:
            if error is not None and not isinstance(error, _FOR_SIZE):
                raise error
        return [letter for letter, error in zip(rejected, outcomes, strict=True) if error is not None]

    def _records(self, partition: int, rejected: Iterable[Rejected]) -> Iterable[dict[str, Any]]:
        for letter in rejected:
            position = f"{self._source}/{partition}/{letter.offset}".encode()
            headers: list[tuple[str, bytes | None]] = [
                ("reason", letter.reason.encode()),
                ("position", position),
                ("append_ms", str(letter.append_ms).encode()),
                ("key", letter.key or b""),
            ]
            if letter.cut is not None:
                headers.append(("size", b"" if letter.cut.size is None else str(letter.cut.size).encode()))
                if letter.cut.sha256 is not None:
                    headers.append(("sha256", letter.cut.sha256.encode()))
            if letter.key_size is not None:
                headers.append(("key_size", str(letter.key_size).encode()))
            headers += ((RECORD + name, value) for name, value in letter.headers)
            yield {
                "topic": self._topic,
                "key": position,
                "value": letter.value or b"",  # a null value would be a tombstone
                "headers": headers,
            }
