"""What replay says of other formats works: its commands, on lines of such formats, give lines that replay reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from producers.replay import formats, replaying
from producers.replay.replaying import Rules
from producers.replay.summary import FileTally

AT_MS = 1_795_338_303_000
LINE = '1.2.3.4 - - [22/Nov/2026:10:05:03 +0100] "GET /société?p=1 HTTP/1.1" 200 31'
FILES = {
    "common": f"{LINE}\n",
    "w3c": (
        "#Software: Microsoft Internet Information Services 10.0\n"
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs(User-Agent) sc-status time-taken\n"
        "2026-11-22 09:05:03 10.0.0.1 GET /soci%C3%A9t%C3%A9 p=1 443 Mozilla/5.0+(X11) 200 15\n"
        "2026-11-22 09:05:04 10.0.0.1 POST /form - 443 Mozilla/5.0+(X11) 200 15\n"
    ),
    "w3c, tabs": (
        "#Version: 1.0\n"
        "#Fields: date time x-edge-location cs-method cs(Host) cs-uri-stem sc-status cs(User-Agent) cs-uri-query\n"
        "2026-11-22\t09:05:03\tCDG50-C1\tGET\td1.cloudfront.net\t/soci%C3%A9t%C3%A9\t200\tMozilla/5.0%20(X11)\tp=1\n"
    ),
    "caddy": (
        '{"level":"info","ts":1795338303.0004,"logger":"http.log.access","request":{"remote_ip":"1.2.3.4","method":"GET",'
        '"uri":"/soci%C3%A9t%C3%A9?p=1","headers":{"User-Agent":["Mozilla/5.0"]}},"status":200}\n'
    ),
    "traefik": (
        '{"DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/soci%C3%A9t%C3%A9?p=1",'
        '"StartUTC":"2026-11-22T09:05:03.000456789Z","request_User-Agent":"Mozilla/5.0"}\n'
    ),
    "nginx-json": (
        '{"time_iso8601":"2026-11-22T10:05:03+01:00","request_method":"GET","request_uri":"/soci%C3%A9t%C3%A9?p=1",'
        '"status":"200","http_user_agent":"Mozilla/5.0"}\n'
    ),
    "container": (
        '{"log":"' + f'{LINE} "-" "Mozilla/5.0"'.replace('"', r"\"") + r'\n","stream":"stdout"}' + "\n"
        '{"MESSAGE":"' + LINE.replace("GET", "POST").replace('"', r"\"") + r" \"-\" \"x\"" + '"}\n'
    ),
    "json-document": f'[\n  {{\n    "occurred_at": {AT_MS},\n    "url": "/société?p=1"\n  }}\n]\n',
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_command_converts_the_file(tmp_path: Path, name: str) -> None:
    """One view of the article, and nothing that is malformed."""
    file, converted = tmp_path / "access.log", tmp_path / "converted"
    file.write_text(FILES[name])
    tally = FileTally(str(file))
    list(replaying.outcomes(replaying.source(str(file)), Rules("demo"), tally=tally))
    assert (tally.understood, tally.looks_like) == (False, name.partition(",")[0])
    found = re.search(r"((jq|awk|sed) .*) FILE \| producers replay - --format (\w+)$", tally.sentence())
    assert found
    if shutil.which(found[2]) is None:
        pytest.skip(f"{found[2]} is not installed")
    with converted.open("wb") as output:
        subprocess.run(["sh", "-c", f'{found[1]} "$0"', str(file)], stdout=output, check=True)
    views = list(replaying.outcomes(replaying.source(str(converted), found[3]), Rules("demo")))
    assert [(one["article_id"], one["occurred_at"]) for one in views if isinstance(one, dict)] == [("/société", AT_MS)]
    assert {one for one in views if not isinstance(one, dict)} <= {"method"}


def test_every_command_is_tried() -> None:
    """Those with a placeholder have nothing to run."""
    commands = {one.name for one in formats._FORMATS if "FILE" in one.advice and "…, url" not in one.advice}
    assert commands == {*FILES, "utf-16"} - {"w3c, tabs"}
