"""Lines of an access log in the combined format of Apache and nginx."""

from __future__ import annotations

import re
from typing import NamedTuple

from producers import times

# Lenient about differences between servers: a virtual host in front, a user name with spaces, more fields at the end.
_LINE = re.compile(
    r"\S+ [^\[]*\[(?P<time>[^\]]{26})\] "
    r'"(?P<request>[^"\\]*(?:\\.[^"\\]*)*)" (?P<status>\d{3}) (?:\d+|-) '
    r'"[^"\\]*(?:\\.[^"\\]*)*" "(?P<agent>[^"\\]*(?:\\.[^"\\]*)*)"(?: .*)?'
)
_REQUEST = re.compile(r"([A-Za-z_-]+) (.+?)(?: HTTP/\d(?:\.\d)?)?")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class Hit(NamedTuple):
    """One request: `at_ms` since the epoch, `path` without its query string."""

    at_ms: int
    method: str
    path: str
    status: int
    agent: str


def parse(line: str) -> Hit | None:
    """The request of a line; None if the line, its time or its request does not have the format."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    at_ms = times.from_log(found["time"])
    request = _REQUEST.fullmatch(found["request"])
    if at_ms is None or request is None:
        return None
    return Hit(at_ms, request[1], path_of(request[2]), int(found["status"]), found["agent"])


def path_of(target: str) -> str:
    """The path of a request target or URL: no origin, no query string, no fragment; at least a slash."""
    if not target.startswith("/") and (origin := _ORIGIN.match(target)):
        target = target[origin.end() :]
    return target.partition("?")[0].partition("#")[0] or "/"
