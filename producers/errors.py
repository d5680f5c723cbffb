"""What can go wrong between a producer and Kafka. Each text is a sentence that says what to do."""

from __future__ import annotations


class ProducerError(Exception):
    """Kafka or the topic cannot be reached, or the producer is not open."""


class DeliveryError(ProducerError):
    """Kafka did not acknowledge a record; whether it is in the log all the same is not known."""
