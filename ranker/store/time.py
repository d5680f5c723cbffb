"""The store's clock: together with the process' own it makes the wall clock (core/watermark.py)."""

from __future__ import annotations

from ranker.store.connection import Client, redis_time_ms
from ranker.store.errors import translated


async def store_time_ms(client: Client) -> int:
    """Redis' clock, milliseconds since the epoch; StoreUnavailableError if it does not answer."""
    with translated():
        return await redis_time_ms(client)
