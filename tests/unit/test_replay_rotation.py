"""A file that is followed: every line once, whatever is done to the file, and wherever a restart falls."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from producers import lines
from producers.replay import rotation, tails
from producers.replay.position import Mark
from producers.replay.rotation import Followed
from producers.replay.tails import Tail


@dataclass
class Reader:
    """Follows a path by its marks, as the program does: each poll's lines are sent before the next poll."""

    path: Path
    marks: list[Mark] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    now_s: float = 1000.0
    places: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.followed = Followed(self.path, self.marks, self.said.append, lambda: self.now_s)

    def restart(self) -> None:
        """As after a kill: only the marks are left."""
        self.followed.close()
        self.start()

    def read(self, polls: int = 1_000) -> list[str]:
        """The lines that come until there are none."""
        found: list[str] = []
        for _ in range(polls):
            taken = self.followed.poll()
            if taken is None:
                break
            tail, numbered = taken
            found += [line for _, line in numbered]
            self.places += [(tail.mark.key, place) for place, _ in numbered]
            tail.committed("combined", "")
        return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def reader(log: Path) -> Iterator[Reader]:
    log.write_text("one\ntwo\n")
    reader = Reader(log)
    assert reader.read() == ["one", "two"]
    yield reader
    reader.followed.close()
    assert len(set(reader.places)) == len(reader.places), "two lines would have one event id"


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_lines_come_when_they_have_ended(reader: Reader, log: Path) -> None:
    """Half a line waits for the rest, over a restart, too."""
    write(log, "thr")
    assert reader.read() == []
    reader.restart()
    write(log, "ee\r\nfour")
    assert reader.read() == ["three"]
    write(log, "\n")
    assert reader.read() == ["four"]


def test_a_restart_goes_on_where_it_was(reader: Reader, log: Path) -> None:
    """Neither the lines that were sent come again nor are those lost that were written meanwhile."""
    write(log, "three\n")
    reader.restart()
    assert reader.read() == ["three"]
    reader.restart()
    assert reader.read() == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_renamed_file_is_read_to_its_end_before_the_new_one(reader: Reader, log: Path, restart: bool) -> None:
    """The server writes on to it until it opens the new one, and some of its workers later still."""
    old = log.with_name("access.log.1")
    log.rename(old)
    write(old, "three\n")
    if restart:
        reader.restart()
    log.write_text("")
    write(log, "five\n")
    write(old, "four\n")
    assert reader.read() == ["three", "four", "five"]
    write(old, "late\n")
    assert reader.read() == ["late"]
    reader.now_s += rotation.SILENT_S
    write(old, "the last has no end")
    assert reader.read() == ["the last has no end"] or restart
    reader.now_s += rotation.SILENT_S
    assert reader.read() in ([], ["the last has no end"])
    assert len(reader.marks) == 1


def test_a_path_that_is_missing_for_a_while_is_waited_for(reader: Reader, log: Path) -> None:
    """Between the rename and the new file nothing is lost."""
    old = log.with_name("access.log.1")
    log.rename(old)
    assert reader.read() == []
    write(old, "three\n")
    assert reader.read() == ["three"]
    log.write_text("four\n")
    assert reader.read() == ["four"]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("written", ["", "four\n", "four is longer than all that there was before\n"])
def test_a_file_that_is_copied_and_emptied(reader: Reader, log: Path, written: str, restart: bool) -> None:
    """What was not read of it is in the copy; a file that has grown past its old length is recognised by its start."""
    write(log, "three\n")
    shutil.copyfile(log, log.with_name("access.log.1"))
    os.truncate(log, 0)
    write(log, written)
    if restart:
        reader.restart()
    assert reader.read() == ["three", *written.split("\n")[:-1]]
    reader.restart()
    assert reader.read() == []


def test_a_file_that_is_emptied_without_a_copy_is_told_of(reader: Reader, log: Path) -> None:
    """Its new lines count; what was lost, if anything, is nobody's to say."""
    os.truncate(log, 0)
    write(log, "3\n")
    assert reader.read() == ["3"]
    assert any("was emptied after byte 8, and there is no copy" in said for said in reader.said)


def test_a_writer_that_stays_where_it_was_leaves_zeros(reader: Reader, log: Path) -> None:
    """Without O_APPEND, after the file was emptied; they are no part of the line."""
    with log.open("r+b") as file:
        file.seek(8)
        os.truncate(log, 0)
        file.write(b"three\n")
    assert reader.read() == ["three"]


