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

__all__ = ["Delivery", "DeliveryError", "InvalidEventError", "PageView", "Producer", "ProducerError"]

_PLACES = {
    "Delivery": "client.batches",
    "DeliveryError": "errors",
    "InvalidEventError": "event",
    "PageView": "event",
    "Producer": "client.producer",
    "ProducerError": "errors",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is: Kafka's client takes 0.2 s to import, which --help need not pay."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
