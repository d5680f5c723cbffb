"""The errors between a process and Kafka, as the rest of the code handles them; and how a client is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import errors

from ranker.connect.kafka import KafkaRefusedError, grant


class LogUnavailableError(Exception):
    """Kafka does not answer: retry the same call."""


class OffsetOutsideError(Exception):
    """The requested offset is not in the partition's log (any more, or yet)."""


class LogRefusedError(Exception):
    """Kafka refuses the request (authorisation, unknown topic, …): the message says what to do."""


class NoTopicError(LogRefusedError):
    """There is no such topic, or none that this user may see."""


_REFUSED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
)


@contextmanager
def translated(operation: str = "Read") -> Iterator[None]:
    """Turns the client's exceptions into ours. `operation` is the right on topics that the block needs."""
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
    except errors.InvalidTopicError as error:
        raise LogRefusedError(f"Kafka does not take this topic's name: {error}; correct it in ranker.toml") from error
    except _REFUSED as error:
        raise LogRefusedError(f"Kafka refuses this user a right; {grant(_right(error, operation))}") from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailableError(f"Kafka is not available: {str(error) or type(error).__name__}") from error


def _right(error: errors.KafkaError, operation: str) -> str:
    """The right that is missing, as Kafka's own tool names it; the client gives the resource alone."""
    given = error.args[0] if error.args else ""
    name = ", ".join(sorted(given)) if isinstance(given, (set, frozenset, list, tuple)) else str(given)
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return f"{operation} on topic {name}"
    if isinstance(error, errors.GroupAuthorizationFailedError):
        return f"Read on group {name}"
    if isinstance(error, errors.TransactionalIdAuthorizationFailed):
        return f"Write on transactional id {name}"
    return f"{operation} on the cluster"


def refused(what: str, code: int, message: str | None, right: str) -> LogRefusedError:
    """The error of a reply with this code; `right` is what the request needs."""
    if errors.for_code(code) in _REFUSED:
        return LogRefusedError(f"{what}; {grant(right)}")
    return LogRefusedError(f"{what}: {message or errors.for_code(code).__name__}")


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
