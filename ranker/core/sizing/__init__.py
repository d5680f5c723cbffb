"""What a load takes: Redis' memory, Kafka's storage, processes and their CPU, network; by the formulas of docs/scale.md."""
