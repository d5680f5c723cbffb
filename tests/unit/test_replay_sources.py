"""Several files: each in its own format, merged by the times of their lines; and what the summary warns of."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from producers import lines
from producers.replay import formats, merging, replaying, sources
from producers.replay.log_readers import LogReaders
from producers.replay.malformed import Malformed
from producers.replay.replaying import Rules
from producers.replay.rows import ReplayRow
from producers.replay.summary import FileTally, Summary
from ranker.service.address import networks
from tests.unit.test_producers_replay import line
from tests.unit.test_replay_log_formats import CLF, CLIENT, COMBINED, IIS_FIELDS, LINES, VHOST


def replayed(files: list[Path], rules: Rules | None = None) -> tuple[Summary, list[Any]]:
    opened = [sources.source(str(file)) for file in files]
    summary = Summary(files=[FileTally(one.name, kind=one.kind) for one in opened])
    found = list(replaying.in_time_order(opened, summary.files, rules or Rules("demo"), 0, None))
    for one in found:
        summary.add(one)
    return summary, found


def test_rotated_files_are_sent_in_the_order_of_their_times(tmp_path: Path) -> None:
    """However they are given, packed or not; lines without a time stay where they are, and each is counted for its file."""
    newest, older, oldest = tmp_path / "access.log", tmp_path / "access.log.1", tmp_path / "access.log.2.gz"
    newest.write_text("\n".join([line(second=40), "junk", line(second=50)]))
    older.write_text("\n".join([line(second=20), line(second=41)]))
    oldest.write_bytes(gzip.compress(line(second=3).encode()))
    summary, found = replayed([newest, oldest, older])
    seconds = [one["occurred_at"] // 1000 % 60 if isinstance(one, dict) else "junk" for one in found]
    assert seconds == [3, 20, 40, "junk", 41, 50]
    assert [tally.lines for tally in summary.files] == [3, 1, 2]
    assert len({one["event_id"] for one in found if isinstance(one, dict)}) == 5


@pytest.mark.parametrize("streams", [[[1, 5, 9], [2, 3, 9, 9], [9]], [[5, 1, 7], [4, 6]], [[], [1]], []])
def test_a_merge_gives_every_item_in_the_order_of_its_stream(streams: list[list[int]]) -> None:
    """An item that is earlier than the one before comes at once; in order are those that were in order."""
    opened: list[int] = []

    def stream(number: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
        opened.append(number)
        for at, moment in enumerate(streams[number]):
            yield moment, (moment, number, at)

    given = [((one or [0])[0], lambda number=number: stream(number)) for number, one in enumerate(streams)]
    found = list(merging.in_time_order(given))
    assert sorted(found) == sorted((moment, n, at) for n, one in enumerate(streams) for at, moment in enumerate(one))
    for number in range(len(streams)):
        assert [at for _, n, at in found if n == number] == list(range(len(streams[number])))
    if all(one == sorted(one) for one in streams):
        assert [moment for moment, _, _ in found] == sorted(moment for moment, _, _ in found)


def test_files_that_follow_each_other_are_open_one_at_a_time() -> None:
    """A year of logs needs no more files open than a day."""
    now_open = most = 0

    def day(number: int) -> Iterator[tuple[int, int]]:
        nonlocal now_open, most
        now_open += 1
        most = max(most, now_open)
        for second in range(10):
            yield number * 10 + second, second
        now_open -= 1

    given = [(number * 10, lambda number=number: day(number)) for number in range(400)]
    assert len(list(merging.in_time_order(given))) == 4_000
    assert most <= 2


def test_files_may_have_different_formats(tmp_path: Path) -> None:
    """Each is found by its own lines."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(COMBINED)
    two.write_text('{"url":"/b","occurred_at":1795338303000}')
    summary, found = replayed([one, two])
    assert summary.as_json(0)["formats"] == {"combined": 1, "jsonl": 1}
    assert [view["article_id"] for view in found] == ["/a%20b", "/b"]


def test_a_mixture_takes_what_most_lines_are(tmp_path: Path) -> None:
    """Half is enough if no other format has as many."""
    file = tmp_path / "in"
    file.write_text(f"{COMBINED}\n{COMBINED}\n{CLF}\njunk")
    assert sources.source(str(file)).found == formats.Found("combined", 2, 4)
    file.write_text(f"{COMBINED}\n{CLF}\njunk\njunk")
    with pytest.raises(formats.UnknownFormatError, match="1 of its first 4 lines are combined, and as many common"):
        sources.source(str(file))
    file.write_text(f"{COMBINED}\n{COMBINED}\n{CLF}\njunk\njunk")
    with pytest.raises(
        formats.UnknownFormatError, match=r"only 2 of its first 5 lines .* To read these alone: --format"
    ):
        sources.source(str(file))


def test_only_the_first_thousand_lines_decide(tmp_path: Path) -> None:
    """And only whole ones: a cut line of the beginning is none."""
    file = tmp_path / "in"
    file.write_text(f"{COMBINED}\n" * 1_000 + "junk\n" * 5_000)
    assert sources.source(str(file)).found == formats.Found("combined", 1_000, 1_000)
    long = COMBINED.replace("Firefox", "F" * 2_000)
    file.write_text(f"{long}\n" * 2_000)
    found = sources.source(str(file)).found
    assert found is not None
    assert found.fit == found.lines


