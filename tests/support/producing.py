"""Events of a producer and a broker that keeps silent."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import orjson

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.waiting import until_async
from producers import PageView, Producer
from producers.client.batches import Outbox


def view(article: str, **fields: Any) -> PageView:
    return PageView(site_id="demo", article_id=article, **fields)


def events(records: list[Any]) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in records]


async def until_stuck(producer: Producer, sending: asyncio.Future[Any]) -> None:
    """Wait until a sender has filled all that there is room for in one partition."""

    async def stuck() -> bool:
        assert not sending.done()
        return any(all(three(outbox)) for outbox in producer._outboxes)

    await until_async("A sender without room", stuck)


def three(outbox: Outbox) -> list[Any]:
    return [outbox.under_way, outbox.waiting, outbox.filling.builder.closed()]


@contextlib.contextmanager
def silent(broker: ApacheKafka) -> Iterator[None]:
    """The broker keeps its connections and answers nothing."""
    broker.suspend()
    try:
        yield
    finally:
        broker.resume()
