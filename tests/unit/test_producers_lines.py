"""Reading files line by line."""

import gzip
from pathlib import Path

import pytest

from producers import lines


def test_plain_and_packed_files_give_the_same_lines(tmp_path: Path) -> None:
    """gzip is seen by its first bytes, whatever the file is called."""
    text = "one\ntwo\r\n\nfour"
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed"
    plain.write_text(text, newline="")
    packed.write_bytes(gzip.compress(text.encode()))
    expected = [(1, "one"), (2, "two"), (3, ""), (4, "four")]
    assert list(lines.read_lines(str(plain))) == expected
    assert list(lines.read_lines(str(packed))) == expected


def test_gzip_files_joined_are_read_through(tmp_path: Path) -> None:
    """Rotated logs are often put together with cat."""
    file = tmp_path / "log"
    file.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))
    assert [line for _, line in lines.read_lines(str(file))] == ["one", "two"]


def test_a_file_cut_short_is_reported_with_the_place(tmp_path: Path) -> None:
    """What gzip promised and does not come is an error after the lines that came."""
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress("\n".join(str(n * 7919) for n in range(50_000)).encode())[:-1000])
    read: list[tuple[int, str]] = []
    with pytest.raises(lines.DamagedInputError, match=r"log\.gz cannot be read beyond line \d+"):
        read.extend(lines.read_lines(str(file)))
    assert read[:2] == [(1, "0"), (2, "7919")]


def test_an_endless_line_is_one_line(tmp_path: Path) -> None:
    """A file without line ends does not fill the memory, and the next line has the next number."""
    file = tmp_path / "log"
    file.write_bytes(b"x" * (3 * lines.LONGEST_LINE_BYTES) + b"\nshort\n")
    read = list(lines.read_lines(str(file)))
    assert [(number, len(line)) for number, line in read] == [(1, lines.LONGEST_LINE_BYTES), (2, 5)]


def test_bytes_that_are_no_utf8_are_not_lost(tmp_path: Path) -> None:
    """They come as lone surrogates, which no contract takes for text; a mark at the start of the file is dropped."""
    file = tmp_path / "log"
    file.write_bytes(b"\xef\xbb\xbfcaf\xe9\n")
    assert list(lines.read_lines(str(file))) == [(1, "caf\udce9")]


def test_progress_is_reported_in_bytes_on_disk(tmp_path: Path) -> None:
    """Positions rise and never pass the size of the file."""
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(b"".join(b"%d\n" % (n * 7919) for n in range(20_000))))
    positions: list[int] = []
    assert sum(1 for _ in lines.read_lines(str(file), positions.append)) == 20_000
    assert positions == sorted(positions)
    assert 0 < positions[-1] <= file.stat().st_size


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    """Two files with the same bytes have the same digest; standard input never has one twice."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"a")
    two.write_bytes(b"a")
    assert lines.digest(str(one)) == lines.digest(str(two))
    assert lines.digest(lines.STDIN) != lines.digest(lines.STDIN)
