"""What stands between pages and Kafka: the tracker and the collector it sends to."""
