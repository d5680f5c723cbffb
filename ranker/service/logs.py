"""Log lines: readable on a terminal, one JSON object each elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from ranker.service import json_log
from ranker.service.printable import printable, printable_lines

SELDOM_S = 10.0
_TEMPLATES = 1000


class _Readable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        more = " ".join(f"{name}={value}" for name, value in json_log.extras(record).items())
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


def configure(level: str) -> None:
    """Once per process, before anything logs. Warnings of Kafka's client pass, each seldom; its chatter does not."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Seldom())
    handler.setFormatter(_Readable() if sys.stderr.isatty() else json_log.JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("aiokafka", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
