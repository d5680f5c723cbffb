"""Files with one secret: what is read of them, and what is said of those that hold none."""

import os
from pathlib import Path

import pytest

from ranker.connect import secret_file


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"hush", "hush"),
        (b"hush\n", "hush"),
        (b"hush\r\n", "hush"),
        (b" hush hush \n", " hush hush "),
        ("mot de passe@ici/é%20\n".encode(), "mot de passe@ici/é%20"),
    ],
)
def test_a_secret_is_all_of_its_line(written: bytes, read: str, tmp_path: Path) -> None:
    """Editors end a file with a line feed, which is not the secret's; blanks are."""
    file = tmp_path / "secret"
    file.write_bytes(written)
    assert secret_file.secret(str(file)) == read
    assert secret_file.secret_fault("RANKER_X_FILE", str(file)) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"", "has nothing in it; write the secret on one line"),
        (b"\n\n", "has nothing in it"),
        (b"hush\nhush\n", "has several lines; write the secret on one line"),
        (b"hush\xff", "is not UTF-8 of at most 1 MiB; write the secret into it, as text"),
        (b"h" * (secret_file.MOST_BYTES + 1), "is not UTF-8 of at most 1 MiB"),
    ],
)
def test_what_is_no_secret(written: bytes, said: str, tmp_path: Path) -> None:
    """The sentence names variable and fix, and holds nothing of what is in the file."""
    file = tmp_path / "secret"
    file.write_bytes(written)
    fault = secret_file.secret_fault("RANKER_X_FILE", str(file))
    assert fault is not None
    assert fault.startswith("RANKER_X_FILE: the file ")
    assert said in fault
    assert "hush" not in fault
    assert "xff" not in fault


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A file that is missing, a directory, and a pipe: nothing waits for the one who would write it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, why in (
        (tmp_path / "none", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (pipe, "it is a pipe, which can be read once only"),
    ):
        fault = secret_file.secret_fault("RANKER_X_FILE", str(path))
        assert fault is not None
        assert fault.startswith(f"RANKER_X_FILE: cannot be read ({why}); name a file that this user may read")
        assert str(tmp_path) not in fault, "somebody may have written the secret itself there"
