"""Stops a partition at records that cannot be counted, or must not be without an operator's decision."""

from __future__ import annotations

from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.log.aiokafka_patch import Chunk, UnreadableBatchError


def check_chunk(partition: int, chunk: Chunk, *, accept_create_time: bool) -> None:
    """Raises PartitionStoppedError if the chunk was not read or folded, or carries the producers' own times."""
    if chunk.error is not None:
        where = f"partition {partition}: offsets {chunk.start} and on"
        if isinstance(chunk.error, UnreadableBatchError):
            raise PartitionStoppedError(f"{where} cannot be read: {chunk.error}", Stop.UNREADABLE) from chunk.error
        raise PartitionStoppedError(
            f"{where} cannot be folded ({type(chunk.error).__name__}: {chunk.error}); this is a fault of the "
            "software: please report it",
            Stop.FOLD,
        ) from chunk.error
    if chunk.create_time and not accept_create_time:
        raise PartitionStoppedError(
            f"partition {partition}: records carry their producer's time (CreateTime); set "
            "message.timestamp.type=LogAppendTime (ranker topics apply does), or accept_create_time = true in "
            "ranker.toml if late and future may be as wrong as the producers' clocks; the embedded broker ignores "
            "the former, so set RANKER_ENV=development with it, which accepts these times",
            Stop.CREATE_TIME,
        )
