"""Recognises, by their lines, formats that replay does not read, and knows what to do with each."""

from __future__ import annotations

import re
from typing import NamedTuple


class Format(NamedTuple):
    """`name` is for scripts, `sentence` what it is, `advice` what to do."""

    name: str
    shape: re.Pattern[str]
    sentence: str
    advice: str


def _made(name: str, shape: str, sentence: str, advice: str) -> Format:
    return Format(name, re.compile(shape), sentence, advice)


_COMBINED = "Let the server write the combined format"
_AS_LINES = "| producers replay - --format jsonl"
_W3C = (
    r"#(?:Fields|Version|Software): |\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d[ \t](?:.*[ \t])?(?:GET|HEAD|POST|OPTIONS)[ \t]"
)
_FROM_W3C = (
    """Convert it: awk 'BEGIN {OFS = "\\t"; print "occurred_at", "url", "method", "status", "user_agent"} """
    """/^#Fields:/ {for (n = 2; n <= NF; n++) at[$n] = n - 1} !/^#/ {print $at["date"] "T" $at["time"] "Z", """
    """$at["cs-uri-stem"] "?" $at["cs-uri-query"], $at["cs-method"], $at["sc-status"], $at["cs(User-Agent)"]}' FILE """
    "| producers replay - --format csv"
)
_JQ_NAMES = "with the names of your log"

