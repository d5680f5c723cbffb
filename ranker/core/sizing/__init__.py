"""What a load takes: Redis' memory, Kafka's storage, processes, network; by the formulas of docs/scale.md."""
