from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ranker import __version__
from ranker.commands import SUBCOMMANDS, main
from ranker.core.fold import REASONS


def walk(command: click.Command, path: list[str]) -> list[list[str]]:
    paths = [path]
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            paths += walk(child, [*path, name])
    return paths


def all_commands() -> list[list[str]]:
    found: list[list[str]] = [[]]
    for name in SUBCOMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        found += walk(command, [name])
    return found


@pytest.mark.parametrize("path", all_commands(), ids=lambda path: " ".join(path) or "ranker")
def test_help_has_examples(path: list[str]) -> None:
    """Every command explains itself, with an example to copy, each on a line of its own."""
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="ranker")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.output.splitlines()]
    assert any(line in ("Example:", "Examples:") for line in lines)
    assert any(line.startswith(" ".join(["ranker", *path])) for line in lines)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_short_help_is_the_command_s_own(name: str) -> None:
    """The list of commands is written down to spare their imports; it says what they say."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.help or "").splitlines()[0] == SUBCOMMANDS[name]


def test_help_imports_no_client() -> None:
    """--help answers at once: neither the Kafka client nor Redis' nor a web server is loaded for it."""
    code = (
        "import sys\nfrom ranker.commands import main\ntry:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'aiokafka', 'redis', 'uvicorn', 'starlette', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    """--version names the program and its version."""
    result = CliRunner().invoke(main, ["--version"])
    assert (result.exit_code, result.output) == (0, f"ranker, version {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["chekc"],
        ["topics", "aply"],
        ["check", "--confg", "x"],
        ["generations", "drop"],
        ["dead", "resend"],
        ["dead", "resend", "--all", "--reason", "future"],
        ["dead", "resend", "--position", "page-views.dead/0/1"],
        ["dead", "show", "page-views/0"],
        ["dead", "show", "--raw"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    """A misspelt command, option or missing argument says so, with exit code 2."""
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_the_admin_port_s_address_has_its_former_name_too() -> None:
    """`ranker consume --host` was scripted before --admin-host was one option of every command."""
    assert CliRunner().invoke(main, ["consume", "--host", "127.0.0.1", "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("rebuild", "what decides counts: `ranker rebuild`"),
        ("freeze", "## `ranker freeze`"),
        ("check", "## `ranker check`"),
        ("size", "## `ranker size`"),
    ],
)
def test_the_reference_has_the_options(name: str, title: str) -> None:
    """Every one, and none that is gone."""
    text = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
    section = text.partition(title)[2].partition("\n## ")[0]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE) == [option.opts[0] for option in command.params]


def test_an_unknown_reason_names_the_known_ones() -> None:
    """The nine that the fold gives."""
    result = CliRunner().invoke(main, ["dead", "list", "--reason", "tuesday"])
    assert result.exit_code == 2
    assert all(reason in result.output for reason in REASONS)


@pytest.mark.parametrize("arguments", [["check"], ["topics", "apply"], ["generations"], ["dead", "list"]])
def test_faults_of_the_settings_are_one_message(arguments: list[str]) -> None:
    """Every command that reads the settings says all their faults, and no traceback."""
    environ = {"RANKER_ENV": "staging", "RANKER_KAFKA_BOOTSTRAP": "nowhere"}
    result = CliRunner().invoke(main, arguments, env=environ)
    assert result.exit_code == 1
    assert "the settings have 2 faults" in result.output
    assert "Traceback" not in result.output


def test_others_topics_are_written_to_only_on_request(tmp_path: Path) -> None:
    """A topic of [source] has other readers: resending to it is refused before any request to Kafka, unless it is meant."""
    config = tmp_path / "ranker.toml"
    config.write_text('topic = "hits"\n[source]\nfields = { article_id = "path" }\nconstants = { site_id = "demo" }\n')
    argv = ["dead", "resend", "--all", "--config", str(config)]
    environ = {"RANKER_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    refused = CliRunner().invoke(main, argv, env=environ)
    assert (refused.exit_code, "--foreign" in refused.output) == (1, True)
    meant = CliRunner().invoke(main, [*argv, "--foreign"], env=environ)
    assert (meant.exit_code, "Kafka is not available" in meant.output) == (1, True), meant.output


def test_freeze_without_a_calendar_has_nothing_to_do(tmp_path: Path) -> None:
    """A timer runs it everywhere: that is no fault, and its metrics say so."""
    config, file = tmp_path / "ranker.toml", tmp_path / "freeze.prom"
    config.write_text("[sites.demo]\n")
    result = CliRunner().invoke(main, ["freeze", "--config", str(config), "--metrics", str(file)])
    assert result.exit_code == 0, result.output
    assert "no site has a calendar; add [sites.NAME.calendar]" in result.output
    assert {"ranker_freeze_failed 0.0", "ranker_freeze_made 0.0"} <= set(file.read_text().splitlines())
    named = CliRunner().invoke(main, ["freeze", "--config", str(config), "--site", "demo"])
    assert named.exit_code == 2
    assert "--site demo has no calendar" in named.output
