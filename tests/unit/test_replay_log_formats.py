"""Lines of access logs as servers and clouds write them: each format's request, and what is none."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from producers.replay import formats
from producers.replay.malformed import Malformed
from producers.replay.rows import ReplayRow
from producers.times import LocalClock

AT_MS = 1_795_338_303_000
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CLIENT = "203.0.113.77"
CLF = f'{CLIENT} - - [22/Nov/2026:10:05:03 +0100] "GET /a%20b?c=1 HTTP/2.0" 200 31'
COMBINED = f'{CLF} "https://www.example.org/" "{AGENT}"'
VHOST = f"www.example.org:443 {COMBINED}"
NGINX: dict[str, Any] = {
    "time_iso8601": "2026-11-22T10:05:03+01:00", "remote_addr": CLIENT, "request_method": "GET",
    "request_uri": "/a%20b?c=1", "status": "200", "http_user_agent": AGENT, "http_host": "www.example.org",
    "http_x_forwarded_for": "",
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "remote_ip": "10.0.0.1", "client_ip": CLIENT, "proto": "HTTP/2.0", "method": "GET", "host": "www.example.org:443",
    "uri": "/a%20b?c=1", "headers": {"User-Agent": [AGENT], "Accept": ["*/*"]},
}  # fmt: skip
CADDY: dict[str, Any] = {
    "level": "info", "ts": 1795338303.0004, "logger": "http.log.access.log0", "msg": "handled request",
    "request": REQUEST, "bytes_read": 0, "duration": 0.01, "size": 31, "status": 200,
}  # fmt: skip
TRAEFIK: dict[str, Any] = {
    "ClientAddr": f"{CLIENT}:42514", "ClientHost": CLIENT, "DownstreamStatus": 200, "RequestHost": "www.example.org",
    "RequestMethod": "GET", "RequestPath": "/a%20b?c=1", "StartUTC": "2026-11-22T09:05:03.000456789Z",
    "request_User-Agent": AGENT, "level": "info", "msg": "", "time": "2026-11-22T09:05:04Z",
}  # fmt: skip
ENCODED_AGENT = AGENT.replace(" ", "%20")
CLOUDFRONT_FIELDS = "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header"
CLOUDFRONT = f"2026-11-22\t09:05:03\tCDG50-C1\t2390\t{CLIENT}\tGET\td1.cloudfront.net\t/a%2520b\t200\t-\t{ENCODED_AGENT}\tc=1\t-\tHit\tabc==\twww.example.org"
IIS_FIELDS = "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
IIS = f"2026-11-22 09:05:03 10.0.0.5 GET /a%20b c=1 443 - {CLIENT} {AGENT.replace(' ', '+')} - 200 0 0 15"
ALB = (
    f"h2 2026-11-22T09:05:03.186641Z app/lb/50dc6c495c0c9188 {CLIENT}:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 34 366 "
    f'"GET https://www.example.org:443/a%20b?c=1 HTTP/2.0" "{AGENT}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
    'arn:aws:elasticloadbalancing:eu-west-3:123456789012:targetgroup/web/73e2d6bc24d8a067 "Root=1-58337262-36d2" '
    '"www.example.org" "arn:aws:acm:eu-west-3:123456789012:certificate/1" 0 2026-11-22T09:05:03.185000Z '
    '"waf,forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
)


def docker(line: str) -> str:
    return json.dumps({"log": line + "\n", "stream": "stdout", "time": "2026-11-22T09:05:04.1Z"})


def cri(line: str) -> str:
    return f"2026-11-22T09:05:04.123456789Z stdout F {line}"


LINES: list[tuple[str, str, str]] = [
    ("combined", COMBINED, CLIENT),
    ("combined", docker(COMBINED), CLIENT),
    ("combined", cri(COMBINED), CLIENT),
    ("combined", json.dumps({"MESSAGE": COMBINED, "_PID": "1", "__CURSOR": "s=1"}), CLIENT),
    ("combined", json.dumps({"MESSAGE": list(COMBINED.encode()), "_PID": "1"}), CLIENT),
    ("combined", json.dumps({"message": COMBINED, "agent": {"type": "filebeat"}}), CLIENT),
    ("combined", f"web-1  | {COMBINED}", CLIENT),
    ("common", CLF, CLIENT),
    ("common", f'{CLF} "https://www.example.org/"', CLIENT),
    ("common", docker(CLF), CLIENT),
    ("vhost", VHOST, CLIENT),
    ("vhost", docker(VHOST), CLIENT),
    ("nginx-json", json.dumps(NGINX), CLIENT),
    ("nginx-json", docker(json.dumps(NGINX)), CLIENT),
    ("nginx-json", cri(json.dumps(NGINX)), CLIENT),
    ("nginx-json", f"<190>Nov 22 10:05:03 web nginx: {json.dumps(NGINX)}", CLIENT),
    ("nginx-json", json.dumps({"nginx": NGINX, "kubernetes": {"pod_name": "web-1"}}), CLIENT),
    (
        "nginx-json",
        json.dumps(
            {"msec": "1795338303.000", "request": "GET /a%20b?c=1 HTTP/2.0", "status": 200, "ip": CLIENT, "agent": AGENT}
        ),
        CLIENT,
    ),
    (
        "nginx-json",
        json.dumps(
            {"@timestamp": "2026-11-22T10:05:03+01:00", "verb": "GET", "uri": "/a%20b", "args": "c=1", "code": 200}
            | {"client_ip": CLIENT, "userAgent": "?", "User-Agent": AGENT, "http.host": "www.example.org"}
        ),
        CLIENT,
    ),
    ("caddy", json.dumps(CADDY), CLIENT),
    ("caddy", docker(json.dumps(CADDY)), CLIENT),
    ("caddy", json.dumps(CADDY | {"ts": "2026-11-22T10:05:03.000+0100"}), CLIENT),
    ("caddy", json.dumps(CADDY | {"ts": 1795338303000.4}), CLIENT),
    ("caddy", json.dumps(CADDY | {"ts": 1795338303000000000}), CLIENT),
    (
        "caddy",
        json.dumps(
            CADDY | {"request": {**REQUEST, "client_ip": None, "remote_ip": None, "remote_addr": f"{CLIENT}:1234"}}
        ),
        f"{CLIENT}:1234",
    ),
    ("traefik", json.dumps(TRAEFIK), CLIENT),
    ("cloudfront", CLOUDFRONT, CLIENT),
    ("cloudfront", CLOUDFRONT.replace("%20", "%2520"), CLIENT),
    ("cloudfront", json.dumps(dict(zip(CLOUDFRONT_FIELDS.split()[1:], CLOUDFRONT.split("\t"), strict=True))), CLIENT),
    (
        "cloudfront",
        json.dumps(
            {"timestamp(ms)": str(AT_MS), "c-ip": CLIENT, "cs-method": "GET", "cs-uri-stem": "/a%2520b", "sc-status": 200}
            | {"cs(User-Agent)": ENCODED_AGENT, "cs-uri-query": "c=1"}
        ),
        CLIENT,
    ),
    ("alb", ALB, CLIENT),
    ("alb", ALB.partition(" ")[2].replace(" app/lb/50dc6c495c0c9188 ", " lb "), CLIENT),
    ("w3c", f"{IIS_FIELDS}\n{IIS}", CLIENT),
    ("w3c", f"#Version: 1.0\n{IIS_FIELDS}\r\n{IIS} ", CLIENT),
    (
        "w3c",
        f'#Fields: time date c-ip cs-method cs-uri sc-status cs(User-Agent)\n09:05:03 2026-11-22 {CLIENT} GET /a%20b?c=1 200 "{AGENT}"',
        CLIENT,
    ),
]  # fmt: skip


def parsed(kind: str, text: str, clock: LocalClock | None = None) -> ReplayRow | Malformed | None:
    """What the last line becomes."""
    parse = formats.parser(kind)
    return [parse(line, clock) for line in text.split("\n")][-1]


@pytest.mark.parametrize(("kind", "text", "client"), LINES, ids=[f"{kind}-{n}" for n, (kind, *_) in enumerate(LINES)])
def test_a_line_has_the_request(kind: str, text: str, client: str) -> None:
    """Time, method, address with its query, status, browser and client."""
    row = parsed(kind, text)
    assert isinstance(row, ReplayRow), row
    assert (row.at_ms // 1000, row.method, row.target, row.status) == (AT_MS // 1000, "GET", row.target, 200)
    assert row.target is not None
    assert row.target.removeprefix("https://www.example.org:443") == "/a%20b?c=1"
    assert row.agent == ("" if kind == "common" else AGENT)
    assert row.client.split()[-3 if "combined" in kind else 0 if kind != "vhost" else 1].strip() == client or kind in {
        "combined", "common",
    }  # fmt: skip
    assert row.host in {"", "www.example.org"}


@pytest.mark.parametrize(("kind", "text", "_"), LINES, ids=[f"{kind}-{n}" for n, (kind, *_) in enumerate(LINES)])
def test_the_format_of_a_line_is_found(kind: str, text: str, _: str) -> None:
    """Of the first lines alone; CloudFront's with their header."""
    lines = text.split("\n")
    if kind == "cloudfront" and not text.startswith("{"):
        lines = ["#Version: 1.0", CLOUDFRONT_FIELDS, *lines]
    assert formats.find(lines) == formats.Found(kind, 1, 1)


