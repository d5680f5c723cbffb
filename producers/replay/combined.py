"""Lines of an access log in the combined format of Apache and nginx."""

from __future__ import annotations

import re
from typing import NamedTuple

from producers import times
from producers.replay.malformed import EMPTY, Malformed
from producers.times import LocalClock, NoTimeError

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
    rf'(?:{_BLANKS}{_WORD}){{0,8}}{_BLANKS}"{_QUOTED}"{_BLANKS}"(?P<agent>{_QUOTED})"(?:\s.*)?$',
    re.DOTALL,
)
_START = re.compile(_BEFORE + '"')
_STATUS = re.compile(r'" (\d{3}) (?:\d+|-) "')
_REQUEST = re.compile(r"([A-Za-z_-]+) +(.+)", re.DOTALL)
_PROTOCOL = re.compile(r"HTTP/\d(?:\.\d)?")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([\"\\abfnrtv]))")
_CONTROLS = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_LONGEST_SHOWN = 80


class Hit(NamedTuple):
    """One request: `at_ms` since the epoch, `target` as the browser sent it, with its query.

    `before` is what stands before the time: the client's address, and what else a server writes there.
    """

    at_ms: int
    method: str
    target: str
    status: int
    agent: str
    before: str


def parse(line: str, clock: LocalClock | None = None) -> Hit | Malformed:
    """The request of a line, or why it has none. `clock` is that of times without an offset."""
    found = _parts(line)
    if found is None:
        return Malformed("not in the combined format", line) if line.strip() else EMPTY
    time, logged, status, agent, before = found
    request = _REQUEST.fullmatch(logged.rstrip())
    if request is None:
        # A connection without one: a timeout, or TLS and the like at a port of HTTP.
        usual = logged in {"", "-"} or "\\x" in logged or not "200" <= status < "400"
        return Malformed(f'no request in it: "{logged[:_LONGEST_SHOWN]}"', "" if usual else line, usual)
    try:
        at_ms = times.from_text(time, clock)
    except NoTimeError as error:
        return Malformed(f"its time: {error}")
    return Hit(at_ms, request[1], unescaped(_target(request[2])), int(status), unescaped(agent), before)


def unescaped(logged: str) -> str:
    r"""What a server wrote as `\xC3\xA9` (nginx, Apache), `\"`, `\\` or `\t` (Apache), as it was.

    Bytes that are not UTF-8 become half surrogate pairs, as in lines that are not UTF-8.
    """
    if "\\" not in logged:
        return logged
    return _ESCAPE.sub(_byte, logged.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _parts(line: str) -> tuple[str, str, str, str, str] | None:
    """Time, request, status, agent, and what stands before the time."""
    if found := _LINE.search(line):
        return found["time"], found["request"], found["status"], found["agent"], line[: found.start()]
    # Servers that escape nothing (nginx's escape=none) write quotes and backslashes as they come. By steps, since one
    # expression would take the square of the line's length.
    if (start := _START.search(line)) and (end := _STATUS.search(line, start.end())):
        begin, last = line.find('" "', end.end()), line.rfind('"')
        if 0 <= begin < last - 2:
            request, agent = line[start.end() : end.start()], line[begin + 3 : last]
            return start["time"], request, end[1], agent, line[: start.start()]
    return None


def _target(rest: str) -> str:
    """What stands between method and protocol; it may have spaces."""
    target, blank, protocol = rest.rpartition(" ")
    return target.rstrip(" ") if blank and _PROTOCOL.fullmatch(protocol) else rest


def _byte(escape: re.Match[bytes]) -> bytes:
    if escape[1] is not None:
        return bytes.fromhex(escape[1].decode())
    code = escape[2][0]
    return bytes([_CONTROLS.get(code, code)])
