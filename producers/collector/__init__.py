"""The HTTP collector: page views from browsers and servers, into Kafka or onto the disk."""
