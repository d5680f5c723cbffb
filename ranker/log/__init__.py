"""Kafka, and the only importer of its client in the ranker."""

from functools import partialmethod

from aiokafka.protocol.metadata import MetadataRequest

# The client allows brokers to create what it asks for, at each refresh of its metadata: a missing topic would come with
# the broker's defaults, and a deleted one would come back.
MetadataRequest.__init__ = partialmethod(MetadataRequest.__init__, allow_auto_topic_creation=False)
