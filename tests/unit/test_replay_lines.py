"""Log lines as servers and collectors of logs write them: only one that holds no request is malformed."""

from __future__ import annotations

import time

import pytest

from producers.replay import combined
from producers.replay.malformed import Malformed
from producers.replay.rows import ReplayRow

AT_MS = 1_795_338_303_000
REQUEST = "GET /a?b=[1] HTTP/1.1"
LINE = f'1.2.3.4 - - [22/Nov/2026:10:05:03 +0100] "{REQUEST}" 200 31 "https://x.example/" "Mozilla/5.0 (X11)"'

SAME = [
    # What collectors of logs put before a line.
    f"Nov 22 10:05:03 host nginx[123]: {LINE}",
    f"<190>Nov 22 10:05:03 host nginx: {LINE}",
    f'<190>1 2026-11-22T10:05:03.003Z host nginx 123 - [sd id="x" b="[y\\]"] {LINE}',
    f"<190>1 2026-11-22T10:05:03+01:00 host nginx - - [22/Nov/2026:10:05:03 +0100] {LINE}",
    f"2026-11-22T09:05:03.123456789Z stdout F {LINE}",
    f"web_1  | {LINE}",
    f"\x1b[36mweb_1 |\x1b[0m {LINE}",
    f"[pod/web-1/nginx] {LINE}",
    "\0" * 4096 + LINE,  # logrotate's copytruncate
    # What stands for the client, and for the user.
    f"www.example.org:443 {LINE}",
    f"[2001:db8::1]:443 {LINE.replace('1.2.3.4', '[2001:db8::2]')}",
    LINE.replace("1.2.3.4", "218.108.232.188, 10.183.250.139"),
    LINE.replace("- -", "-  -  "),
    LINE.replace(" 200 31 ", "  200   31  ").replace("] ", "]  "),
    LINE.replace("[22/Nov", "\t[22/Nov")
    .replace('] "', ']\t"')
    .replace(" 200 31 ", "\t200\t31\t")
    .replace('" "', '"\t"'),
    LINE.replace("- -", "- [admin]"),
    LINE.replace("- -", "- jo [the boss] ann"),
    LINE.replace("- -", '- "jo ann"'),
    LINE.replace("- -", '- ""'),
    LINE.replace("- -", r"- jo\"ann"),
    LINE.replace("- -", "- ]["),
    LINE.replace("- -", "- [22/Nov/2025:10:05:03 +0100]"),
    LINE.replace("- -", "- GET /b HTTP/1.1"),
    # Times.
    LINE.replace("22/Nov/2026:10:05:03 +0100", "2026-11-22T10:05:03+01:00"),
    LINE.replace(":03 +0100", ":03.000 +0100"),
    LINE.replace("+0100", "+01:00"),
    LINE.replace('] "', '] [0.003] [PORT 80] "'),
    LINE.replace('] "', ']  "'),
    LINE.replace('] "', '] 0/799940 "'),
    LINE.replace('] "', '] 1939 - "www.example.org" "'),
    LINE.replace('" 200', '" to: 192.168.200.146:80 200'),
    LINE.replace(" 31 ", " 31 404 0.003 "),
    LINE.replace(" 31 ", " - 500 "),
    LINE.replace('] "', '] 1.2.3.4 79a59df9 3E57427F3EXAMPLE REST.GET.OBJECT a "').replace(
        " 31 ", " - 113 - 7 - "
    ),  # S3
    LINE.replace('] "', '] "www.example.org" "'),
    LINE.replace('] "', '] "-" [x] "1.2.3.4, 5.6.7.8" "'),
    # Further fields.
    f'{LINE} 0.003 "10.0.0.1" [x] "-"',
    f"{LINE} \\",
    f'"{LINE}"',
    f"{LINE}\t\r",
    LINE.replace(" 31 ", " - "),
    # Requests and browsers.
    LINE.replace("HTTP/1.1", "HTTP/2.0"),
    LINE.replace("HTTP/1.1", "HTTP/3"),
    LINE.replace(" HTTP/1.1", ""),
    LINE.replace("HTTP/1.1", " HTTP/1.0 "),
    LINE.replace("https://x.example/", r"https://x/?q=\"a\" 200 1 \"-\""),
    LINE.replace("https://x.example/", 'https://x/?q="a"'),
    LINE.replace('"Mozilla/5.0 (X11)"', '""Mozilla/5.0 (X11) 2.0""'),
    LINE.replace("Mozilla", r"Alba 10\" Mozilla"),
    LINE.replace("https://x.example/", '[22/Nov/2025:10:05:03 +0100] GET /forged 200 1 "-"'),
]


