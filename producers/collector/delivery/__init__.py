"""From an accepted event to Kafka's acknowledgement, by way of the disk if Kafka is away."""
