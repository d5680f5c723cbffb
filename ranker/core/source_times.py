"""Units of the times in foreign topics: what they are decoded as, and how they become milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from ranker.core.event import MAX_TIME_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _from_nanoseconds(event: Any) -> None:
    event.occurred_at //= 1_000_000


def _from_microseconds(event: Any) -> None:
    event.occurred_at //= 1000


def _from_seconds(event: Any) -> None:
    """Rounds to microseconds before it truncates: 0.001 s is 1 ms, though the binary fraction may be less."""
    event.occurred_at = round(event.occurred_at * 1_000_000) // 1000


def _from_moments(event: Any) -> None:
    since = event.occurred_at - _EPOCH  # timestamp() takes longer
    time_ms = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise msgspec.ValidationError("the time lies outside the years 1970 to 2100")
    event.occurred_at = time_ms


TIMES: dict[str, tuple[Any, Callable[[Any], None] | None]] = {
    "ms": (Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)], None),
    "s": (Annotated[float, msgspec.Meta(ge=0, le=MAX_TIME_MS / 1000)], _from_seconds),
    "us": (Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS * 1000)], _from_microseconds),
    "ns": (Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS * 1_000_000)], _from_nanoseconds),
    "rfc3339": (Annotated[datetime, msgspec.Meta(tz=True)], _from_moments),
}
"""Unit to the type that times are decoded as, and the conversion to milliseconds (None: they are milliseconds).

`ns` is only what a schema may say of itself: [source] has no such unit."""
