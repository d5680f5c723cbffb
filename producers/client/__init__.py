"""The client that sends events to Kafka."""
