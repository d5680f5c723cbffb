"""Files that are no logs of their own, that change during a replay, or that are too many: said, and nothing is lost."""

from __future__ import annotations

import gzip
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from click.testing import CliRunner, Result

from deploy.local.ports import HOST, free_port
from producers import lines
from producers.commands import main
from producers.errors import ProducerError
from producers.replay import formats, sources
from producers.replay.malformed import Malformed
from tests.unit.test_replay_sources import replayed

LINE = '1.2.3.4 - - [22/Nov/2026:10:05:{second:02} +0100] "GET /{article} HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n'


def line(article: str, second: int = 3) -> str:
    return LINE.format(article=article, second=second)


def run(*args: str | Path) -> Result:
    # Nothing listens there: a command that got as far as Kafka would end with 1, not 2.
    return CliRunner().invoke(main, list(map(str, args)), env={"RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}"})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["access.log", "access.log.1"], "access.log.1 is a rotated file of access.log: name the log itself"),
        (["access.log-20261130.gz", "access.log"], "access.log-20261130.gz is a rotated file of access.log"),
        (["access-20261130.log", "access.log"], "access-20261130.log is a rotated file of access.log"),
        (["access.log", "link.log"], "link.log are one file: name it once"),
        (["access.log", "hard.log"], "hard.log are one file: name it once"),
        (["access.log", "pipe"], "pipe cannot be followed: it is a pipe or a device, no file; write: zcat FILE |"),
    ],
)
def test_lines_cannot_be_followed_twice(tmp_path: Path, names: list[str], said: str) -> None:
    """`access.log*` would count every rotated file again, whether it is there already or not."""
    log = tmp_path / "access.log"
    log.write_text(line("a"))
    (tmp_path / "link.log").symlink_to(log)
    os.link(log, tmp_path / "hard.log")
    os.mkfifo(tmp_path / "pipe")
    result = run("replay", *(tmp_path / name for name in names), "--follow", "--state", tmp_path / "state.json")
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "state.json").exists()


def test_logs_of_like_names_are_followed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets as far as Kafka, for which it would wait."""
    monkeypatch.setattr("producers.replay.following.Follower.run", AsyncMock(side_effect=ProducerError("at Kafka")))
    logs = [tmp_path / name for name in ("access.log", "access2.log", "access_443.log", "access-8080.log")]
    for log in logs:
        log.write_text(line(log.stem))
    result = run("replay", *logs, "--follow", "--state", tmp_path / "state.json")
    assert result.exit_code == 1, result.output
    assert "at Kafka" in result.output


def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """As of `replay <(zcat x.gz)`: it can be read once, and is read three times. One without a writer would hang."""
    os.mkfifo(tmp_path / "pipe")
    result = run("replay", tmp_path / "pipe")
    assert result.exit_code == 2, result.output
    assert "it is a pipe or a device, no file; write: zcat FILE | producers replay -" in " ".join(result.output.split())


@pytest.mark.parametrize("how", ["renamed", "emptied", "packed"])
def test_a_file_that_is_rotated_during_a_replay_is_an_error(tmp_path: Path, how: str) -> None:
    """Its name is another file's when its time comes."""
    old, new = tmp_path / "access.log.1", tmp_path / "access.log"
    old.write_text(line("a", 1) * 3)
    new.write_text(line("b", 2) * 3)
    opened = [sources.source(str(one)) for one in (old, new)]
    if how == "renamed":
        old.rename(tmp_path / "access.log.2")
        new.rename(old)
        new.write_text(line("c", 3) * 3)
    elif how == "emptied":
        os.truncate(new, 0)
    else:
        old.unlink()
    at = 0 if how != "emptied" else 1
    with pytest.raises(lines.DamagedInputError, match=r"rotated meanwhile|cannot be opened any more: No such file"):
        list(opened[at].numbered())


def test_a_file_that_grows_during_a_replay_is_read(tmp_path: Path) -> None:
    """As any log that is written to."""
    log = tmp_path / "access.log"
    log.write_text(line("a"))
    opened = sources.source(str(log))
    with log.open("a") as file:
        file.write(line("b"))
    assert len(list(opened.numbered())) == 2


@pytest.fixture
def few_files() -> Iterator[int]:
    """The soft limit of open files, low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(list(Path("/proc/self/fd").iterdir())) + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    yield few
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_files_than_may_be_open_are_an_error_with_its_fix(tmp_path: Path, few_files: int) -> None:
    """All overlap in time; what was sent before is said by the command."""
    files = [tmp_path / f"{number}.gz" for number in range(few_files)]
    for file in files:
        file.write_bytes(gzip.compress((line("a", 1) + line("b", 9)).encode()))
    with pytest.raises(lines.DamagedInputError, match="Too many open files; give fewer files at once, or raise ulimit"):
        replayed(files)


def test_the_command_opens_as_many_files_as_it_may(tmp_path: Path, few_files: int) -> None:
    """The usual soft limit is 1,024, the hard one half a million."""
    (tmp_path / "access.log").write_text(line("a"))
    assert "Kafka cannot be reached" in run("replay", tmp_path / "access.log").output
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert few_files < soft == hard


def test_a_field_too_long_for_csv_is_a_malformed_line() -> None:
    """The csv module's error ended the replay, and a followed log's for good."""
    text = f"occurred_at,{'x' * 200_000}"
    assert isinstance(next(row for _, row in formats.read_rows("combined", [(1, text)])), Malformed)
    assert formats.looks_like(text) != "csv"
    assert formats.find([line("a").strip()] * 3 + [text]).kind == "combined"
    with pytest.raises(formats.UnknownFormatError):
        formats.find([text])
