"""Lines of access logs in JSON: nginx (by the names that people give), Caddy, Traefik, CloudFront's second version."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from producers import times
from producers.replay import combined, wrapping
from producers.replay.malformed import EMPTY, Malformed
from producers.replay.rows import ReplayRow, shown
from producers.times import LocalClock, NoTimeError

_NUMBER = re.compile(r"\d{1,20}(?:\.\d{0,12})?", re.ASCII)
_DEEPEST = 2
"""Objects inside others that are looked into."""
CADDY_ERROR = Malformed("an error of Caddy's, whose request its access log has, too", usual=True)
_NO_REQUEST = Malformed("no request in it", usual=True)

_NGINX_NAMES = {
    "time": "time_iso8601 @timestamp timestamp msec time_local time_msec time datetime date_time iso8601 date ts t",
    "request": "request request_line",
    "method": "request_method method http_method verb",
    "target": "request_uri",
    "place": "uri url path request_url request_path document_uri",
    "query": "args query_string query",
    "status": "status status_code response_code http_status response_status response code",
    "agent": "http_user_agent user_agent useragent agent http_agent ua",
    "peer": "remote_addr remote_ip client_ip clientip remote_address client_addr source_ip client ip",
    "forwarded": "http_x_forwarded_for x_forwarded_for proxy_add_x_forwarded_for forwarded_for xff",
    "host": "http_host host server_name vhost virtual_host domain",
}
"""What people call nginx' variables, the best name first; compared in lower case, with _ for . and -."""
_RANKS = {name: (role, rank) for role, names in _NGINX_NAMES.items() for rank, name in enumerate(names.split())}


