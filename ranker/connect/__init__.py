"""How clients reach Kafka, Redis and a schema registry: addresses, encryption, secrets, and what a failure means."""
