"""Lines of an access log in the combined and common formats of Apache and nginx, with and without a virtual host."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from producers import times
from producers.replay import wrapping
from producers.replay.malformed import EMPTY, Malformed
from producers.replay.rows import ReplayRow
from producers.times import LocalClock, NoTimeError
from ranker.service.address import written

# Lenient about differences between servers: anything before the time (a virtual host, a syslog tag, any user name),
# other fields between time and request, more fields at the end. A user may be called like a time: the last one holds.
_TIME = r"\[(?P<time>\d\d/\w{3}/\d{4}:[^\]\[\"]{8,24}|\d{4}-\d\d-\d\d[T ][^\]\[\"]{5,30})\]"
_BLANKS = r"[ \t]{1,40}"
_WORD = r"[^\s\"\[\]]{1,200}"
_BEFORE = (
    _TIME + rf"(?:{_BLANKS}(?:\[(?!\d\d/\w{{3}}/|\d{{4}}-\d\d-\d\d)[^\]\"]{{0,200}}\]|{_WORD}"
    rf"|\"[^\"\\]{{0,200}}\"(?={_BLANKS}[\"\[]))){{0,8}}{_BLANKS}"
)
_QUOTED = r"[^\"\\]*(?:\\.[^\"\\]*)*"
_LINE = re.compile(
    _BEFORE + rf'"(?P<request>{_QUOTED})"(?:(?!{_BLANKS}\d{{3}}[ \t])(?:{_BLANKS}{_WORD}){{1,8}}?)?'
    rf"{_BLANKS}(?P<status>\d{{3}}){_BLANKS}(?:\d+|-)"
    rf'(?:{_BLANKS}{_WORD}){{0,8}}{_BLANKS}"{_QUOTED}"{_BLANKS}"(?P<agent>{_QUOTED})"(?P<after>\s.*)?$',
    re.DOTALL,
)
_COMMON = re.compile(
    _BEFORE + rf'"(?P<request>{_QUOTED})"{_BLANKS}(?P<status>\d{{3}}){_BLANKS}(?:\d+|-)'
    rf'(?:{_BLANKS}{_WORD}){{0,8}}(?:{_BLANKS}"{_QUOTED}")?\s*$',
    re.DOTALL,
)
_HOST = re.compile(rf"([\w.-]{{1,253}})(?::\d{{1,5}})?{_BLANKS}(\S{{1,60}}){_BLANKS}")
_START = re.compile(_BEFORE + '"')
_STATUS = re.compile(r'" (\d{3}) (?:\d+|-) "')
REQUEST = re.compile(r"([A-Za-z_-]+) +(.+)", re.DOTALL)
_PROTOCOL = re.compile(r"HTTP/\d(?:\.\d)?")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([\"\\abfnrtv]))")
_CONTROLS = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_LONGEST_SHOWN = 80


class _Parts(NamedTuple):
    """`before` is what stands before the time, `after` what stands behind the agent."""

    time: str
    request: str
    status: str
    agent: str
    before: str
    after: str


def parse(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The request of a line, or why it has none. `clock` is that of times without an offset."""
    return _row(line, clock, _parts, "the combined format")


def parse_common(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The same of the common format, which has no browser."""
    return _row(line, clock, _common_parts, "the common format")


def parse_vhost(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The same of the combined format behind a virtual host, which becomes the row's host."""
    text = line
    if line.lstrip().startswith("{"):
        text = wrapping.unwrapped(line) or line
    found = _HOST.match(text)
    if found is None or _is_address(found[1]) or not _is_address(found[2].rstrip(",")):
        return Malformed("no virtual host in front of the client's address", line) if line.strip() else EMPTY
    row = parse(text, clock)
    return row if isinstance(row, Malformed) else row._replace(host=found[1].lower())


@functools.lru_cache(maxsize=4096)
def _is_address(text: str) -> bool:
    return written(text) is not None


def _row(
    line: str, clock: LocalClock | None, parts: Callable[[str], _Parts | None], name: str
) -> ReplayRow | Malformed:
    found = parts(line)
    if found is None:
        if (inner := wrapping.unwrapped(line)) is not None:
            row = _row(inner, clock, parts, name)
            return row._replace(line=line) if isinstance(row, Malformed) and row.line else row
        return Malformed(f"not in {name}", line) if line.strip() else EMPTY
    time, logged, status, agent, before, after = found
    request = REQUEST.fullmatch(logged.rstrip())
    if request is None:
        # A connection without one: a timeout, or TLS and the like at a port of HTTP.
        usual = logged in {"", "-"} or "\\x" in logged or not "200" <= status < "400"
        return Malformed(f'no request in it: "{logged[:_LONGEST_SHOWN]}"', "" if usual else line, usual)
    try:
        at_ms = times.from_text(time, clock)
    except NoTimeError as error:
        return Malformed(f"its time: {error}")
    target = unescaped(without_protocol(request[2]))
    return ReplayRow(at_ms, request[1], int(status), target, unescaped(agent), {}, before, after)


def unescaped(logged: str) -> str:
    r"""What a server wrote as `\xC3\xA9` (nginx, Apache), `\"`, `\\` or `\t` (Apache), as it was.

    Bytes that are not UTF-8 become half surrogate pairs, as in lines that are not UTF-8.
    """
    if "\\" not in logged:
        return logged
    return _ESCAPE.sub(_byte, logged.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _parts(line: str) -> _Parts | None:
    if found := _LINE.search(line):
        time, request, status, agent, after = found.groups()
        return _Parts(time, request, status, agent, line[: found.start()], after or "")
    # Servers that escape nothing (nginx's escape=none) write quotes and backslashes as they come. By steps, since one
    # expression would take the square of the line's length.
    if (start := _START.search(line)) and (end := _STATUS.search(line, start.end())):
        begin, last = line.find('" "', end.end()), line.rfind('"')
        if 0 <= begin < last - 2:
            request, agent = line[start.end() : end.start()], line[begin + 3 : last]
            return _Parts(start["time"], request, end[1], agent, line[: start.start()], "")
    return None


def _common_parts(line: str) -> _Parts | None:
    if found := _COMMON.search(line):
        return _Parts(found["time"], found["request"], found["status"], "", line[: found.start()], "")
    return None


def without_protocol(rest: str) -> str:
    """What stands between method and protocol; it may have spaces."""
    target, blank, protocol = rest.rpartition(" ")
    return target.rstrip(" ") if blank and _PROTOCOL.fullmatch(protocol) else rest


def _byte(escape: re.Match[bytes]) -> bytes:
    if escape[1] is not None:
        return bytes.fromhex(escape[1].decode())
    code = escape[2][0]
    return bytes([_CONTROLS.get(code, code)])