def test_the_common_format_of_traefik_is_the_combined_one() -> None:
    """With its own fields behind; chosen as traefik it is read, too."""
    line = f'{COMBINED} 27 "web@docker" "http://10.0.0.1:80" 3ms'
    assert formats.find([line]).kind == "combined"
    assert parsed("traefik", line) == parsed("combined", line)


def test_cloudfront_without_its_header_has_the_usual_fields() -> None:
    """Files that were put together by line; what has other fields needs the header."""
    row = parsed("cloudfront", CLOUDFRONT)
    assert isinstance(row, ReplayRow)
    assert row == parsed("cloudfront", f"{CLOUDFRONT_FIELDS}\n{CLOUDFRONT}")
    assert isinstance(parsed("cloudfront", "2026-11-22\t09:05:03\tGET"), Malformed)


def test_fields_may_change_within_a_file() -> None:
    """IIS writes them anew when it starts, and when they are changed."""
    row = parsed(
        "w3c",
        f"{IIS_FIELDS}\n{IIS}\n#Fields: date time cs-method cs-uri-stem sc-status\n2026-11-22 09:05:03 GET /b 304",
    )
    assert isinstance(row, ReplayRow)
    assert (row.target, row.status, row.agent) == ("/b", 304, "")


MALFORMED = [
    ("w3c", IIS, "no line before it begins with #Fields:"),
    ("w3c", f"{IIS_FIELDS}\n{IIS} more", "it has 16 fields, and #Fields: names 15"),
    ("w3c", "#Fields: time cs-method cs-uri-stem\n09:05:03 GET /a", "#Fields: lacks sc-status, date"),
    ("w3c", f"{IIS_FIELDS}\n{IIS.replace('2026-11-22', '2026-13-22')}", "its time: "),
    ("w3c", f"{IIS_FIELDS}\n{IIS.replace(' 200 ', ' ok ')}", "its status is 'ok'"),
    ("nginx-json", json.dumps(NGINX | {"status": None}), "its status is None"),
    ("nginx-json", json.dumps({k: v for k, v in NGINX.items() if k != "request_method"}), "it has no method"),
    ("nginx-json", json.dumps(NGINX | {"time_iso8601": "yesterday"}), "its time: yesterday is no time"),
    ("nginx-json", json.dumps(NGINX | {"time_iso8601": "2026-11-22 10:05:03"}), "has no offset from UTC; give --zone"),
    ("nginx-json", json.dumps(NGINX | {"time_iso8601": 46348}), "46348 is no time between 1980 and 2100"),
    ("nginx-json", json.dumps(NGINX | {"time_iso8601": True}), "its time is True"),
    ("nginx-json", json.dumps(NGINX | {"request_uri": ["/a"]}), "a text of it is ['/a']"),
    ("nginx-json", '{"a":' * 5_000, "no JSON object"),
    ("nginx-json", json.dumps(json.loads('{"a":' * 900 + "1" + "}" * 900)), "it lacks a time"),
    ("nginx-json", '{"time_iso8601": NaN, "status": 200, "request": "GET / HTTP/1.1"}', "its time: nan is no time"),
    ("caddy", json.dumps(CADDY | {"status": "ok"}), "its status is 'ok'"),
    ("caddy", json.dumps({"request": {"uri": "/a", "method": "GET"}, "status": 200}), "it has no ts"),
    ("caddy", COMBINED, "no JSON object"),
    ("traefik", json.dumps({"RequestPath": "/a"}), "it has no RequestPath or DownstreamStatus"),
    ("alb", COMBINED, "not in the format of Amazon's load balancers"),
    ("common", COMBINED, "not in the common format"),
    ("vhost", COMBINED, "no virtual host in front"),
    ("cloudfront", json.dumps({"cs-method": "GET"}), "no line of CloudFront's"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "reason"), MALFORMED, ids=[f"{one[0]}-{one[2][:20]}" for one in MALFORMED])
