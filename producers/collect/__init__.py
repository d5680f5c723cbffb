"""The HTTP collector in front of Kafka (schemas/openapi-collector.yaml)."""
