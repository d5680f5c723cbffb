"""Lines that Docker, journald and collectors of logs keep inside JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_AROUND = ("log", "MESSAGE", "message", "msg", "line")
"""Names under which they keep the line: Docker and Fluent Bit, journald, Filebeat and others."""
_BYTE = re.compile(r"\\x(?=[0-9A-Fa-f]{2})")
_MAX_BYTE = 255


def json_object(line: str) -> dict[str, Any] | None:
    r"""The JSON object in a line, behind the prefix of a syslog or container if there is one; None if there is none.

    Of a server that escapes bytes as \xHH (nginx without escape=json), which is no JSON, they stay so. Bytes that are
    not UTF-8 stay half surrogate pairs.
    """
    begin = line.find("{")
    if begin < 0:
        return None
    text = line[begin:]
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            # Slower, but for bytes that are not UTF-8, which nginx writes as they come.
            found = json.loads(_BYTE.sub(r"\\\\x", text))
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def unwrapped(line: str) -> str | None:
    """The line that a JSON object is wrapped around; None if it is no such object."""
    found = json_object(line)
    return None if found is None else wrapped(found)


def wrapped(row: dict[str, Any]) -> str | None:
    """The line inside an object; None if it has none."""
    for name in _AROUND:
        text = row.get(name)
        if isinstance(text, str) and text:
            return text.rstrip("\r\n")
        if isinstance(text, list):  # journald, if it is not UTF-8 or has control characters
            codes = [code for code in text if isinstance(code, int) and 0 <= code <= _MAX_BYTE]
            return bytes(codes).decode("utf-8", "surrogateescape")
    return None
