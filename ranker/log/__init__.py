"""Kafka, and the only importer of its client in the ranker."""

from functools import partialmethod

from aiokafka.protocol.metadata import MetadataRequest

# The client's metadata requests allow brokers to create the topic: a missing one would get the broker's defaults, and a
# deleted one would come back.
MetadataRequest.__init__ = partialmethod(MetadataRequest.__init__, allow_auto_topic_creation=False)
