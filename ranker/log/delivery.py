"""Sends records through Kafka's producer and waits for every outcome, so that none is left unread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import errors


async def deliver(producer: Any, records: Iterable[dict[str, Any]]) -> list[BaseException | None]:
    """The outcome of each record, in order: None if it was acknowledged, or the error.

    Raises the error that ends the sending; records sent before it are waited for all the same.
    """
    deliveries: list[asyncio.Future[Any]] = []
    try:
        for record in records:
            try:
                deliveries.append(await producer.send(**record))
            except errors.MessageSizeTooLargeError as error:  # from the client itself: concerns this record alone
                deliveries.append(asyncio.get_running_loop().create_future())
                deliveries[-1].set_exception(error)
    except errors.KafkaError:
        await asyncio.gather(*deliveries, return_exceptions=True)
        raise
    except asyncio.CancelledError:
        # The caller's time is over: an unresponsive broker may never acknowledge the records sent before.
        for delivery in deliveries:
            delivery.cancel()
        raise
    outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
    return [outcome if isinstance(outcome, BaseException) else None for outcome in outcomes]
