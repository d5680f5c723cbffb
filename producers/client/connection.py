"""Opens Kafka's client for a topic, and closes it in bounded time whatever the broker does."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partialmethod
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from producers.errors import ProducerError
from ranker.connect.kafka import KafkaRefusedError, KafkaSettings
from ranker.connect.kafka_start import start
from ranker.service import endpoints

BATCH_BYTES = 256 * 1024
"""Size of a record batch: below the brokers' default limit of 1 MiB; larger ones are no faster."""

START_S = 15.0
"""How long a broker may take for its first reply."""

HELD_S = 300.0
"""How long a program may block its event loop before the client gives up a request whose reply has arrived."""

STOP_S = 5.0
"""How long closing may take; by then everything is acknowledged, or has failed."""

# The client's metadata requests allow brokers to create the topic: one that was deleted while a producer runs would
# come back with the broker's defaults.
MetadataRequest.__init__ = partialmethod(MetadataRequest.__init__, allow_auto_topic_creation=False)

_SENDER = logging.getLogger("aiokafka.producer.sender")


@dataclass(frozen=True)
class Connection:
    """A started client, how many partitions the topic has, and whether a retry inside the client can write twice."""

    client: Any
    partitions: int
    idempotent: bool

    async def close(self, *, failed: bool) -> None:
        """Closes; after a failure without waiting for records that the client still holds."""
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(STOP_S):
                if failed:
                    await _abort(self.client)
                else:
                    await self.client.stop()


async def connect(kafka: KafkaSettings, topic: str, delivery_s: float) -> Connection:
    """A connection for sending to `topic`; raises ProducerError if Kafka or the topic is missing.

    Idempotent (a retry inside Kafka's client writes no second record) if the broker supports it; the embedded one does
    not.
    """
    if faults := list(kafka.faults()):
        raise ProducerError(". ".join(faults) + ".")
    client, idempotent = await _start(kafka, delivery_s)
    try:
        async with asyncio.timeout(START_S):
            cluster = await client.client.fetch_all_metadata()
    except (KafkaError, TimeoutError) as error:
        await client.stop()
        raise ProducerError(
            f"Kafka at {endpoints.shown(kafka.bootstrap)} failed: {name(error)}. Check the broker, then try again."
        ) from error
    except BaseException:
        await client.stop()
        raise
    # Looked up among all topics: to request a missing topic would make some brokers create it, with wrong settings.
    partitions = cluster.partitions_for_topic(topic)
    if not partitions:
        await client.stop()
        if kafka.security_protocol != "PLAINTEXT":
            raise ProducerError(f"Kafka at {endpoints.shown(kafka.bootstrap)}: {kafka.no_topic(topic, 'Write')}.")
        raise ProducerError(
            f"Kafka at {endpoints.shown(kafka.bootstrap)} has no topic {topic}. Create it with: ranker topics apply"
        )
    return Connection(client, len(partitions), idempotent)


async def _start(kafka: KafkaSettings, delivery_s: float) -> tuple[Any, bool]:
    """A started client, and whether it is idempotent."""
    for idempotent in (True, False):
        client = AIOKafkaProducer(
            **kafka.arguments(),
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            # Longer than our own timeout, which is to end a request: the client's runs on while the loop is blocked.
            request_timeout_ms=int((delivery_s + HELD_S) * 1000),
            client_id="producers",
        )
        try:
            with _unlogged():
                async with asyncio.timeout(START_S):
                    await start(client, kafka)
        except KafkaRefusedError as error:
            await client.stop()
            raise ProducerError(f"{error}.") from error
        except (KafkaError, OSError, ValueError, TimeoutError) as error:
            await client.stop()
            # A broker that replied but refused a producer id may still accept plain records. One that is only slow,
            # as while it starts, must not lose idempotence for that.
            if idempotent and isinstance(error, KafkaError) and client.client.cluster.brokers():
                continue
            if isinstance(error, ConnectionError):  # with its own fix
                raise ProducerError(f"Kafka cannot be reached: {error}.") from error
            raise ProducerError(
                f"Kafka cannot be reached at {endpoints.shown(kafka.bootstrap)}{_why(error)}. "
                "Start a broker there, or name another with --bootstrap or RANKER_KAFKA_BOOTSTRAP."
            ) from error
        except BaseException:
            await client.stop()
            raise
        return client, idempotent
    raise AssertionError("unreachable: the second turn returns or raises")


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keeps the client's errors out of the log: a refused producer id is no error, and others are raised."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    _SENDER.addFilter(nothing)
    try:
        yield
    finally:
        _SENDER.removeFilter(nothing)


async def _abort(client: Any) -> None:
    """Ends the client's tasks and connections. Its own `stop` would wait for every batch that it still holds.

    An idempotent client retries a batch for ever, and there is no public way to make it stop.
    """
    sender = client._sender  # noqa: SLF001 - no public way
    tasks = [
        task
        for task in asyncio.all_tasks()
        if inspect.iscoroutine(work := task.get_coro()) and inspect.getcoroutinelocals(work).get("self") is sender
    ]
    for task in tasks:
        task.cancel()
    for link in client.client._conns.values():  # noqa: SLF001 - as above
        # An orderly close would wait until a hanging broker has read what was written.
        if link._writer is not None:  # noqa: SLF001 - as above
            link._writer.transport.abort()  # noqa: SLF001 - as above
    if tasks:
        await asyncio.wait(tasks)
    await client.client.close()
    client._closed = True  # noqa: SLF001 - else it warns that `stop` was not called


def _why(error: BaseException) -> str:
    """The part of the message after "cannot be reached", with its punctuation."""
    if isinstance(error, KafkaConnectionError):
        return ""
    return f": no answer within {START_S:.0f} s" if isinstance(error, TimeoutError) else f": {name(error)}"


def name(error: BaseException) -> str:
    """An error in few words. Kafka's errors begin with their own name."""
    return str(error).strip().rstrip(".") or type(error).__name__
