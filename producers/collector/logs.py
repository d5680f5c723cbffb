"""Log lines on standard error: one JSON object each, of what the process does, never of a reader."""

from __future__ import annotations

import logging

from ranker.service.json_log import JsonFormatter


def configure(level: str) -> None:
    """Once per process, before anything logs. Kafka's client is silent: the outlet says what it says."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
