"""Recognises, by their lines, formats that are not read, and knows what to do with each."""

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
# Of several that fit, the first counts.
_FORMATS = (
    _made(
        "json-document",
        r'^\s*\[\s*(?:\{|$)|^\s*\{\s*$|^\s*"[^"]+"\s*:|^\s*[\]}]+,?\s*$',
        "JSON over several lines, or an array",
        f"Give each event a line: jq -c 'if type == \"array\" then .[] else . end' FILE {_AS_LINES}",
    ),
    _made(
        "json",
        r"^\s*\{",
        "JSON lines of other names",
        "Events need occurred_at, and article_id or path or url; an access log time_iso8601, status and request. "
        f"Convert them: jq -c '{{occurred_at: …, url: …}}' FILE {_AS_LINES}",
    ),
    _made(
        "haproxy",
        r"haproxy\[\d+\]: |\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] \S+ \S+/\S+ [-+\d]+/",
        "the log of HAProxy, which has no browser",
        "Replay the log of the servers behind it, or let HAProxy write the combined format with log-format",
    ),
    _made(
        "w3c-without-fields",
        r"\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d[ \t](?:.*[ \t])?(?:GET|HEAD|POST|OPTIONS)[ \t]",
        "the extended format of the W3C without the line that names its fields",
        "Put the line #Fields: …, which the server has written at the beginning of the file, in front of them",
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
        "csv-of-other-names",
        r"(?i)^\W?(?:timestamp|date|time|datetime|ts|page|url|path|occurred_at|article_id|id|title)\W{1,2}[ \w\"]",
        "CSV of other column names",
        "Its first line must name occurred_at, and article_id or path or url; then: --format csv",
    ),
    _made("markup", r"^\s*<[!?a-zA-Z]", "XML or HTML", "Feeds and sitemaps are for: producers articles import"),
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
    """What to say of a file in this format, and what to do with it, as one or two sentences; "" of an unknown name."""
    one = _BY_NAME.get(name)
    return "" if one is None else f"They look like {one.sentence}. {one.advice}"