@pytest.mark.parametrize("line", SAME)
def test_a_line_that_holds_a_request_is_read(line: str) -> None:
    """Time, method, target and status, whatever stands around them."""
    hit = combined.parse(line)
    assert isinstance(hit, ReplayRow), hit
    assert (hit.at_ms, hit.method, hit.target, hit.status) == (AT_MS, "GET", "/a?b=[1]", 200)
    assert "Mozilla/5.0 (X11)" in hit.agent


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        (r"GET /soci\xC3\xA9t\xC3\xA9 HTTP/1.1", "/société"),  # nginx
        (r"GET /soci\xc3\xa9t\xc3\xa9 HTTP/1.1", "/société"),  # Apache
        (r"GET /a\"b\\c\x22\x5C HTTP/1.1", '/a"b\\c"\\'),
        (r"GET /a\tb\nc\vd HTTP/1.1", "/a\tb\nc\vd"),
        (r"GET /caf\xE9 HTTP/1.1", "/caf\udce9"),
        (r"GET /a\\xC3\\xA9 HTTP/1.1", r"/a\xC3\xA9"),  # escaped twice: the browser did send a backslash
        (r"GET /a\q\x4 HTTP/1.1", r"/a\q\x4"),
        ('GET /a"b HTTP/1.1', '/a"b'),  # nginx' escape=none
        ("GET /a\\", "/a\\"),
        ("GET /a b HTTP/1.1", "/a b"),
        ("GET https://www.example.org:8443/a?b HTTP/1.1", "https://www.example.org:8443/a?b"),
        ("GET /a?b=HTTP/1.1 HTTP/1.1", "/a?b=HTTP/1.1"),
        ("GET /a#b HTTP/1.1", "/a#b"),
    ],
)
def test_targets_are_what_the_browser_sent(request_line: str, target: str) -> None:
    """What the server escaped is undone."""
    hit = combined.parse(LINE.replace(REQUEST, request_line))
    assert isinstance(hit, ReplayRow), hit
    assert hit.target == target


@pytest.mark.parametrize(
    ("line", "reason", "usual"),
    [
        ("", "an empty line", True),
        (LINE.replace(REQUEST, "-").replace(" 200 ", " 408 "), 'no request in it: "-"', True),
        (LINE.replace(REQUEST, ""), 'no request in it: ""', True),
        (LINE.replace(REQUEST, r"\x16\x03\x01\x02\x00 \x01"), r'no request in it: "\x16\x03\x01', True),
        (LINE.replace(REQUEST, r"\x03\x00\x00/*\xE0\x00Cookie: mstshash=Administr"), "no request in it", True),
        (LINE.replace(REQUEST, "SSH-2.0-Go").replace(" 200 ", " 400 "), "no request in it", True),
        (LINE.replace(REQUEST, "").replace(" 200 ", " 000 "), "no request in it", True),
        (LINE.replace(REQUEST, "www.example.org"), 'no request in it: "www.example.org"', False),
        (LINE.replace(REQUEST, "GET"), "no request in it", False),
        (LINE.replace("22/Nov", "31/Nov"), "day is out of range", False),
        (LINE.replace("Nov", "nov."), "not in the combined format", False),
        (LINE.replace(" +0100", ""), "22/Nov/2026:10:05:03 has no offset from UTC; give --zone", False),
        (LINE[:-3], "not in the combined format", False),
        (LINE.rpartition(' "')[0], "not in the combined format", False),
    ],
)
def test_one_that_holds_none_says_why(line: str, reason: str, usual: bool) -> None:
    """Those that every public server has are no sign of another format."""
    found = combined.parse(line)
    assert isinstance(found, Malformed), found
    assert reason in found.reason
    assert found.usual is usual


def test_a_hostile_line_takes_no_longer_than_its_length() -> None:
    """Repeated beginnings of a request; each ends in a fault."""
    start = LINE.partition(" 31 ")[0]
    for text in (
        start,
        f"{start} 1 ",
        f"{start[:-4]} x",
        "[22/Nov/2026:10:05:03 +0100] x ",
        '[22/Nov/2026:10:05:03 +0100] "',
        '" 200 1 "',
        "[22/Nov/2026:10:05:03 +0100] [x",
        '" "',
    ):
        assert isinstance(combined.parse(text * (1_000_000 // len(text))), Malformed)


@pytest.mark.parametrize("blank", [" ", " \t", " x", " HTTP/1.1", "\\t", "  \xa0"])
def test_a_hostile_request_takes_no_longer_than_its_length(blank: str) -> None:
    """8,000 spaces in an address once took a second."""
    long = blank * (900_000 // len(blank))
    began = time.process_time()
    for request in (f"GET /a{long}b HTTP/1.1", f"GET /a{long}b", f"GET{long}/a", f"GET /a{long}", f"GET {long}"):
        combined.parse(LINE.replace(REQUEST, request))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("request_line", "target"),
    [
        ("GET  /a  b   HTTP/1.1  ", "/a  b"),
        ("GET /a HTTP/1.1 HTTP/1.1", "/a HTTP/1.1"),
        ("GET /a xHTTP/1.1", "/a xHTTP/1.1"),
        ("GET /a HTTP/11", "/a HTTP/11"),
        ("GET   ", None),
    ],
)
def test_the_protocol_is_the_last_word(request_line: str, target: str | None) -> None:
    found = combined.parse(LINE.replace(REQUEST, request_line))
    assert (found.target if isinstance(found, ReplayRow) else None) == target
