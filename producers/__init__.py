"""Programs that emit page views and articles, and the client that they use. They share only `schemas` with what counts.

In a program of your own: `from producers import PageView, Producer`, as docs/producers/README.md shows.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producers.client.batches import Delivery
    from producers.client.producer import Producer
    from producers.errors import DeliveryError, ProducerError
    from producers.event import InvalidEventError, PageView
    from schemas.article_id import IdRule

__all__ = [
    "Delivery",
    "DeliveryError",
    "IdRule",
    "InvalidEventError",
    "KafkaSettings",
    "PageView",
    "Producer",
    "ProducerError",
]

_PLACES = {
    "Delivery": "producers.client.batches",
    "DeliveryError": "producers.errors",
    "IdRule": "schemas.article_id",
    "InvalidEventError": "producers.event",
    "KafkaSettings": "ranker.connect.kafka",
    "PageView": "producers.event",
    "Producer": "producers.client.producer",
    "ProducerError": "producers.errors",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is: Kafka's client takes 0.2 s to import, which --help need not pay."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