# Of several that fit, the first counts.
_FORMATS = (
    _made(
        "common",
        r'\[\d\d/\w{3}/\d{4}:[^\]]+\] "[^"\\]*(?:\\.[^"\\]*)*" \d{3} (?:\d+|-)(?: [^\s"]+){0,8}(?: "[^"]*")?\s*$',
        "the common log format, which lacks the browser, so that crawlers cannot be told from people",
        f"{_COMBINED} (Apache: CustomLog … combined; nginx: access_log … combined). To count everybody, crawlers too: "
        'sed \'s/$/ "-" "-"/\' FILE | producers replay - --format combined',
    ),
    _made(
        "json-document",
        r'^\s*\[\s*(?:\{|$)|^\s*\{\s*$|^\s*"[^"]+"\s*:|^\s*[\]}]+,?\s*$',
        "JSON over several lines, or an array",
        f"Give each event a line: jq -c 'if type == \"array\" then .[] else . end' FILE {_AS_LINES}",
    ),
    _made(
        "caddy",
        r'^\s*\{(?=.*"(?:ts|logger)"\s*:).*"request"\s*:\s*\{',
        "Caddy's JSON",
        "Convert it: jq -c '{occurred_at: (.ts * 1000 | floor), url: .request.uri, method: .request.method, status, "
        f'user_agent: .request.headers["User-Agent"][0]}}\' FILE {_AS_LINES}',
    ),
    _made(
        "traefik",
        r'^\s*\{.*"RequestPath"\s*:',
        "Traefik's JSON",
        "Convert it: jq -c '{occurred_at: .StartUTC, url: .RequestPath, method: .RequestMethod, status: "
        f'.DownstreamStatus, user_agent: ."request_User-Agent"}}\' FILE {_AS_LINES}',
    ),
    _made(
        "container",
        r'^\s*\{.*"(?:log|MESSAGE|message)"\s*:\s*"[^"]*\[\d\d/\w{3}/\d{4}:',
        "JSON around the lines of an access log, as Docker and journald keep them",
        "Take the lines out: jq -r '.log // .MESSAGE // .message | rtrimstr(\"\\n\")' FILE | "
        "producers replay - --format combined",
    ),
    _made(
        "nginx-json",
        r'^\s*\{.*"(?:remote_addr|time_iso8601|time_local|msec|request_uri|body_bytes_sent|http_user_agent)"\s*:',
        "nginx' JSON (log_format … escape=json)",
        f"Convert it, {_JQ_NAMES}: jq -c '{{occurred_at: .time_iso8601, url: .request_uri, method: .request_method, "
        f"status: (.status | tonumber), user_agent: .http_user_agent}}' FILE {_AS_LINES}",
    ),
    _made(
        "json",
        r"^\s*\{",
        "JSON lines of other names",
        "They need occurred_at, and article_id or path or url. "
        f"Convert them: jq -c '{{occurred_at: …, url: …}}' FILE {_AS_LINES}",
    ),
    _made(
        "load-balancer",
        r'^(?:https?|h2|grpcs?|wss?|tcp|tls) \d{4}-\d\d-\d\dT\S+ \S+ |^\d{4}-\d\d-\d\dT\S+Z \S+ \S+:\d+ .*"[A-Z]+ http',
        "the log of an Amazon load balancer",
        "Convert it to CSV with the columns occurred_at, url, method, status and user_agent, or replay the log of the "
        "servers behind it",
    ),
    _made(
        "haproxy",
        r"haproxy\[\d+\]: |\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] \S+ \S+/\S+ [-+\d]+/",
        "the log of HAProxy, which has no browser",
        "Replay the log of the servers behind it, or let HAProxy write the combined format with log-format",
    ),
    _made(
        "w3c",
        _W3C,
        "the extended format of the W3C, as IIS and Amazon CloudFront write it, in UTC",
        _FROM_W3C,
    ),
    _made(
        "iis",
        r"^\S+, \S+, \d{1,2}/\d{1,2}/\d{2,4}, \d{1,2}:\d\d:\d\d, W3SVC\d*, ",
        "the IIS log format, whose times are local and which has no browser",
        "Let IIS write the W3C format",
    ),
    _made(
        "nginx-proxy-manager",
        r'\] .*\bhttps? \S+ "[^"]*" \[Client \S+\] \[Length ',
        "the log of Nginx Proxy Manager",
        f"{_COMBINED}: access_log /data/logs/combined.log combined; in the host's custom configuration",
    ),
    _made(
        "squid",
        r"^\d{9,10}\.\d{3} +\d+ \S+ [A-Z_]+/\d{3} ",
        "the native log of Squid",
        f"{_COMBINED} (logformat combined)",
    ),
    _made(
        "error-log",
        r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] |^\[\w{3} \w{3} \d\d [\d:.]+ \d{4}\] \[",
        "an error log",
        "Give the access log",
    ),
    _made(
        "csv",
        r"(?i)^\W?(?:timestamp|date|time|datetime|ts|page|url|path|occurred_at|article_id|id|title)\W{1,2}[ \w\"]",
        "CSV of other column names",
        "Its first line must name occurred_at, and article_id or path or url; then: --format csv",
    ),
    _made("markup", r"^\s*<[!?a-zA-Z]", "XML or HTML", "Feeds and sitemaps are for: producers articles import"),
    _made(
        "combined",
        r'\[\d\d/\w{3}/\d{4}:[^\]]+\] "[^"]*" \d{3} (?:\d+|-) "[^"]*" "',
        "the combined format",
        "Read them as such: --format combined",
    ),
    _made(
        "utf-16",
        r"[^\0]\0[^\0]\0",
        "text in UTF-16",
        "Convert it: iconv -f UTF-16 -t UTF-8 FILE | producers replay - --format …",
    ),
)
_LONGEST = 4_096
_BY_NAME = {one.name: one for one in _FORMATS}


def looks_like(line: str) -> str:
    """The name of the format that a line is in; "" if it is none of those known."""
    start = line[:_LONGEST]
    return next((one.name for one in _FORMATS if one.shape.search(start)), "")


def described(name: str) -> str:
    """What to say of a file in this format, and what to do with it, as one or two sentences."""
    if name not in _BY_NAME:
        return (
            "Read are the combined format of Apache and nginx, JSON lines and CSV: see producers replay --help. "
            "Is --format right?"
        )
    one = _BY_NAME[name]
    return f"They look like {one.sentence}. {one.advice}"