def nginx(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The request of a line by the usual names for nginx' variables."""
    return _read(line, clock, _nginx)


def caddy(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The request of a line of Caddy's access log; a line about anything else has none."""
    return _read(line, clock, _caddy)


def traefik(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The request of a line of Traefik's access log, in JSON or in its common format, which is a combined one."""
    if 0 <= line.find('"') < line.find("{") or "{" not in line:
        return combined.parse(line, clock)
    return traefik_json(line, clock)


def traefik_json(line: str, clock: LocalClock | None = None) -> ReplayRow | Malformed:
    """The same in JSON alone."""
    return _read(line, clock, _traefik)


class _UnknownError(Exception):
    """An object that is not of the format."""


class _OddValueError(ValueError):
    """An object of the format with a value that is none; the message is a sentence."""


def _read(
    line: str,
    clock: LocalClock | None,
    parse: Callable[[dict[str, Any], LocalClock | None], ReplayRow | Malformed],
) -> ReplayRow | Malformed:
    row = wrapping.json_object(line)
    if row is None:
        return Malformed("no JSON object", line) if line.strip() else EMPTY
    try:
        return parse(row, clock)
    except _UnknownError as error:
        if (inner := wrapping.wrapped(row)) is not None and "{" in inner:
            found = _read(inner, clock, parse)
            return found._replace(line=line) if isinstance(found, Malformed) and found.line else found
        return Malformed(str(error), line)
    except _OddValueError as error:
        return Malformed(str(error))


def _nginx(row: dict[str, Any], clock: LocalClock | None, depth: int = 0) -> ReplayRow | Malformed:
    value = {role: row[name] for role, name in _plan(tuple(row)).items() if not isinstance(row[name], dict)}
    if not {"time", "status"} <= value.keys() or value.keys().isdisjoint(("request", "target", "place")):
        nested = {name: value for part in row.values() if isinstance(part, dict) for name, value in part.items()}
        if not nested or depth == _DEEPEST:
            raise _UnknownError("it lacks a time, a status or a request by the names of nginx")
        flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
        return _nginx({**nested, **flat}, clock, depth + 1)
    method, target = value.get("method"), value.get("target")
    if "request" in value and (method is None or target is None):
        request = combined.REQUEST.fullmatch(_text(value["request"]).rstrip())
        if request is None:
            return _NO_REQUEST
        method, target = method or request[1], target or combined.without_protocol(request[2])
    if target is None:
        target, query = _text(value.get("place")), _text(value.get("query"))
        if target and query not in {"", "-"} and "?" not in target:
            target = f"{target}?{query}"
    if method is None:
        raise _UnknownError("it has no method; log $request, or $request_method")
    if not method or not target:
        return _NO_REQUEST
    agent = _text(value["agent"]) or "-" if "agent" in value else ""
    return ReplayRow(
        _at_ms(value["time"], clock), _text(method), _status(value["status"]), combined.unescaped(_text(target)),
        combined.unescaped(agent), {}, _text(value.get("peer")), _text(value.get("forwarded")),
        _host(value.get("host")),
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def _plan(names: tuple[str, ...]) -> dict[str, str]:
    """Role to the name that has it in objects with these names."""
    best: dict[str, tuple[int, str]] = {}
    for name in names:
        role, rank = _RANKS.get(name.lower().replace(".", "_").replace("-", "_"), ("", 0))
        if role and (role not in best or rank < best[role][0]):
            best[role] = rank, name
    return {role: name for role, (_, name) in best.items()}


def _caddy(row: dict[str, Any], clock: LocalClock | None) -> ReplayRow | Malformed:
    request = row.get("request")
    if not isinstance(request, dict) or "uri" not in request:
        if "logger" in row or ("ts" in row and "msg" in row):
            return Malformed("no request in it, but another message of Caddy's", usual=True)
        raise _UnknownError("it has no request with a uri, as Caddy's access log has")
    if str(row.get("logger", "")).startswith("http.log.error"):
        return CADDY_ERROR
    if "ts" not in row or "status" not in row:
        raise _UnknownError("it has no ts or no status, as Caddy's access log has")
    headers = request.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    peer = request.get("client_ip") or request.get("remote_ip") or request.get("remote_addr")
    return ReplayRow(
        _at_ms(row["ts"], clock), _text(request.get("method", "")), _status(row["status"]), _text(request["uri"]),
        _header(headers, "User-Agent"), {}, _text(peer or ""), _header(headers, "X-Forwarded-For"),
        _host(request.get("host")),
    )  # fmt: skip


def _header(headers: dict[str, Any], name: str) -> str:
    """A header's text; "-" if the log has headers without this one, "" if it has none at all."""
    value = headers.get(name, headers.get(name.lower()))
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return _text(value) if value else "-" if headers else ""


def _traefik(row: dict[str, Any], clock: LocalClock | None) -> ReplayRow | Malformed:
    if "RequestPath" not in row or "DownstreamStatus" not in row:
        if "level" in row and ("msg" in row or "message" in row):
            return Malformed("no request in it, but another message of Traefik's", usual=True)
        raise _UnknownError("it has no RequestPath or DownstreamStatus, as Traefik's access log has")
    at = row.get("StartUTC", row.get("StartLocal", row.get("time")))
    return ReplayRow(
        _at_ms(at, clock), _text(row.get("RequestMethod", "")), _status(row["DownstreamStatus"]),
        _text(row["RequestPath"]), _text(row.get("request_User-Agent", "")), {},
        _text(row.get("ClientHost", row.get("ClientAddr", ""))), _text(row.get("request_X-Forwarded-For", "")),
        _host(row.get("RequestHost")),
    )  # fmt: skip


def _at_ms(given: Any, clock: LocalClock | None) -> int:
    """Numbers are seconds, as servers log them, or milli-, micro- or nanoseconds if they are so large."""
    if isinstance(given, str) and _NUMBER.fullmatch(given):
        given = float(given) if "." in given else int(given)
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        try:
            return times.from_number(given)
        except NoTimeError as error:
            raise _OddValueError(f"its time: {error}") from error
    if not isinstance(given, str):
        raise _OddValueError(f"its time is {shown(given)}")
    try:
        return times.from_text(given, clock)
    except NoTimeError as error:
        raise _OddValueError(f"its time: {error}") from error


def _status(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= 3:
        given = int(given)
    if isinstance(given, str) and given in {"", "-"}:
        return 0
    if not isinstance(given, int) or isinstance(given, bool):
        raise _OddValueError(f"its status is {shown(given)}")
    return given


def _text(given: Any) -> str:
    if given is None:
        return ""
    if not isinstance(given, str):
        raise _OddValueError(f"a text of it is {shown(given)}")
    return given


def _host(given: Any) -> str:
    return "" if not isinstance(given, str) or given in {"-", "_"} else host_of(given)


def host_of(given: str) -> str:
    """A host as it is compared: lower case, no port."""
    return given.lower() if given.startswith("[") else given.partition(":")[0].lower()
