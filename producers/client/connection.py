"""Kafka's client for a topic: opened patiently, closed in bounded time whatever the broker does."""

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
from ranker.service import endpoints

BATCH_BYTES = 256 * 1024
"""Size of a record batch: below the 1 MiB that brokers accept unasked; larger ones are no faster."""

START_S = 15.0
"""How long a broker may take to answer the first time."""

HELD_S = 300.0
"""How long a program may hold its loop without a request being given up that was answered meanwhile."""

STOP_S = 5.0
"""How long closing may take; everything was acknowledged before, or the failure is already known."""

# The client allows brokers to create what it asks for, at each refresh of its metadata: a topic that was deleted under
# a producer would come back with the broker's defaults.
MetadataRequest.__init__ = partialmethod(MetadataRequest.__init__, allow_auto_topic_creation=False)

_SENDER = logging.getLogger("aiokafka.producer.sender")


@dataclass(frozen=True)
class Connection:
    """A started client, how many partitions the topic has, and whether a retry inside the client can write twice."""

    client: Any
    partitions: int
    idempotent: bool

    async def close(self, *, failed: bool) -> None:
        """Close; after a failure without waiting for what the client still holds, and without another attempt."""
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(STOP_S):
                if failed:
                    await _abort(self.client)
                else:
                    await self.client.stop()


async def connect(bootstrap: str, topic: str, delivery_s: float) -> Connection:
    """A connection for sending to `topic`; raises ProducerError where Kafka or the topic is missing.

    Idempotent (a retry inside Kafka's client writes no second record) where the broker can; the embedded one cannot.
    """
    if "@" in bootstrap:
        raise ProducerError(
            f"Kafka's address {endpoints.shown(bootstrap)} holds a user or a password, which it does not take. "
            "Write HOST:PORT."
        )
    client, idempotent = await _start(bootstrap, delivery_s)
    try:
        async with asyncio.timeout(START_S):
            cluster = await client.client.fetch_all_metadata()
    except (KafkaError, TimeoutError) as error:
        await client.stop()
        raise ProducerError(
            f"Kafka at {endpoints.shown(bootstrap)} failed: {name(error)}. Check the broker, then try again."
        ) from error
    except BaseException:
        await client.stop()
        raise
    # Asked for among all topics: naming a missing topic would make some brokers create it, with wrong settings.
    partitions = cluster.partitions_for_topic(topic)
    if not partitions:
        await client.stop()
        raise ProducerError(
            f"Kafka at {endpoints.shown(bootstrap)} has no topic {topic}. Create it with: ranker topics apply"
        )
    return Connection(client, len(partitions), idempotent)


async def _start(bootstrap: str, delivery_s: float) -> tuple[Any, bool]:
    """A started client, and whether it is idempotent."""
    for idempotent in (True, False):
        client = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            # Longer than any clock of ours, which shall end a request: the client's runs while the loop is held.
            request_timeout_ms=int((delivery_s + HELD_S) * 1000),
            client_id="producers",
        )
        try:
            with _unlogged():
                async with asyncio.timeout(START_S):
                    await client.start()
        except (KafkaError, OSError, ValueError, TimeoutError) as error:
            await client.stop()
            # A broker that was reached and refused a producer id may still take plain records. One that only takes
            # long, as while it starts, is not to be given up for that.
            if idempotent and isinstance(error, KafkaError) and client.client.cluster.brokers():
                continue
            raise ProducerError(
                f"Kafka cannot be reached at {endpoints.shown(bootstrap)}{_why(error)}. "
                "Start a broker there, or name another with --bootstrap or RANKER_KAFKA_BOOTSTRAP."
            ) from error
        except BaseException:
            await client.stop()
            raise
        return client, idempotent
    raise AssertionError("unreachable: the second turn returns or raises")


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the client's errors out of the log: a refused producer id is none, and others are in the error raised."""

    def nothing(_: logging.LogRecord) -> bool:
        return False

    _SENDER.addFilter(nothing)
    try:
        yield
    finally:
        _SENDER.removeFilter(nothing)


async def _abort(client: Any) -> None:
    """End the client's tasks and connections. Its own `stop` would wait for every batch that it still holds.

    An idempotent client tries a batch again for ever, and there is no public way to make it stop.
    """
    sender = client._sender  # noqa: SLF001 - as said
    tasks = [
        task
        for task in asyncio.all_tasks()
        if inspect.iscoroutine(work := task.get_coro()) and inspect.getcoroutinelocals(work).get("self") is sender
    ]
    for task in tasks:
        task.cancel()
    for link in client.client._conns.values():  # noqa: SLF001 - as above
        # Closed politely, a connection waits until a broker that hangs has read what was written.
        if link._writer is not None:  # noqa: SLF001 - as above
            link._writer.transport.abort()  # noqa: SLF001 - as above
    if tasks:
        await asyncio.wait(tasks)
    await client.client.close()
    client._closed = True  # noqa: SLF001 - else it warns that nobody called `stop`


def _why(error: BaseException) -> str:
    """What adds to "cannot be reached", with its own punctuation."""
    if isinstance(error, KafkaConnectionError):
        return ""
    return f": no answer within {START_S:.0f} s" if isinstance(error, TimeoutError) else f": {name(error)}"


def name(error: BaseException) -> str:
    """An error in few words. Those of Kafka begin with their own name."""
    return str(error).strip().rstrip(".") or type(error).__name__
