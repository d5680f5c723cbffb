"""Lines of fields: the W3C's extended format (IIS), CloudFront's logs, also in JSON, and Amazon's load balancers."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from producers import times
from producers.replay import combined, wrapping
from producers.replay.json_logs import host_of
from producers.replay.malformed import EMPTY, Malformed
from producers.replay.rows import ReplayRow
from producers.times import LocalClock, NoTimeError

CLOUDFRONT_COLUMNS = [
    "date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
    "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id",
    "x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher",
    "x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port",
    "time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start",
    "sc-range-end",
]  # fmt: skip
"""Those of its standard log, which has only ever got more at the end."""
_FEWEST = 12

_FIELDS_OF = {
    "method": ("cs-method",),
    "stem": ("cs-uri-stem", "cs-uri"),
    "query": ("cs-uri-query",),
    "status": ("sc-status",),
    "agent": ("cs(user-agent)", "cs-user-agent", "c-user-agent"),
    "peer": ("c-ip",),
    "forwarded": ("x-forwarded-for", "cs(x-forwarded-for)", "cs-x-forwarded-for"),
    "host": ("x-host-header", "cs-host", "cs(host)"),
    "date": ("date",),
    "time": ("time",),
    "ms": ("timestamp(ms)",),
}
_QUOTED_FIELD = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_ENCODED_TWICE = re.compile(r"%25(?=[0-9A-Fa-f]{2})")

_ALB = re.compile(
    r"(?:(?:https?|h2|grpcs?|wss?) )?(?P<at>\d{4}-\d\d-\d\dT[\d:.]{8,18}Z) \S+ (?P<peer>\S+) \S+"
    r"(?: -?[\d.]+){3} (?P<status>\d{3}|-) (?:\d{3}|-) (?:\d+|-) (?:\d+|-)"
    r' "(?P<request>[^"\\]*(?:\\.[^"\\]*)*)"(?: "(?P<agent>[^"\\]*(?:\\.[^"\\]*)*)")?',
)
_ORIGIN = re.compile(r"[a-z]{2,5}://(\[[^\]]*\]|[^/:?#]*)", re.IGNORECASE)


class W3cParser:
    """Reads lines by the last #Fields before them; `header` is that line, and `columns` what counts as one at first.

    Times are UTC, as the format has it. IIS writes + for a space in an agent, CloudFront encodes fields once more.
    """

    def __init__(self, header: str = "", columns: list[str] | None = None) -> None:
        self.header = ""
        self._columns: list[str] = []
        self._found: dict[str, int] = {}
        self._missing = ""
        self._first = columns
        if header:
            self._take_header(header)

    def __call__(self, line: str, _: LocalClock | None = None) -> ReplayRow | Malformed | None:
        """The request of a line; None of a directive."""
        if line.startswith("#"):
            if line.startswith("#Fields:"):
                self._take_header(line)
            return None
        if not line.strip():
            return EMPTY
        if self._first is not None and line.lstrip().startswith("{"):
            row = wrapping.json_object(line)
            if row is None or "sc-status" not in row:
                return Malformed("no line of CloudFront's", line)
            return _w3c_row({name.lower(): str(value) for name, value in row.items()}.get, cloudfront=True)
        cells = line.split("\t") if "\t" in line else line.split()
        if not self._columns:
            if self._first is None or "\t" not in line or len(cells) < _FEWEST:
                return Malformed("no line before it begins with #Fields:, which names its fields", line)
            self._name(self._first[: len(cells)])
        if len(cells) != len(self._columns) and '"' in line:
            cells = [quoted.replace('""', '"') or word for quoted, word in _QUOTED_FIELD.findall(line)]
        if len(cells) != len(self._columns):
            why = f"it has {len(cells)} fields, and #Fields: names {len(self._columns)}"
            return Malformed(why, line)
        if self._missing:
            return Malformed(f"#Fields: lacks {self._missing}; let the server log it")
        found = self._found
        return _w3c_row(
            lambda name, other="": cells[found[name]] if name in found else other, cloudfront=self.is_cloudfront
        )

    @property
    def is_cloudfront(self) -> bool:
        """Whether the fields are CloudFront's, by their names."""
        return "x-edge-location" in self._found

    def _take_header(self, line: str) -> None:
        self.header = line
        self._name(line.removeprefix("#Fields:").split())

    def _name(self, columns: list[str]) -> None:
        self._columns = columns
        self._found = {name.lower(): at for at, name in enumerate(columns)}
        self._missing = _missing(self._found)


def _missing(found: Any) -> str:
    """The fields that a request needs and that are not there."""
    needed = ["cs-method", "cs-uri-stem", "sc-status", *(["date", "time"] if "timestamp(ms)" not in found else [])]
    if "cs-uri" in found:
        needed.remove("cs-uri-stem")
    return ", ".join(name for name in needed if name not in found)


def _w3c_row(get: Callable[..., str], *, cloudfront: bool) -> ReplayRow | Malformed:
    def first(role: str) -> str:
        return next((text for name in _FIELDS_OF[role] if (text := get(name, "")) not in {"", "-"}), "")

    try:
        ms = first("ms")
        at_ms = times.from_number(int(ms)) if ms.isdigit() else times.from_text(f"{get('date')}T{get('time')}Z")
    except (NoTimeError, ValueError) as error:
        return Malformed(f"its time: {error}")
    status, stem, query = get("sc-status"), first("stem"), first("query")
    if not (status.isascii() and status.isdigit()):
        return Malformed(f"its status is {status[:20]!r}")
    target = f"{stem}?{query}" if query else stem
    agent = first("agent") or ("-" if any(get(name, "") for name in _FIELDS_OF["agent"]) else "")
    if cloudfront:
        target = _ENCODED_TWICE.sub("%", target)
        agent = _decoded(agent)
    else:
        agent = agent.replace("+", " ")
    return ReplayRow(
        at_ms, get("cs-method"), int(status), target, agent, {}, first("peer"), first("forwarded").replace("%20", " "),
        host_of(first("host")),
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def _decoded(agent: str) -> str:
    """Of older logs the encoding is encoded itself."""
    return unquote(unquote(agent))


def alb(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The request of a line of an application load balancer, or of a classic one."""
    found = _ALB.match(line)
    if found is None:
        return Malformed("not in the format of Amazon's load balancers", line) if line.strip() else EMPTY
    request = combined.REQUEST.fullmatch(found["request"].rstrip(" -"))
    if request is None or request[1] == "-":
        return Malformed(f'no request in it: "{found["request"][:80]}"', usual=True)
    try:
        at_ms = times.from_text(found["at"], clock)
    except NoTimeError as error:
        return Malformed(f"its time: {error}")
    target = combined.unescaped(combined.without_protocol(request[2]))
    origin = _ORIGIN.match(target)
    status = int(found["status"]) if found["status"] != "-" else 0
    # A port behind an address of IPv6 is written without brackets.
    peer, _, _ = found["peer"].rpartition(":")
    return ReplayRow(
        at_ms, request[1], status, target, combined.unescaped(found["agent"] or ""), {}, peer.strip("[]"), "",
        host_of(origin[1]) if origin else "",
    )  # fmt: skip
