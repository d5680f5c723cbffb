"""A log line as one JSON object."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """The extra fields of a record."""
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, event, extra fields, and an exception's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # In ASCII, so that nothing in it controls a terminal; JSON leaves only DEL unescaped.
        return json.dumps(line, default=str, separators=(",", ":")).replace("\x7f", "\\u007f")