@pytest.mark.parametrize("pieces", [[f"{COMBINED}\n"], [COMBINED[:50], f"{COMBINED[50:]}\n{COMBINED}"], ["\n"], []])
def test_a_pipe_is_looked_at_and_read_all_the_same(monkeypatch: pytest.MonkeyPatch, pieces: list[str]) -> None:
    """Nothing of it is lost, whatever came first, and a quiet one is not waited for."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        for piece in pieces:
            writer.write(piece.encode())
        if "\n" not in "".join(pieces):
            writer.close()
        source = sources.source(lines.STDIN)
        assert source.kind == "combined"
        writer.close()
        assert "\n".join(text for _, text in source.numbered()) == "".join(pieces).rstrip("\n")


def test_a_busy_pipe_is_looked_at_for_a_thousand_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe or a buffer holds; all of them are read, in order."""
    reading, writing = os.pipe()
    numbered = [COMBINED.replace("c=1", f"c={n}") for n in range(3_000)]

    def produce() -> None:
        with os.fdopen(writing, "w") as writer:
            writer.write("\n".join(numbered))

    writing_thread = threading.Thread(target=produce)
    writing_thread.start()
    with os.fdopen(reading, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        source = sources.source(lines.STDIN)
        assert source.found == formats.Found("combined", 1_000, 1_000)
        assert [text for _, text in source.numbered()] == numbered
    writing_thread.join()


def test_a_log_without_browsers_is_warned_of(tmp_path: Path) -> None:
    """All count, and nobody is declared a person."""
    file = tmp_path / "in"
    file.write_text(f"{CLF}\n{CLF}\n")
    summary, found = replayed([file], Rules("demo", bots="drop"))
    assert (summary.sent, summary.without_agent) == (2, 2)
    assert all("agent_class" not in view for view in found)
    file.write_text(f"{COMBINED}\n")
    assert replayed([file])[0].without_agent == 0


def test_hosts_are_told_and_chosen(tmp_path: Path) -> None:
    """Pages of two hosts under one address would be one article."""
    file = tmp_path / "in"
    file.write_text(f"{VHOST}\n{VHOST.replace('www', 'Shop')}\n")
    assert replayed([file])[0].hosts == ["shop.example.org", "www.example.org"]
    summary, _ = replayed([file], Rules("demo", hosts=frozenset({"shop.example.org"})))
    assert (summary.sent, summary.skipped["pattern"]) == (1, 1)


@pytest.mark.parametrize(
    ("client", "behind", "proxies", "address"),
    [
        ("172.17.0.1", f'"{CLIENT}"', [], CLIENT),
        ("172.17.0.1", f'"-" "{CLIENT}, 10.0.0.1"', [], CLIENT),
        ("10.0.0.1", f'0.003 0.002 "192.0.2.9, {CLIENT}, 198.51.100.1"', ["198.51.100.0/24"], CLIENT),
        ("172.17.0.1", '"10.0.0.5:8080"', [], "172.17.0.1"),
        ("172.17.0.1", '"unknown, 10.0.0.5"', [], "172.17.0.1"),
        ("172.17.0.1", "", [], "172.17.0.1"),
        ("198.51.100.1", f'"{CLIENT}"', [], "198.51.100.1"),
        ("198.51.100.1", f'"{CLIENT}"', ["198.51.100.0/24"], CLIENT),
    ],
)
def test_the_client_behind_a_proxy(client: str, behind: str, proxies: list[str], address: str) -> None:
    """X-Forwarded-For holds if who connected is of the site's own networks: anybody else may write there what he likes."""
    row = formats.parser("combined")(f"{COMBINED.replace(CLIENT, client)} {behind}", None)
    assert isinstance(row, ReplayRow)
    found = LogReaders(proxies=networks(proxies, "proxies")[0]).client(row)
    assert str(found) == address


@pytest.mark.parametrize("kind", [kind for kind in formats.FORMATS if kind != "csv"])
def test_no_line_is_too_odd(kind: str) -> None:
    """Each is a row or has a reason, whatever was cut, doubled, swapped or put into it; all of 6,000 in seconds."""
    odd, dice = (
        ['"', "{", "}", "\t", "#", " ", "\\", "\0", "é", "\udce9", "9" * 400, "-1e999", "null", "[[", "%", "\ufeff"],
        Random(16),
    )
    began = time.process_time()
    for _ in range(6_000):
        text = dice.choice(LINES)[1].split("\n")[-1]
        a, b = sorted(dice.choices(range(len(text)), k=2))
        changed = dice.choice(
            [text[:a], text[a:], text[:a] + text[b:], text[:b] + text[a:], text[:a] + dice.choice(odd) + text[b:]]
        )
        parse = formats.parser(kind, IIS_FIELDS if kind == "w3c" else "")
        row = parse(changed, None)
        assert (
            row is None
            or isinstance(row, Malformed)
            or (isinstance(row, ReplayRow) and isinstance(row.target, str | None))
        )
    assert time.process_time() - began < 10


@pytest.mark.parametrize("kind", [kind for kind in formats.FORMATS if kind != "csv"])
@pytest.mark.parametrize(
    "piece", ['"', " ", "a ", '" ', "\\", "\t", "[", '{"log":"', "1 ", "[22/Nov/2026:10:05:03 +0100] ", "%25", "-"]
)
def test_a_long_line_takes_no_longer_than_its_length(kind: str, piece: str) -> None:
    """Alone, and where a line has its request, its browser or its end."""
    long = piece * (100_000 // len(piece))
    line = next(text for other, text, _ in LINES if other in {kind, "combined"}).split("\n")[-1]
    parse = formats.parser(kind, IIS_FIELDS if kind == "w3c" else "")
    began = time.process_time()
    for text in (long, line + long, line.replace("/a%20b", long), line.replace("Firefox", long), long + line):
        parse(text, None)
    assert time.process_time() - began < 2
