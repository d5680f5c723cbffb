"""Handing records to Kafka's producer and waiting for every one, so that no outcome is left that nobody looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import errors


async def deliver(producer: Any, records: Iterable[dict[str, Any]]) -> list[BaseException | None]:
    """What became of each record, in their order: None once it is acknowledged, or why it is not.

    Raises what ends the handing over; those handed over before are waited for all the same.
    """
    deliveries: list[asyncio.Future[Any]] = []
    try:
        for record in records:
            try:
                deliveries.append(await producer.send(**record))
            except errors.MessageSizeTooLargeError as error:  # by the client itself: this record's affair alone
                deliveries.append(asyncio.get_running_loop().create_future())
                deliveries[-1].set_exception(error)
    except errors.KafkaError:
        await asyncio.gather(*deliveries, return_exceptions=True)
        raise
    except asyncio.CancelledError:
        # The caller's time is over: a broker that is silent may never answer for those handed over before.
        for delivery in deliveries:
            delivery.cancel()
        raise
    outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
    return [outcome if isinstance(outcome, BaseException) else None for outcome in outcomes]
