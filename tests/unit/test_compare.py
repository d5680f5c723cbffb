"""`ranker compare` without a log: durations, the stretch, wrong use, and what is printed."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from ranker.commands import main
from ranker.commands.compare import command, duration_ms, tables
from ranker.core.generation import Generation, Window
from ranker.log.chunks import Chunk
from ranker.log.errors import LogRefusedError
from ranker.log.stretch import Part
from ranker.operate.compare import Comparison, Counting, Counts, Definition, Period, covered, stretch_of
from ranker.operate.compare_document import document
from tests.support.defaults import DEFAULT_BOARDS, press
from tests.support.raw_records import Given, event

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NOW = 1_795_396_624_735  # 2026-11-23T01:17:04.735Z
PRESS, NONE = press(), press(preset="none")


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90m", 90 * MINUTE_MS), ("24h", 24 * HOUR_MS), ("7d", 168 * HOUR_MS), ("366d", 366 * 24 * HOUR_MS)],
)
def test_durations(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "24", "0h", "1.5h", "-1h", "367d", "9999999d", "1w", "30s", "24 h", "٣h"])
def test_no_durations(text: str) -> None:
    """With the fix."""
    with pytest.raises(click.BadParameter, match="such as 90m, 24h or 7d"):
        duration_ms(text)


def test_the_stretch_is_full_minutes() -> None:
    """Both ends are rounded down: it is as long as requested, and ends within the last minute."""
    assert stretch_of([PRESS, NONE], NOW, HOUR_MS) == Period(1_795_396_620_000 - HOUR_MS, 1_795_396_620_000)  # 01:17:00


@pytest.mark.parametrize(("grains", "step"), [((90_000, 60_000), 180_000), ((1_000, 2_000), 60_000)])
def test_the_stretch_is_full_slices(grains: tuple[int, ...], step: int) -> None:
    """No slice of any definition lies on one of its ends."""
    generations = [Generation("t", (Window("w", 36 * HOUR_MS, grain),), DEFAULT_BOARDS) for grain in grains]
    found = stretch_of(generations, NOW, 5 * HOUR_MS)
    assert found.to_ms == NOW // step * step
    assert found.from_ms == (NOW - 5 * HOUR_MS) // step * step


@pytest.mark.parametrize(
    ("first_min", "generations", "from_min"),
    [
        ([None], [PRESS, NONE], 90),  # the log has everything
        ([55], [PRESS, NONE], 90),  # what occurred at 60 was appended at 55 at the earliest
        ([56], [PRESS, NONE], 120),
        ([115, 56], [PRESS, NONE], 120),
        ([116], [PRESS, NONE], 180),
        ([116], [NONE, NONE], 121),
        ([116], [press(repeat_per_s=1800), press(repeat_per_s=900)], 150),
    ],
)
def test_a_log_that_begins_later_shortens_the_stretch(
    first_min: list[int | None], generations: list[Generation], from_min: int
) -> None:
    """To whole buckets of every definition, which may begin 5 minutes after the first record."""
    parts = [
        Part(number, 0, 9, cut=first is not None, first_ms=first and first * MINUTE_MS)
        for number, first in enumerate(first_min)
    ]
    found = covered(generations, Period(90 * MINUTE_MS, 240 * MINUTE_MS), parts)
    assert found == Period(from_min * MINUTE_MS, 240 * MINUTE_MS)


def test_a_log_that_begins_too_late() -> None:
    """Nothing of the stretch is whole: the end lies in the first bucket that is not."""
    with pytest.raises(LogRefusedError, match="begins too late"):
        covered([PRESS], Period(0, 240 * MINUTE_MS), [Part(0, 0, 9, cut=True, first_ms=176 * MINUTE_MS)])


def compared(*arguments: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(
        main, ["compare", *arguments], env={"RANKER_KAFKA_BOOTSTRAP": "127.0.0.1:1"} | (environ or {})
    )
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "two to 8 definitions"),
        (["--rules", "press"], "two to 8 definitions"),
        ([f"--config={number}.toml" for number in range(9)], "two to 8 definitions"),
        (["--rules", "press", "--rules", "press"], "named twice"),
        (["--rules", "press", "--rules", "strict"], "'press', 'none'"),
        (["--rules", "press", "--rules", "none", "--since", "soon"], "such as 90m"),
        (["--rules", "press", "--rules", "none", "--board", "x"], "there are read, commented, shared"),
    ],
)
def test_wrong_use(arguments: list[str], words: str) -> None:
    """Exit code 2, with what would be right."""
    code, output = compared(*arguments)
    assert (code, words in output) == (2, True), output


def test_several_topics_are_wrong_use(tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "other.toml").write_text('topic = "others"\n')
    code, output = compared("--rules", "press", "--config", str(tmp_path / "other.toml"))
    assert (code, "page-views, others" in output) == (2, True), output


def test_a_stretch_shorter_than_a_slice_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "hourly.toml").write_text("[windows.day]\nlength_s = 86400\ngrain_s = 43200\n")
    code, output = compared(
        "--rules=none", "--rules=press", "--since=1m", environ={"RANKER_CONFIG": str(tmp_path / "hourly.toml")}
    )
    assert (code, "shortest slices" in output) == (2, True), output


def test_faults_of_a_definition_are_one_message(tmp_path: Path) -> None:
    """A preset that the ranker.toml in effect does not allow, say: [source] without keys."""
    config = tmp_path / "ranker.toml"
    config.write_text('topic = "hits"\n[source]\nfields = { article_id = "path" }\nconstants = { site_id = "demo" }\n')
    code, output = compared("--rules", "press", "--rules", "none", environ={"RANKER_CONFIG": str(config)})
    assert (code, "source.keys" in output) == (1, True), output


def test_a_broker_that_is_away_is_one_message() -> None:
    code, output = compared("--rules", "press", "--rules", "none")
    assert (code, "Kafka is not available" in output) == (1, True), output


def test_what_rules_remember_is_never_pending() -> None:
    """Nothing is taken back here: a chunk's keys are kept once, and forgotten with their bucket."""
    counting = Counting(PRESS, Period(0, NOW), None)
    counting.begin_partition()
    for number in range(8):
        at = NOW + number * HOUR_MS
        some = [
            Given(n, at, None, event(event_id=f"{number} {n}", occurred_at=at, repeat_key=f"r{n}")) for n in range(50)
        ]
        counting.take(Chunk(50 * number, 50 * number + 50, some))
    memory = counting._memory
    assert memory is not None
    assert memory.size == 2 * 100  # two keys each, of the hour under way and the last one
    assert not any(memory._pending.values())
    assert not memory._forgotten


