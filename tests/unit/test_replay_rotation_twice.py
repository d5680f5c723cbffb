"""A followed file whose rotations are seen late, behind a link, or under odd names."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers import lines
from producers.replay import rotated_names, rotation
from tests.unit.test_replay_rotation import Reader, write


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def reader(log: Path) -> Iterator[Reader]:
    log.write_text("one\ntwo\n")
    os.utime(log, (1, 1))
    reader = Reader(log)
    assert reader.read() == ["one", "two"]
    yield reader
    reader.followed.close()


def rotate(log: Path, at_s: int, text: str) -> None:
    """The log gets a number, and a new one has `text`; it was written at this time."""
    for number in (3, 2, 1):
        if (old := log.with_name(f"{log.name}.{number}")).exists():
            old.rename(log.with_name(f"{log.name}.{number + 1}"))
    log.rename(log.with_name(f"{log.name}.1"))
    log.write_text(text)
    os.utime(log, (at_s, at_s))


@pytest.mark.parametrize("packed", [False, True])
def test_two_rotations_between_two_polls_lose_no_file(reader: Reader, log: Path, packed: bool) -> None:
    """As while Kafka is away for days; the oldest may be packed by then, at a time of its own."""
    write(log, "three\n")
    os.utime(log, (2, 2))
    for at_s, text in ((3, "four\n"), (4, "five\n"), (5, "six\n")):
        rotate(log, at_s, text)
    if packed:
        oldest = log.with_name("access.log.3")
        log.with_name("access.log.3.gz").write_bytes(gzip.compress(oldest.read_bytes()))
        oldest.unlink()
    assert reader.read() == ["three", "four", "five", "six"]
    reader.now_s += rotation.SILENT_S
    rotate(log, 6, "seven\n")
    assert reader.read() == ["seven"]
    reader.restart()
    assert reader.read() == []


def test_two_copies_between_two_polls_lose_no_file(reader: Reader, log: Path) -> None:
    """The same with copytruncate."""
    write(log, "three\n")
    for at_s, text in ((2, "four\n"), (3, "five\n")):
        if (old := log.with_name("access.log.1")).exists():
            old.rename(log.with_name("access.log.2"))
        shutil.copyfile(log, old)
        os.utime(old, (at_s, at_s))
        os.truncate(log, 0)
        write(log, text)
    assert reader.read() == ["three", "four", "five"]


def test_a_log_without_lines_does_not_bring_the_one_before_it_back(reader: Reader, log: Path) -> None:
    """A server wrote on to the old file after the new, empty one was made; it was read then."""
    rotate(log, 2, "")
    write(log.with_name("access.log.1"), "late\n")
    assert reader.read() == ["late"]
    reader.now_s += rotation.SILENT_S
    assert reader.read() == []
    rotate(log, 3, "three\n")
    assert reader.read() == ["three"]


def test_a_file_that_is_emptied_while_kafka_is_waited_for(reader: Reader, log: Path) -> None:
    """Its lines were taken, and are acknowledged when other lines are there already, more than before."""
    reader.followed.close()
    log.unlink()
    log.write_text("1\n2\n")
    reader.marks.clear()
    reader.start()
    taken = reader.followed.poll()
    assert taken is not None
    write(log, "3\n")
    shutil.copyfile(log, log.with_name("access.log.1"))
    os.truncate(log, 0)
    write(log, "4 is longer than all that there was before\n")
    taken[0].committed("combined", "")
    assert reader.read() == ["3", "4 is longer than all that there was before"]


def test_the_head_of_a_short_file_grows_with_it(reader: Reader, log: Path) -> None:
    """Over restarts; then a copy is found by it."""
    for number in range(3):
        write(log, f"{number}\n")
        reader.restart()
        assert reader.read() == [f"{number}"]
    shutil.copyfile(log, log.with_name("access.log.1"))
    write(log.with_name("access.log.1"), "more\n")
    os.truncate(log, 0)
    assert reader.read() == ["more"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_link_is_followed_to_where_files_are_rotated(tmp_path: Path, restart: bool) -> None:
    """kubelet: the link stays, and the file behind it, of another name in another directory, is renamed."""
    (tmp_path / "pods").mkdir()
    log, link = tmp_path / "pods" / "0.log", tmp_path / "web_default.log"
    log.write_text("one\n")
    link.symlink_to(log)
    reader = Reader(link)
    assert reader.read() == ["one"]
    reader.followed.close()
    write(log, "two\n")
    os.utime(log, (1, 1))
    if not restart:
        reader.start()
        reader.read(0)
    log.rename(log.with_name("0.log.20261130-101010"))
    log.write_text("three\n")
    os.utime(log, (2, 2))
    log.rename(log.with_name("0.log.20261130-111111"))
    log.write_text("four\n")
    if restart:
        reader.start()
    assert reader.read() == ["two", "three", "four"]
    reader.followed.close()


def test_a_link_that_moves_to_another_date_is_followed(tmp_path: Path) -> None:
    """cronolog, also during a pause."""
    link = tmp_path / "current"
    days = [tmp_path / f"access-2026-11-{day}.log" for day in (28, 29, 30)]
    days[0].write_text("one\n")
    link.symlink_to(days[0])
    reader = Reader(link)
    assert reader.read() == ["one"]
    reader.followed.close()
    write(days[0], "two\n")
    for at, day in enumerate(days[1:], 1):
        os.utime(days[at - 1], (at, at))
        day.write_text(f"day {at}\n")
    tmp_path.joinpath("access-8080.log").write_text("no\n")
    link.unlink()
    link.symlink_to(days[2])
    reader.start()
    assert reader.read() == ["two", "day 1", "day 2"]
    reader.followed.close()


@pytest.mark.parametrize(
    ("name", "log", "rotated"),
    [
        ("access.log.1", "access.log", True),
        ("access.log.12.gz", "access.log", True),
        ("access.log-20261130.gz", "access.log", True),
        ("access.log-20261130-13", "access.log", True),
        ("access.log.2026-11-30", "access.log", True),
        ("access_log.1795338303", "access_log", True),
        ("access-20261130.log", "access.log", True),
        ("access_2026-11-30.log.gz", "access.log", True),
        ("access-2026-11-30T10-00-00.000.log.gz", "access.log", True),
        ("0.log.20261130-101010", "0.log", True),
        ("u_ex261130.log", "u_ex261129.log", True),
        ("access.log", "access.log", False),
        ("access2.log", "access.log", False),
        ("access_443.log", "access.log", False),
        ("access-8080.log", "access.log", False),
        ("access-192.168.1.10.log", "access.log", False),
        ("access.log-8080", "access.log", False),
        ("access.log.bak", "access.log", False),
        ("access.log-api.1", "access.log", False),
        ("access-api-20261130.log", "access.log", False),
        ("error-20261130.log", "access-20261130.log", False),
    ],
)
def test_names_of_rotated_files(name: str, log: str, rotated: bool) -> None:
    """A number behind the whole name, or a date; ports, addresses and other logs are none."""
    assert rotated_names.is_rotated(name, log) is rotated


def test_an_older_file_that_may_not_be_read_keeps_its_place(
    reader: Reader, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not gone; the next start that may read it goes on there."""
    rotate(log, 2, "four\n")
    old = log.with_name("access.log.1")
    write(old, "three")
    assert reader.read() == ["four"]
    opened = Path.open

    def refuse(path: Path, *args: str, **more: int) -> object:
        if path == old:
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **more)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        reader.restart()
        assert reader.read() == []
        assert reader.said[-1] == f"{old} cannot be read: Permission denied; the next start goes on at its byte 8"
        reader.restart()
        assert reader.read() == []
    write(old, "\n")
    reader.restart()
    assert reader.read() == ["three"]


def test_the_end_of_an_endless_line_is_not_put_behind_its_beginning(log: Path) -> None:
    """What lies between was skipped."""
    log.write_text("x" * (2 * lines.LONGEST_LINE_BYTES) + " END\nlast\n")
    reader = Reader(log)
    assert [len(line) for line in reader.read()] == [lines.LONGEST_LINE_BYTES, 4]
    reader.followed.close()
