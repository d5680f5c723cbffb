"""Lengths of time in milliseconds, and moments as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def rfc3339(moment_ms: int) -> str:
    """UTC with milliseconds: 2026-11-23T01:02:03.004Z."""
    seconds, milliseconds = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