def test_the_reference_has_every_option() -> None:
    """In the words of --help, and every field of the document."""
    text = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
    for option in command.params:
        assert isinstance(option, click.Option)
        default = f"`{option.default}`" if option.show_default else ""
        assert f"| `{option.opts[0]}` | {default} | {option.help} |" in text
    section = text.partition("## `ranker compare`")[2].partition("\n## ")[0]
    assert [name for name in _fields(found()) if not re.search(rf"[`.…]{name}(`|\[\])", section)] == []


def _fields(content: Any) -> set[str]:
    if isinstance(content, list):
        return {name for one in content for name in _fields(one)}
    if not isinstance(content, dict):
        return set()
    named = content.keys() - {"ranks", "dead_letters"}
    return named | {name for key in named for name in _fields(content[key])}


# what is printed


def found(**changes: Any) -> dict[str, Any]:
    """Two definitions that count two articles in opposite order."""
    counts = [Counts(), Counts()]
    for number, one in enumerate(counts):
        one.outcomes["demo"].update({"view": 12 - number, "!bot": 3 * number})
        one.lists["demo", "read"].update({"/a": 8 - 5 * number, "/b": 4 + 4 * number, "/\x1b[2J[red]": 1})
    stretch = Period(NOW // MINUTE_MS * MINUTE_MS - HOUR_MS, NOW // MINUTE_MS * MINUTE_MS)
    definitions = [Definition("none", NONE), Definition("press", PRESS)]
    given: dict[str, Any] = {"requested": stretch, "stretch": stretch, "parts": [Part(0, 0, 15)], "records": 15}
    return document(Comparison(definitions, counts=counts, **(given | changes)), list(DEFAULT_BOARDS), 10)


def printed(content: dict[str, Any], width: int = 200, *, fits: bool = False) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(tables(content, fits=fits))
    return [" ".join(line.split()) for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("fits", [True, False])
def test_what_is_printed(fits: bool) -> None:
    """Totals, shares, places with those of the first definition, tau-b; hostile ids as text; no board without counts."""
    lines = printed(found(), fits=fits)
    assert lines[0] == "page-views: events from 2026-11-23T00:17:00.000Z to 2026-11-23T01:17:00.000Z, 15 records read"
    assert "bots@1 – 3 (21.4%)" in lines
    assert "of 12 14" in lines
    assert "total, 3 articles 13 total, 3 articles 12" in lines
    assert "1. /a 8 /b 8 (2.)" in lines
    assert "2. /b 4 /a 3 (1.)" in lines
    assert r"3. /\x1b[2J[red] 1 /\x1b[2J[red] 1 =" in lines
    assert lines[-1] == ("none and press: Kendall's tau-b 0.33 over 3 articles, 3 of them among the first 10 of both")
    assert "commented" not in lines


def test_in_a_narrow_terminal_ids_are_cut_and_counts_are_not() -> None:
    content = found()
    content["sites"][0]["boards"][0]["lists"][0]["items"][0]["article_id"] = "/" + "a" * 100
    (line,) = [line for line in printed(content, 80, fits=True) if line.startswith("1.")]
    assert re.fullmatch(r"1\. /a{20,}… 8 /b 8 \(2\.\)", line), line


def test_what_is_missing_is_said() -> None:
    """A shorter stretch, a partition of which nothing is left, times that are not the broker's."""
    requested = Period(NOW // MINUTE_MS * MINUTE_MS - 2 * HOUR_MS, NOW // MINUTE_MS * MINUTE_MS)
    lines = printed(found(requested=requested, parts=[Part(0, 9, 9, cut=True)], create_time=True))
    assert lines[1] == "Not from 2026-11-22T23:17:00.000Z on: Kafka has deleted what is older"
    assert lines[2].startswith("partition 0 begins at offset 9")
    assert lines[3].startswith("Times are the producers' own (CreateTime)")


def test_a_share_needs_a_count_above_zero() -> None:
    """Take-backs can outweigh what they take back."""
    counts = [Counts(), Counts()]
    counts[1].outcomes["demo"].update({"view": -3, "!bot": 1})
    content = document(
        Comparison([Definition("none", NONE), Definition("press", PRESS)], Period(0, 1), Period(0, 1), [], counts),
        ["read"],
        10,
    )
    assert {rule["share"] for one in content["sites"][0]["dropped"] for rule in one["rules"]} == {None}
    assert "bots@1 – 1" in printed(content)
