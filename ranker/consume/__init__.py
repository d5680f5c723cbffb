"""The consumer: poll, fold (inside the log), batch, worker (route, advance), upkeep (retire, seal, strays, clock)."""
