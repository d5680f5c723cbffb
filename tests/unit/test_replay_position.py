"""The file of the position: one process at a time, whole or as it was before, and refused if it is not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producers.replay.position import Mark, Position, StateError


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    """Marks, and the numbers that events go on with; only the owner may read it."""
    path = tmp_path / "new" / "state.json"
    position = Position(path, "page-views")
    position.marks["/var/log/access.log"] = [Mark("k", 7, 12, 3, "aa", "w3c", "#Fields: date time")]
    position.sequence = 42
    position.save()
    position.close()
    again = Position(path, "page-views")
    assert (again.marks, again.sequence, again.producer_id) == (position.marks, 42, position.producer_id)
    assert again.producer_id.startswith("replay/")
    assert path.stat().st_mode & 0o777 == 0o600
    again.close()


def test_nothing_is_kept_that_was_not_saved(tmp_path: Path) -> None:
    """Such as a batch that Kafka has not acknowledged."""
    path = tmp_path / "state.json"
    position = Position(path, "page-views")
    position.sequence = 42
    position.close()
    again = Position(path, "page-views")
    assert again.sequence == 0
    again.close()


@pytest.mark.parametrize(
    ("content", "topic", "reason"),
    [
        (b"{", "page-views", "holds no position of replay"),
        (b"\xff", "page-views", "holds no position of replay"),
        (b'{"version":1}', "page-views", "holds no position of replay"),
        (
            b'{"version":2,"topic":"page-views","producer_id":"replay/x","sequence":0,"files":{}}',
            "page-views",
            "was written by another version",
        ),
        (
            b'{"version":1,"topic":"page-views","producer_id":"replay/x","sequence":0,"files":{}}',
            "other",
            "is the position in topic page-views. Choose another --state for other",
        ),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: bytes, topic: str, reason: str) -> None:
    """And left as it is."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    for _ in range(2):  # the first refusal has let the lock go
        with pytest.raises(StateError, match=reason):
            Position(path, topic)
    assert path.read_bytes() == content


def test_two_processes_cannot_have_it(tmp_path: Path) -> None:
    """They would send every line twice."""
    path = tmp_path / "state.json"
    position = Position(path, "page-views")
    with pytest.raises(StateError, match="belongs to another process that follows"):
        Position(path, "page-views")
    position.close()
    Position(path, "page-views").close()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before anything is sent."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"cannot be written: .*Choose another --state"):
        Position(tmp_path / "file" / "state.json", "page-views")


def test_a_link_is_the_file_behind_it(tmp_path: Path) -> None:
    """One position and one lock, by whichever name."""
    path, link = tmp_path / "data" / "state.json", tmp_path / "link.json"
    path.parent.mkdir()
    link.symlink_to(path)
    position = Position(link, "page-views")
    with pytest.raises(StateError, match="belongs to another process"):
        Position(path, "page-views")
    position.sequence = 42
    position.save()
    position.close()
    assert link.is_symlink()
    again = Position(path, "page-views")
    assert again.sequence == 42
    again.close()


def test_a_pipe_or_device_is_no_position(tmp_path: Path) -> None:
    """Neither is read, which might have no end, nor is a lock put beside it."""
    os.mkfifo(tmp_path / "state.json")
    with pytest.raises(StateError, match=r"is no file, but a device or a pipe. Choose another --state"):
        Position(tmp_path / "state.json", "page-views")
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]
