"""How a step or a partition can end. Each error is caught in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import Enum

from ranker.core.step import Reply


class RefusedError(Exception):
    """`advance` did nothing: the stored version is not ours. Caught by the worker, which opens its gate again."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.value)
        self.reply = reply


class UnfitStoreError(Exception):
    """Redis has settings that would lose counts. Caught by the command, which ends with the message."""


class Stop(Enum):
    """Why a partition is stopped until an operator decides. The values are labels of a metric."""

    FOREIGN_LOG = "foreign_log"
    STATE = "state"
    """The state was dropped, has another format, or is evicted as soon as it is written."""
    UNREADABLE = "unreadable"
    FOLD = "fold"
    CREATE_TIME = "create_time"
    BAD_RECORDS = "bad_records"
    TIMESTAMP = "timestamp"
    """A record's append time is none, so nothing says whether it counts."""
    SCHEMA = "schema"
    """The schema registry does not have the schema of a record."""
    REFUSED = "refused"
    """Kafka refuses a request that the partition needs."""


class PartitionStoppedError(Exception):
    """A partition cannot continue without a decision of its operators; the others do. Caught by the worker."""

    def __init__(self, why: str, stop: Stop) -> None:
        super().__init__(why)
        self.stop = stop


@contextlib.contextmanager
def panics_stop(partition: int, drop: Callable[[], None]) -> Iterator[None]:
    """A panic of the kernel that merges, routes or packs the partition's counts becomes why the partition stops.

    `drop` forgets the counts, which may be merged by half.
    """
    try:
        yield
    except RuntimeError as error:
        if "panic in the kernel" not in str(error):
            raise
        drop()
        raise PartitionStoppedError(
            f"partition {partition}: its counts cannot be made a step ({error}); this is a fault of the software: "
            "please report it",
            Stop.FOLD,
        ) from error
