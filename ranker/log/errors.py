"""What can go wrong between a process and Kafka, in the words that the rest of the code acts on; and closing a
client whatever its broker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import errors


class LogUnavailableError(Exception):
    """Kafka does not answer: try the same thing again."""


class OffsetOutsideError(Exception):
    """A partition was asked for an offset that its log does not have (any more, or yet)."""


class LogRefusedError(Exception):
    """Kafka answers and says no (authorisation, unknown topic, …): the message says what to do."""


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
    except _REFUSED as error:
        raise LogRefusedError(f"Kafka refuses: {error}; grant the right or correct the topic's name") from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailableError(f"Kafka is not available: {str(error) or type(error).__name__}") from error


async def stop(client: Any) -> None:
    """The client's own `stop`; raises CancelledError only where this task is cancelled meanwhile.

    A client whose broker is away waits for tasks that it has cancelled itself, and hands their CancelledError on: the
    caller would end as if somebody had asked for it.
    """
    task = asyncio.current_task()
    assert task is not None  # every coroutine of ours runs in one
    asked = task.cancelling()
    try:
        await client.stop()
    except asyncio.CancelledError:
        if task.cancelling() > asked:
            raise
        # It went no further, and would not again: what is left are its connections and the task that keeps metadata.
        connections = client._client if hasattr(client, "_client") else client.client  # noqa: SLF001  # no other way
        await connections.close()
