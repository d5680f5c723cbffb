"""The errors between a process and Kafka, as the rest of the code handles them; and how a client is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import errors

from ranker.connect.kafka import KafkaRefusedError


class LogUnavailableError(Exception):
    """Kafka does not answer: retry the same call."""


class OffsetOutsideError(Exception):
    """The requested offset is not in the partition's log (any more, or yet)."""


class LogRefusedError(Exception):
    """Kafka refuses the request (authorisation, unknown topic, …): the message says what to do."""


_REFUSED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.AuthenticationFailedError,
    errors.SaslAuthenticationFailed,
    errors.TransactionalIdAuthorizationFailed,
    errors.InvalidTopicError,
)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError) as error:
        raise OffsetOutsideError(str(error)) from error
    except (errors.MessageSizeTooLargeError, errors.RecordTooLargeError) as error:
        raise LogRefusedError(
            f"Kafka refuses a record for its size ({error}); raise max.message.bytes of the topic that it goes to"
        ) from error
    except KafkaRefusedError as error:
        raise LogRefusedError(str(error)) from error
    except _REFUSED as error:
        raise LogRefusedError(f"Kafka refuses: {error}; grant the right or correct the topic's name") from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailableError(f"Kafka is not available: {str(error) or type(error).__name__}") from error


async def stop(client: Any) -> None:
    """The client's own `stop`; raises CancelledError only if this task is cancelled meanwhile.

    A client whose broker is away waits for tasks that it has cancelled itself, and raises their CancelledError: the
    caller would end as if it had been cancelled.
    """
    task = asyncio.current_task()
    assert task is not None  # every coroutine of ours runs in one
    before = task.cancelling()
    try:
        await client.stop()
    except asyncio.CancelledError:
        if task.cancelling() > before:
            raise
        # `stop` ended there, and would again: still open are its connections and the task that updates metadata.
        connections = client._client if hasattr(client, "_client") else client.client  # noqa: SLF001  # no other way
        await connections.close()
