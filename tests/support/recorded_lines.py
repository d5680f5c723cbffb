"""Records of a topic as lines of JSON, and back."""

from __future__ import annotations

import base64
import json
from typing import Any


def record_line(record: Any) -> str:
    """A consumed record as a line of JSON."""
    fields = {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestamp_type": "LogAppendTime" if record.timestamp_type else "CreateTime",
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(value)] for name, value in record.headers],
    }
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _text(value: bytes | None) -> str | dict[str, str] | None:
    """Bytes as a string if they are UTF-8, as {"base64": …} if not."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def in_bytes(text: str | dict[str, str] | None) -> bytes | None:
    """What a line has of a key, a value or a header, in bytes again."""
    if isinstance(text, dict):
        return base64.b64decode(text["base64"])
    return None if text is None else text.encode()
