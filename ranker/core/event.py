"""The page view as the fold decodes it: the contract of schemas/page-view.schema.json, field by field."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

MAX_TIME_MS = 4_102_444_800_000
"""2100-01-01: later times are typing errors, and the bound keeps every slice number small."""
MAX_VALUE_BYTES = 1 << 20
"""Of a record's value: the brokers' default limit. A larger one is never counted, whatever its content."""

_Short = Annotated[str, msgspec.Meta(max_length=128)]
_SITE = re.compile(r"[a-z0-9._-]{1,64}\Z")
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


class PageView(msgspec.Struct, gc=False):
    """One event. `occurred_at` is milliseconds since the epoch; unknown fields are ignored.

    Patterns and lengths of ids are not declared here: a pattern in the type costs more than the rest of the decode,
    and the fold checks each distinct id once instead. Fields have the order of the contract: the decoder is fastest
    if the next name is the one it expects.
    """

    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    event_type: str
    site_id: str
    article_id: str
    occurred_at: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)]
    visitor_id: _Short | None = None
    repeat_key: _Short | None = None
    agent_class: Literal["person", "bot", "internal", "unknown"] = "unknown"
    value: Annotated[int, msgspec.Meta(ge=-1000, le=1000)] = 1
    producer_id: _Short | None = None
    sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None


def site_ok(site: str) -> bool:
    return _SITE.match(site) is not None


def type_ok(event_type: str) -> bool:
    return _TYPE.match(event_type) is not None