@pytest.mark.parametrize("packed", [False, True])
def test_rotations_during_a_pause_are_caught_up_with(reader: Reader, log: Path, packed: bool) -> None:
    """The one that was read by its first bytes, those after it by their names and times, in order; no other file."""
    write(log, "three\n")
    reader.followed.close()
    for number, text in enumerate(["four\n", "five\n"]):
        for n in (2, 1):
            if (old := log.with_name(f"access.log.{n}")).exists():
                old.rename(log.with_name(f"access.log.{n + 1}"))
        log.rename(log.with_name("access.log.1"))
        log.write_text(text)
        os.utime(log.with_name("access.log.1"), (number + 1, number + 1))
    log.with_name("access.log.bak").write_text("one\nno\n")
    log.with_name("access.log-api").write_text("no\n")
    if packed:
        oldest = log.with_name("access.log.2")
        (packed_one := log.with_name("access.log.2.gz")).write_bytes(gzip.compress(oldest.read_bytes()))
        os.utime(packed_one, (1, 1))
        oldest.unlink()
    reader.start()
    assert reader.read() == ["three", "four", "five"]
    reader.restart()
    assert reader.read() == []


def test_a_file_that_is_gone_is_told_of(reader: Reader, log: Path) -> None:
    """With the place up to which it was sent."""
    reader.followed.close()
    log.unlink()
    log.write_text("three\n")
    reader.start()
    assert reader.read() == ["three"]
    assert any("sent up to byte 8, is gone; its rest is lost" in said for said in reader.said)


def test_a_file_may_come_later_and_may_move_to_another_disk(log: Path) -> None:
    """It is the same file if it begins the same."""
    reader = Reader(log)
    assert reader.read() == []
    assert reader.said == [f"{log} does not exist; waiting for it"]
    log.write_text("one\n")
    assert reader.read() == ["one"]
    reader.followed.close()
    shutil.copyfile(log, log.with_name("new"))
    log.with_name("new").replace(log)
    write(log, "two\n")
    reader.start()
    assert reader.read() == ["two"]
    reader.followed.close()


def test_a_disk_that_is_not_there_yet_is_no_lost_file(reader: Reader, log: Path) -> None:
    """Its file goes on where it was, when it is there."""
    reader.followed.close()
    moved = log.parent.with_name("elsewhere")
    log.parent.rename(moved)
    reader.start()
    assert reader.read() == []
    reader.restart()
    assert reader.read() == []
    moved.rename(log.parent)
    write(log, "three\n")
    assert reader.read() == ["three"]
    assert reader.said == [f"{log} does not exist; waiting for it"] * 2


def test_a_file_that_may_not_be_read_at_the_start_keeps_its_place(
    reader: Reader, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not taken for another one, which would be sent from its start."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(log, "three\n")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        reader.restart()
        assert reader.read() == []
    assert [mark.offset for mark in reader.marks] == [8]
    assert reader.read() == ["three"]


def test_a_new_file_that_cannot_be_opened_yet_is_waited_for(
    reader: Reader, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As between its rotation and the change of its mode; also after it was emptied."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    os.truncate(log, 0)
    write(log, "3\n")
    with monkeypatch.context() as patch:
        patch.setattr(Tail, "open", refuse)
        assert reader.read() == []
        assert reader.read() == []
    assert reader.read() == ["3"]
    assert f"{log} cannot be read: Permission denied; trying again" in reader.said


def test_large_files_come_in_chunks_and_endless_lines_in_one(log: Path) -> None:
    """A poll takes a bounded part; a line of megabytes is cut, and the next has its own place."""
    long = "x" * (2 * lines.LONGEST_LINE_BYTES + 5)
    log.write_text("short\n" * 200_000 + f"{long}\nlast\n")
    reader = Reader(log)
    first = reader.read(polls=1)
    assert 0 < len(first) * 6 <= tails.CHUNK_BYTES
    assert reader.marks[0].offset == len(first) * 6
    reader.restart()
    rest = reader.read()
    assert len(first) + len(rest) == 200_002
    assert lines.LONGEST_LINE_BYTES <= len(rest[-2]) < len(long)
    assert reader.marks[0].offset == log.stat().st_size
    write(log, "more\n")
    reader.restart()
    assert reader.read() == ["more"]
    reader.followed.close()


def test_a_damaged_rest_is_told_of_and_the_new_file_goes_on(reader: Reader, log: Path) -> None:
    """A packed file that was cut."""
    write(log, "".join(f"{n * 7919}\n" for n in range(50_000)))
    reader.followed.close()
    whole = gzip.compress(log.read_bytes())
    log.with_name("access.log.1.gz").write_bytes(whole[: len(whole) // 2])
    log.unlink()
    log.write_text("new\n")
    reader.start()
    assert reader.read()[-1] == "new"
    assert any("cannot be read beyond byte" in said for said in reader.said)
