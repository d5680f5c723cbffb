"""The store's clock, for the wall clock that must not be one fast process' alone."""

from __future__ import annotations

from ranker.store.connection import Client, redis_time_ms
from ranker.store.errors import translated


async def store_time_ms(client: Client) -> int:
    """Redis' clock, milliseconds since the epoch; StoreUnavailableError where it does not answer."""
    with translated():
        return await redis_time_ms(client)
