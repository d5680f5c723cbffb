"""The errors between a producer and Kafka. Each message names the fix."""

from __future__ import annotations


class ProducerError(Exception):
    """Kafka or the topic cannot be reached, or the producer is not open."""


class DeliveryError(ProducerError):
    """Kafka did not acknowledge a record; it may be in the log all the same."""
