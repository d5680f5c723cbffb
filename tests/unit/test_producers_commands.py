"""Wrong use of the command line: one clear sentence, exit code 2, nothing sent. No broker is needed for any of it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import schemas
from deploy.local.ports import HOST, free_port
from producers.commands import main


def run(*args: str, stdin: str = "") -> Result:
    # Nothing listens there: a command that got as far as Kafka would end with 1, not 2.
    return CliRunner().invoke(
        main, args, input=stdin, env={"RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}", "RANKER_WRITE_KEYS": ""}
    )


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "access.log"
    file.write_text('1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "x"\n')
    return str(file)


EDITOR = (["articles", "hide"], ["articles", "show"], ["articles", "alias"])


@pytest.mark.parametrize(
    "command", [[], ["replay"], ["simulate"], ["articles"], ["articles", "import"], ["collect"], *EDITOR]
)
def test_help_has_examples(command: list[str]) -> None:
    """Every command's --help ends with commands to copy."""
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output


def test_the_help_of_import_names_what_an_article_needs() -> None:
    """Before the first line is refused."""
    required = schemas.load("article")["then"]["required"]
    said = " ".join(run("articles", "import", "--help").output.split())
    assert f"{', '.join(required[:-1])} and {required[-1]} are required" in said


def test_version() -> None:
    """--version names the program."""
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("producers")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["replay"], "Missing argument"),
        (["replay", "no-such-file"], "no-such-file cannot be read: No such file or directory. Nothing was sent."),
        (["replay", "."], "Is a directory"),
        (["replay", "LOG", "no-such-file"], "no-such-file cannot be read"),
        (["replay", "LOG", "--article-pattern", "("], "is no regular expression"),
        (["replay", "LOG", "--article-pattern", "/blog/.*"], "has no group"),
        (["replay", "LOG", "--site", "Demo Site"], "is no site id"),
        (["replay", "-", "--rebase-to", "now"], "standard input cannot"),
        (["replay", "LOG", "--speed", "0"], "--speed"),
        (["simulate", "--late", "0.6", "--bot", "0.6"], "at most 1"),
        (["simulate", "--history", "a week"], "is no duration"),
        (["simulate", "--collector", "127.0.0.1:8081"], "is no address of a collector"),
        (["simulate", "--collector", "http://127.0.0.1:8081"], "RANKER_WRITE_KEYS has none of demo"),
        (["articles", "import", "no-such-file"], "no-such-file cannot be read"),
        (["articles", "import", "LOG", "--article-pattern", "query:"], "has no group; write path, query:NAME or"),
        (["articles", "import", "LOG", "--config", "no-such.toml"], "no-such.toml: cannot be read"),
        (["articles", "hide", "demo", "/a", "--config", "LOG"], "is not TOML"),
        (["articles", "hide", "demo"], "Missing argument 'ID'"),
        (["articles", "hide", "Demo", "/a"], "'Demo' is no site id; it has 1 to 64 of a-z 0-9 . _ -"),
        (["articles", "hide", "demo", "a b"], "'a b' is no article id; it has 1 to 512 bytes of UTF-8"),
        (
            ["articles", "hide", "demo", "https://demo.example/" + "a" * 600],
            "is no article id: the id is longer than 512",
        ),
        (["articles", "hide", "demo", "-42"], "No such option"),
        (["articles", "show", "demo/", "/a"], "is no site id"),
        (["articles", "show", "demo", "é" * 257], "is no article id"),
        (["articles", "alias", "demo"], "Missing argument 'OLD'"),
        (["articles", "alias", "", "/a", "/b"], "is no site id"),
        (["articles", "alias", "demo", "", "/b"], "is no article id"),
        (["articles", "alias", "demo", "/a", "b\n"], "is no article id"),
        # An unset variable in a script must not take an alias back.
        (["articles", "alias", "demo", "/a", ""], "'' is no article id"),
        (["articles", "alias", "demo", "/a", "/a"], "OLD and NEW are both '/a'"),
        (["articles", "alias", "demo", "/soci%c3%a9t%c3%a9/", "https://demo.example/société"], "both '/société'"),
    ],
)
def test_wrong_use_is_reported_before_anything_is_sent(args: list[str], said: str, log: str) -> None:
    """Exit code 2 and a sentence, no traceback."""
    result = run(*(log if arg == "LOG" else arg for arg in args))
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"a,b\n",
        b"<rss><channel>",
        b"<!doctype html><title>404</title>",
        "[]".encode("utf-16"),
        b"\x1f\x8bno",
    ],
)
def test_what_no_import_understands_is_a_failure(content: bytes, tmp_path: Path) -> None:
    """Exit code 1, whatever Kafka says: the command was right, the file was not."""
    file = tmp_path / "feed"
    file.write_bytes(content)
    for kind in ("auto", "feed", *(["jsonl"] if not content else [])):
        result = run("articles", "import", str(file), "--format", kind)
        assert result.exit_code == 1, result.output
        assert "cannot be imported: it" in result.output


@pytest.mark.parametrize(
    "args",
    [
        ["replay", "LOG"],
        ["simulate", "--events", "1"],
        ["articles", "import", "-"],
        ["articles", "hide", "demo", "/a"],
        ["articles", "alias", "demo", "--", "-42", "-43"],
    ],
    ids=" ".join,
)
def test_without_kafka_the_sentence_names_the_address_and_the_fix(args: list[str], log: str) -> None:
    """Exit code 1: the use was right, Kafka was not there."""
    result = run(*(log if arg == "LOG" else arg for arg in args), stdin='{"article_id":"/a","status":"removed"}\n')
    assert result.exit_code == 1, result.output
    assert "Kafka cannot be reached: no connection to 127.0.0.1:" in result.output
    assert "RANKER_KAFKA_BOOTSTRAP" in result.output
    assert isinstance(result.exception, SystemExit)
