"""Access logs and JSON lines, sent as the events that they are."""
