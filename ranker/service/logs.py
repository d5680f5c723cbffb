"""Log lines: readable on a terminal, one JSON object each elsewhere."""

from __future__ import annotations

import json
import logging
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ranker.service.printable import printable, printable_lines
from ranker.service.version import VERSION

log = logging.getLogger(__name__)

SELDOM_S = 10.0
_TEMPLATES = 1000
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What a record was given besides its text."""
    return {name: value for name, value in record.__dict__.items() if name not in _PLAIN}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, event, what was given besides, and an exception's traceback."""

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
        # In ASCII, so that nothing in it moves a terminal; DEL is the one such character that JSON leaves as it is.
        return json.dumps(line, default=str, separators=(",", ":")).replace("\x7f", "\\u007f")


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = " ".join(f"{name}={value}" for name, value in extras(record).items())
        text = f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {record.getMessage()} {more}"
        if record.exc_info:
            return f"{printable(text)}\n{printable_lines(self.formatException(record.exc_info))}"
        return printable(text.rstrip())


class Seldom(logging.Filter):
    """Lets a message of Kafka's client through once in SELDOM_S, whatever its arguments; others pass.

    While a broker is away the client logs the same message some 160 times a second. The next one that passes has the
    number of suppressed ones as `unsaid`.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        """(logger, template) to when it was last logged, and how often it was suppressed since."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != "aiokafka":
            return True
        message = record.name, str(record.msg)
        now_s = self._now_s()
        last_s, unsaid = self._said.get(message, (-SELDOM_S, 0))
        if now_s - last_s < SELDOM_S:
            self._said[message] = last_s, unsaid + 1
            return False
        if len(self._said) >= _TEMPLATES:
            self._said.clear()
        self._said[message] = now_s, 0
        if unsaid:
            record.unsaid = unsaid
        return True


def configure(
    level: str, *, kafka: int = logging.WARNING, program: str | None = None, more: Mapping[str, str] | None = None
) -> None:
    """Once per process, before anything logs. Kafka's client logs from level `kafka` on, each message seldom.

    The first line of a long-lived `program` says what it is, its version, and `more`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(_Readable() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(kafka)
    if program:
        versions = {"version": VERSION, "python": platform.python_version()}
        log.info("starting", extra={"program": program, **versions, **(more or {})})
