"""`ranker size`: what it prints, and that all of it is explained."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ranker.commands import main
from ranker.commands.size_text import size

DOCS = Path(__file__).parents[2] / "docs"
LEAST = ["size", "--views", "1000", "--articles", "5000", "--id-length", "40"]
ALL = [
    *LEAST, "--rules", "press", "--repeats", "0.1", "--requests", "50", "--streams", "100", "--seen", "1h=900",
    "--price-memory", "4", "--price-core", "25", "--price-disk", "0.1", "--price-sent", "0.05",
]  # fmt: skip


def run(arguments: list[str]) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def rows(text: str) -> dict[str, str]:
    """Name to value of all that is printed with one."""
    return dict(re.findall(r"^  (\S.{0,20}\S) {2,}(\S.*)$", text, re.MULTILINE))


def test_every_figure_has_its_formula() -> None:
    """A row of a table in docs/scale.md."""
    explained = set(re.findall(r"^\| ([^|]+?) \|", (DOCS / "scale.md").read_text(), re.MULTILINE))
    assert set(rows(run(ALL))) - explained == set()


def test_what_is_printed() -> None:
    """All kinds, with units, and the bill of all parts."""
    found = rows(run(ALL))
    assert re.fullmatch(r"[\d.]+ MB", found["slices"])
    assert re.fullmatch(r"2, 0\.\d\d cores and [\d.]+ MB each", found["consumers"])
    assert found["page-views"].endswith("10 days, 3 copies, 370 bytes an event")
    assert {"memory", "cores", "disk", "sent"} <= set(found)
    assert "what rules remember" not in rows(run(LEAST))
    assert "disk" not in rows(run(LEAST))


def test_the_reference_has_every_field() -> None:
    """Of --json, but for those of `load`, which are the options."""
    document = json.loads(run([*ALL, "--json"]))
    section = (DOCS / "reference.md").read_text().partition("## `ranker size`")[2].partition("\n## ")[0]
    names = {name for name in _names({**document, "load": {}}) if f"`{name}`" not in section}
    assert names == set()
    assert document["load"]["partitions"] == 4
    kinds = [value for kind, value in document["memory"].items() if kind != "whole"]
    assert document["memory"]["whole"] == pytest.approx(sum(kinds))


def _names(content: dict[str, Any]) -> set[str]:
    return set(content).union(*(_names(one) for one in content.values() if isinstance(one, dict)))


def test_the_examples_run() -> None:
    """Those of --help and those of docs/scale.md."""
    command = main.get_command(click.Context(main), "size")
    assert command is not None
    text = (command.help or "") + (DOCS / "scale.md").read_text()
    examples = re.findall(r"^ *(ranker size .*)$", text, re.MULTILINE)
    assert len(examples) >= 6
    for example in examples:
        run(shlex.split(example)[1:])


def test_the_plan_of_a_million_is_what_the_command_says() -> None:
    """The numbers of docs/scale.md."""
    text = (DOCS / "scale.md").read_text()
    (whole,) = re.findall(r"`ranker (size --views 1000000 [^`]+)`", text)
    found = json.loads(run([*whole.split(), "--json"]))
    for number in (
        f"{found['load']['partitions']} partitions", f"{found['consumers']['count']} consumers",
        f"{size(found['memory']['whole'])} of Redis", f"{found['collectors']['count']} collectors",
    ):  # fmt: skip
        assert number in text
    cell = "size --views 10000 --peak 1 --sites 100 --articles 100000 --id-length 60 --rules press --lists 200"
    found = json.loads(run([*cell.split(), "--json"]))
    for row in (
        f"| partitions, rules of the press | {found['load']['partitions']} |",
        f"{size(found['memory']['whole'])}; maxmemory {size(found['maxmemory'])}, and a replica",
        f"| of these, what rules remember | {size(found['memory']['remembered'])} |",
        f"| {found['redis_cores']:.2f} cores |",
    ):
        assert row in text
    half = json.loads(run([*cell.replace("--lists 200", "--lists 100").split(), "--json"]))
    readers = half["readers"]
    assert f"4 with {readers['cores'] / readers['count']:.2f} cores" in text
    assert not any("a reader needs" in bound for bound in half["bounds"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seen", "1h"], "such as 1h=900"),
        (["--seen", "1x=900"], "write minutes, hours or days"),
        (["--seen", "1h=9000"], "raise --articles"),
        (["--type", "view"], "such as view=0.97"),
        (["--type", "view=0.5"], "they have to be 1"),
        (["--views", "0"], "0"),
        (["--bots", "1"], "0<=x<1"),
        (["--views", "inf"], "is not a number up to 1e+12"),
        (["--views", "nan"], "is not a number up to 1e+12"),
        (["--views", "1e300"], "is not a number up to 1e+12"),
        (["--peak", "inf"], "is not a number up to 1e+12"),
        (["--requests", "nan"], "is not a number up to 1e+12"),
        (["--zipf", "nan"], "is not a number up to 1e+12"),
        (["--bots", "nan"], "is not a number up to 1e+12"),
        (["--price-core", "inf"], "is not a number up to 1e+12"),
    ],
)
def test_wrong_use(arguments: list[str], words: str) -> None:
    """Says what to write instead, with exit code 2."""
    result = CliRunner().invoke(main, [*LEAST, *arguments])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_missing_options_are_named() -> None:
    """Those without which there is nothing to compute."""
    assert "--views" in CliRunner().invoke(main, ["size"]).output


def test_own_windows_and_boards(tmp_path: Path) -> None:
    """Those of ranker.toml decide; a fault of it is a sentence."""
    config = tmp_path / "ranker.toml"
    config.write_text("[windows.1h]\nlength_s = 3600\ngrain_s = 60\n")
    assert "windows 1h;" in run([*LEAST, "--config", str(config)])
    config.write_text("[windows.1h]\nlength_s = 3600\n")
    result = CliRunner().invoke(main, [*LEAST, "--config", str(config)])
    assert result.exit_code == 1
    assert "grain_s" in result.output


def test_bytes_in_words() -> None:
    """Three digits."""
    assert [size(count) for count in (0, 999, 1_000, 1_234_567, 999_990_000, 2.5e15)] == [
        "0 B", "999 B", "1 kB", "1.23 MB", "1 GB", "2.5 PB",
    ]  # fmt: skip
