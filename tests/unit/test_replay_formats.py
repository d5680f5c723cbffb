"""Files that replay does not read say what they look like; each faulty line says why."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from producers import lines
from producers.replay import formats, replaying, rows, sources, unread
from producers.replay.replaying import Rules
from producers.replay.summary import Fault, FileTally, Summary
from producers.times import LocalClock

AT_MS = 1_795_338_303_000
LINE = '1.2.3.4 - - [22/Nov/2026:10:05:03 +0100] "GET /a HTTP/1.1" 200 31 "-" "Mozilla/5.0"'

LOOKS = [
    ("json", '{"name": "view", "page": "/a"}'),
    ("json-document", '[{"occurred_at": 1795338303000, "url": "/a"},'),
    ("json-document", "["),
    ("json-document", '    "occurred_at": 1795338303000,'),
    ("json-document", "  },"),
    ("w3c-without-fields", "2026-11-22 09:05:03 10.0.0.1 GET /a - 443 - 1.2.3.4 Mozilla/5.0 - 200 0 0 15"),
    (
        "w3c-without-fields",
        "2026-11-22\t09:05:03\tCDG50-C1\t2390\t1.2.3.4\tGET\td111.cloudfront.net\t/a\t200\t-\tMozilla/5.0",
    ),
    (
        "w3c-without-fields",
        "2026-11-22 09:05:03 GET /a _=1 - 1.2.3.4 Mozilla/5.0+(Windows) https://x.example/ x 200 8602 14",
    ),
    ("iis", "1.2.3.4, -, 11/22/2026, 7:55:20, W3SVC2, SERVER, 10.0.0.1, 4502, 163, 3223, 200, 0, GET, /a.gif, -,"),
    (
        "haproxy",
        (
            "Nov 22 10:05:03 lb haproxy[14389]: 1.2.3.4:33317 [22/Nov/2026:10:05:03.655] in static/srv1 10/0/30/69/109 200 "
            '2750 - - ---- 1/1/1/1/0 0/0 "GET /a HTTP/1.1"'
        ),
    ),
    (
        "squid",
        "1795338303.123   1123 1.2.3.4 TCP_MISS/200 4567 GET http://www.example.org/a - HIER_DIRECT/10.0.0.1 text/html",
    ),
    ("error-log", '2026/11/22 10:05:03 [error] 123#0: *1 open() "/a" failed (2: No such file or directory)'),
    ("error-log", "[Sun Nov 22 10:05:03.123456 2026] [core:error] [pid 123] [client 1.2.3.4] File does not exist"),
    ("csv-of-other-names", "timestamp,page,visitors"),
    ("csv-of-other-names", '"Date";"Page";"Views"'),
    ("markup", '<?xml version="1.0"?>'),
    (
        "nginx-proxy-manager",
        (
            '[22/Nov/2026:10:05:03 +0100] - 200 200 - GET https www.example.org "/a" [Client 1.2.3.4] [Length 31] '
            '[Gzip 2.1] [Sent-to 10.0.0.1] "Mozilla/5.0" "-"'
        ),
    ),
    ("json", '{"request":{"method":"GET","uri":"/a"},"upstream_uri":"/","response":{"status":200}}'),
    ("", "GET /a 200"),
    ("", "2026-11-22 10:05:03 [INFO] Booting worker with pid 123"),
    ("", "\0" * 4096),  # of a file with holes
    ("", "Nov 22 10:05:03 host sshd[1]: session opened"),
]


@pytest.mark.parametrize(("name", "line"), LOOKS, ids=[name for name, _ in LOOKS])
def test_a_line_of_another_format_is_recognised(name: str, line: str) -> None:
    """By its shape."""
    assert formats.looks_like(line) == name


def test_every_format_is_described() -> None:
    """No name without a line above."""
    assert {name for name, _ in LOOKS} | {"utf-16"} == {one.name for one in unread._FORMATS} | {""}


def replayed(tmp_path: Path, content: str, kind: str = "auto", zone: str = "") -> tuple[Summary, list[Any]]:
    file = tmp_path / "in"
    file.write_text(content, encoding="utf-8")
    source = sources.source(str(file), kind)
    summary = Summary(files=[FileTally(source.name)])
    rules = Rules("demo", clock=LocalClock(ZoneInfo(zone)) if zone else None)
    found = list(replaying.outcomes(source, rules, tally=summary.files[0]))
    for one in found:
        summary.add(one)
    return summary, found


@pytest.mark.parametrize(("name", "line"), [one for one in LOOKS if one[0] != "combined"], ids=lambda one: one[:12])
def test_a_file_in_another_format_is_not_understood(tmp_path: Path, name: str, line: str) -> None:
    """It is refused before anything is sent, or, if a format was chosen, at the end; the sentence names its own."""
    with pytest.raises(formats.UnknownFormatError) as raised:
        replayed(tmp_path, f"{line}\n" * 3)
    assert str(raised.value).startswith("none of its first ")
    assert "Line 1: " in str(raised.value)
    assert formats.described(name) in str(raised.value)
    summary, _ = replayed(tmp_path, f"{line}\n" * 3, "combined")
    (tally,) = summary.not_understood()
    assert (tally.looks_like, tally.refused, summary.sent) == (name, 3, 0)
    assert f"3 of 3 lines of {tally.file} were not understood. {formats.described(name)}" == tally.sentence()


def test_junk_and_connections_without_a_request_are_no_other_format(tmp_path: Path) -> None:
    """Every public server has them; less than half junk is a log."""
    silent = LINE.replace("GET /a HTTP/1.1", "-")
    summary, _ = replayed(tmp_path, "\n".join([LINE, LINE, "junk", "", *[silent] * 20, ""]))
    assert summary.not_understood() == []
    assert (summary.sent, summary.skipped["malformed"]) == (2, 22)
    summary, _ = replayed(tmp_path, f"{LINE}\njunk\n")
    assert [one.looks_like for one in summary.not_understood()] == [""]
    summary, _ = replayed(tmp_path, "")
    assert summary.not_understood() == []
    summary, _ = replayed(tmp_path, f"{silent}\n" * 20)
    assert summary.not_understood() == []
    summary, _ = replayed(tmp_path, f"{silent}\n" * 20 + "junk\n", "combined")
    assert len(summary.not_understood()) == 1


SECONDS = [
    (1_795_338_303, "seconds"),
    (1_795_338_303.123, "seconds"),
    ("1795338303", "seconds"),
    ("1795338303.123", "seconds"),
    ("+1795338303", "seconds"),
    (5, "seconds"),
    (0, "seconds"),
    (-5, "seconds"),
    (1_795_338_303_000_000, "microseconds"),
    ("1795338303000000", "microseconds"),
    (1_795_338_303_000_000_000, "nanoseconds"),
]


def test_other_units_are_refused_each_with_its_line(tmp_path: Path) -> None:
    """In JSON lines and CSV."""
    rows = "".join(json.dumps({"occurred_at": at, "url": "/a"}) + "\n" for at, _ in SECONDS)
    for content in (rows, "occurred_at,url\n" + "".join(f"{at},/a\n" for at, _ in SECONDS)):
        summary, found = replayed(tmp_path, content)
        first = 1 if content == rows else 2
        assert [(one.line, one.text.partition(": that")[2]) for one in found] == [
            (number, f" looks like {unit}; give milliseconds") for number, (_, unit) in enumerate(SECONDS, first)
        ]
        assert summary.not_understood()[0].looks_like is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "no JSON: "),
        ("[]", "no JSON object"),
        ('{"a": "\udce9"}', "no JSON: str is not valid UTF-8"),
        ('{"url":"/a"}', "it has no occurred_at"),
        ('{"url":"/a","timestamp":1}', "it has no occurred_at. Rename timestamp to occurred_at"),
        ('{"occurred_at":1795338303000,"page":"/a"}', "neither article_id nor path nor url. Rename page to url"),
        ('{"url":"/a","occurred_at":true}', "occurred_at is True; give milliseconds since 1970, or 2026-11-22T"),
        ('{"url":"/a","occurred_at":[1]}', "occurred_at is [1]; give"),
        ('{"url":"/a","occurred_at":1795338303000.5}', "give whole milliseconds"),
        ('{"url":"/a","occurred_at":1e999}', ""),
        ('{"url":"/a","occurred_at":"+-5"}', "occurred_at: +-5 is no time"),
        ('{"url":"/a","occurred_at":"."}', "occurred_at: . is no time"),
        ('{"url":"/a","occurred_at":""}', "occurred_at:  is no time"),
        ('{"url":"/a","occurred_at":4200000000000}', "up to the year 2100"),
        ('{"url":"/a","occurred_at":"2026-11-22 10:05:03"}', "occurred_at: 2026-11-22 10:05:03 has no offset"),
        ('{"url":"/a","occurred_at":"22/11/2026 10:05"}', "occurred_at: 22/11/2026 10:05 may begin with its day"),
        ('{"url":"/a","occurred_at":1795338303000,"status":"200"}', "status is '200'; give a whole number"),
        ('{"url":"/a","occurred_at":1795338303000,"method":1}', "method is 1; give a text"),
        ('{"url":"/a","occurred_at":1795338303000,"value":0}', "value is 0; give an int"),
    ],
)
def test_a_malformed_row_says_why(tmp_path: Path, row: str, reason: str) -> None:
    """With its line."""
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n" + row.encode("utf-8", "surrogateescape"))
    empty, fault = replaying.outcomes(sources.source(str(file), "jsonl"), Rules("demo"))
    assert isinstance(empty, Fault)
    assert isinstance(fault, Fault)
    assert (empty.text, fault.line) == ("an empty line", 2)
    assert reason in fault.text


def test_a_csv_of_local_times_is_refused_or_right_with_the_zone(tmp_path: Path) -> None:
    """Never taken for UTC."""
    rows = [f"2026-11-22 {10 + n // 2:02}:{n % 2 * 30:02}:00,/a" for n in range(12)]
    content = "\n".join(["occurred_at,url", *rows])
    summary, found = replayed(tmp_path, content)
    assert (summary.sent, summary.skipped["malformed"], len(summary.not_understood())) == (0, 12, 1)
    assert [one.line for one in found] == list(range(2, 14))
    assert "2026-11-22 10:00:00 has no offset from UTC; give --zone" in found[0].text
    summary, found = replayed(tmp_path, content, zone="Europe/Paris")
    assert summary.sent == 12
    assert [one["occurred_at"] for one in found] == [1_795_338_000_000 + n * 1_800_000 for n in range(12)]


def test_times_in_the_future_are_counted_and_said(tmp_path: Path) -> None:
    """They would become dead letters; the exit code tells if they are half or more."""
    lines = [LINE, LINE.replace("2026", "2099"), LINE]
    summary, found = replayed(tmp_path, "\n".join(lines))
    assert (summary.sent, summary.skipped["future"], summary.not_understood()) == (2, 1, [])
    assert found[1].line == 2
    assert "2099-11-22T09:05:03Z is " in found[1].text
    assert "minutes ahead of this clock" in found[1].text
    assert len(replayed(tmp_path, "\n".join(lines[:2]))[0].not_understood()) == 1


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("timestamp,page", "Rename timestamp to occurred_at, page to url"),
        ("Date;Page path;Views", "Rename date to occurred_at, page path to url"),
        ("occurred_at,page,path", "ok"),
        ('"occurred_at", "path"', "ok"),
        ("occurred_at\tid", "Rename id to article_id"),
        ("occurred_at,path,occurred_at", "its first line names occurred_at twice"),
        ("sep=;", "It is 'sep=;'"),
        ("", "its first line must name the columns"),
    ],
)
def test_a_header_of_other_names_says_what_to_rename(tmp_path: Path, header: str, sentence: str) -> None:
    """Before anything is sent."""
    file = tmp_path / "in.csv"
    file.write_text(f"\ufeff{header}\n")
    if sentence == "ok":
        assert sources.source(str(file)).kind == "csv"
        return
    with pytest.raises(rows.UnfitHeaderError) as raised:
        sources.source(str(file))
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("\ufeffa,b\n".encode("utf-16-le"), "it is UTF-16, as PowerShell's > and Out-File write it"),
        ("\ufeffa,b\n".encode("utf-16-be"), "it is UTF-16"),
        (LINE.encode("utf-16-le"), "it is UTF-16"),
        (gzip.compress(LINE.encode("utf-16")), "it is UTF-16"),
        (gzip.compress(gzip.compress(LINE.encode())), "it is packed by gzip twice"),
        (b"PK\x03\x04\x14\0", "an Excel workbook; unpack it, or save the sheet as CSV"),
        (b"BZh91AY", "bzcat FILE"),
        (b"\xfd7zXZ\0", "xzcat FILE"),
        (b"\x1f\x8bno", "begins like gzip, but is damaged"),
        (b"\x28\xb5\x2f\xfd\x04", "zstdcat FILE"),
        (b"occurred_at,url\r1795338303000,/a\r", "CR alone"),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "combined", "csv"])
def test_what_is_no_text_says_what_it_is(tmp_path: Path, content: bytes, sentence: str, kind: str) -> None:
    """Whatever the format chosen."""
    file = tmp_path / "in"
    file.write_bytes(content)
    with pytest.raises(lines.UnfitInputError) as raised:
        sources.source(str(file), kind)
    assert sentence in str(raised.value)


def test_csv_may_be_packed_marked_and_begin_with_empty_lines(tmp_path: Path) -> None:
    """A byte order mark, gzip, semicolons or tabs, an empty line at its end."""
    for delimiter in ",;\t":
        file = tmp_path / "in"
        text = f"\ufeff\ufeff\n\noccurred_at,url\n{AT_MS},/a\n\n".replace(",", delimiter)
        file.write_bytes(gzip.compress(text.encode()))
        found = list(replaying.outcomes(sources.source(str(file)), Rules("demo")))
        assert isinstance(found[0], dict)
        assert (found[0]["article_id"], found[0]["occurred_at"]) == ("/a", AT_MS)
        assert [one.text for one in found[1:] if isinstance(one, Fault)] == ["an empty line"]