def test_what_has_no_request_says_why(kind: str, text: str, reason: str) -> None:
    """And counts against the file."""
    row = parsed(kind, text)
    assert isinstance(row, Malformed)
    assert not row.usual
    assert reason in row.reason


USUAL = [
    ("nginx-json", json.dumps(NGINX | {"request_uri": "", "request_method": ""})),
    ("nginx-json", '{"msec":1795338303.1,"request":"","status":"400"}'),
    ("caddy", '{"level":"info","ts":1795338303.1,"logger":"tls.obtain","msg":"certificate obtained"}'),
    ("caddy", json.dumps(CADDY | {"logger": "http.log.error.log0", "level": "error", "status": 502})),
    ("traefik", '{"level":"info","msg":"Configuration loaded","time":"2026-11-22T09:05:03Z"}'),
    ("alb", ALB.replace("GET https://www.example.org:443/a%20b?c=1 HTTP/2.0", "- http://www.example.org:80- -")),
    ("w3c", ""),
]


@pytest.mark.parametrize(("kind", "text"), USUAL, ids=[kind for kind, _ in USUAL])
def test_what_every_such_log_has_is_no_sign_of_another_format(kind: str, text: str) -> None:
    """Connections without a request, the server's own messages, empty lines."""
    row = parsed(kind, text)
    assert isinstance(row, Malformed)
    assert row.usual


