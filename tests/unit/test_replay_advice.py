"""What replay says of other formats works: its commands, on lines of such formats, give lines that replay reads."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from producers.replay import replaying, sources, unread
from producers.replay.replaying import Rules
from producers.replay.summary import FileTally

AT_MS = 1_795_338_303_000
FILES = {
    "json-document": f'[\n  {{\n    "occurred_at": {AT_MS},\n    "url": "/société?p=1"\n  }}\n]\n',
}


@pytest.mark.parametrize("name", FILES)
def test_the_command_converts_the_file(tmp_path: Path, name: str) -> None:
    """One view of the article, and nothing that is malformed."""
    file, converted = tmp_path / "access.log", tmp_path / "converted"
    file.write_text(FILES[name])
    tally = FileTally(str(file))
    list(replaying.outcomes(sources.source(str(file), "jsonl"), Rules("demo"), tally=tally))
    assert (tally.understood, tally.looks_like) == (False, name)
    found = re.search(r"((jq|awk|sed) .*) FILE \| producers replay - --format (\w+)$", tally.sentence())
    assert found
    if shutil.which(found[2]) is None:
        pytest.skip(f"{found[2]} is not installed")
    with converted.open("wb") as output:
        subprocess.run(["sh", "-c", f'{found[1]} "$0"', str(file)], stdout=output, check=True)
    views = list(replaying.outcomes(sources.source(str(converted), found[3]), Rules("demo")))
    assert [(one["article_id"], one["occurred_at"]) for one in views if isinstance(one, dict)] == [("/société", AT_MS)]
    assert {one for one in views if not isinstance(one, dict)} <= {"method"}


def test_every_command_is_tried() -> None:
    """Those with a placeholder have nothing to run."""
    commands = {one.name for one in unread._FORMATS if "FILE" in one.advice and "…, url" not in one.advice}
    assert commands == {*FILES, "utf-16"}
