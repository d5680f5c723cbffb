"""`producers collect`: the HTTP collector in front of Kafka (schemas/openapi-collector.yaml), and the tracker it serves."""
