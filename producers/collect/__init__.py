"""`producers collect`: an HTTP collector in front of Kafka; what it has accepted is in Kafka or on its disk."""