def test_messages_of_a_server_alone_are_no_access_log() -> None:
    """Any program's log may have such lines: a level, a time, a message."""
    assert formats.find([text for kind, text in USUAL if kind in {"caddy", "traefik"}]).lines == 0


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        (rb'{"time":"2026-11-22T10:05:03+01:00","status":200,"request":"GET /caf\xe9 HTTP/1.1"}', "/caf\udce9"),
        (rb'{"time":"2026-11-22T10:05:03+01:00","status":200,"request":"GET /\x22a\xC3\xA9 HTTP/1.1"}', '/"aé'),
        ('{"time":"2026-11-22T10:05:03+01:00","status":200,"request":"GET /é HTTP/1.1"}'.encode(), "/é"),
        (rb'{"time":"2026-11-22T10:05:03+01:00","status":200,"request":"GET /\\xC3\\xA9 HTTP/1.1"}', "/é"),
    ],
)
def test_nginx_without_escaping_for_json(raw: bytes, target: str) -> None:
    """Its own escapes are no JSON, nor are bytes that are not UTF-8; both are read."""
    row = parsed("nginx-json", raw.decode("utf-8", "surrogateescape"))
    assert isinstance(row, ReplayRow)
    assert row.target == target


def test_local_times_are_those_of_the_zone() -> None:
    """As Caddy's format wall has them."""
    text = json.dumps(CADDY | {"ts": "2026/11/22 10:05:03"})
    row = parsed("caddy", text)
    assert isinstance(row, Malformed)
    assert "give --zone" in row.reason
    row = parsed("caddy", text, LocalClock(ZoneInfo("Europe/Paris")))
    assert isinstance(row, ReplayRow)
    assert row.at_ms == AT_MS


def test_a_browser_that_was_not_sent_is_not_one_that_was_not_logged() -> None:
    """The first is like any other reader without one; of the second the summary warns."""
    assert [
        row.agent
        for kind, text in (
            ("combined", COMBINED.replace(AGENT, "-")),
            ("nginx-json", json.dumps(NGINX | {"http_user_agent": ""})),
            ("nginx-json", json.dumps({k: v for k, v in NGINX.items() if k != "http_user_agent"})),
            ("caddy", json.dumps(CADDY | {"request": {**REQUEST, "headers": {"Accept": ["*/*"]}}})),
            ("caddy", json.dumps(CADDY | {"request": {**REQUEST, "headers": {}}})),
            ("w3c", f"{IIS_FIELDS}\n{IIS.replace(AGENT.replace(' ', '+'), '-')}"),
        )
        if isinstance(row := parsed(kind, text), ReplayRow)
    ] == ["-", "-", "", "-", "", "-"]
