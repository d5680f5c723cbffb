"""The file that another terminal sources, and the ports that launchers share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.children import Child
from deploy.local.commands import commands_file
from deploy.local.ports import claim, free_port

ROOT = Path(__file__).parents[2]
LEFT = """
import os, sys
from pathlib import Path
from deploy.local.commands import commands_file
with commands_file({"RANKER_ENV": "development"}, Path(sys.argv[1]), Path(sys.argv[1]) / "run.env"):
    os._exit(0)
"""


def sourced(file: Path) -> str:
    """What a shell knows after it has sourced `file`."""
    words = f'. "{file}" && echo "$RANKER_ENV|$RANKER_WRITE_KEYS|$(command -v python)"'
    done = subprocess.run(["sh", "-c", words], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def test_a_shell_that_sources_the_file_has_it_all(tmp_path: Path) -> None:
    """Whatever is in the values; nobody else reads them, and the file goes with the run."""
    strange = """a b'c"$(touch /nowhere)"""
    with commands_file({"RANKER_ENV": strange, "RANKER_WRITE_KEYS": "demo=k"}, tmp_path, tmp_path / "x" / "e") as file:
        assert file.stat().st_mode & 0o777 == 0o600
        assert sourced(file) == f"{strange}|demo=k|{Path(sys.executable).with_name('python')}"
    assert not file.exists()


def test_two_runs_at_once_have_a_file_each(tmp_path: Path) -> None:
    """The first has the usual one; the second says another, and takes nothing away."""
    usual, other = tmp_path / "run.env", tmp_path / "second"
    other.mkdir()
    with commands_file({"RANKER_ENV": "one"}, tmp_path, usual) as first:
        with commands_file({"RANKER_ENV": "two"}, other, usual) as second:
            assert (first, second) == (usual, other / "run.env")
            assert sourced(first).startswith("one|")
            assert sourced(second).startswith("two|")
        assert first.exists()
        assert not second.exists()


def test_a_file_left_behind_says_so_and_is_written_anew(tmp_path: Path) -> None:
    """A launcher that was killed cannot take it away: it sets nothing, and the next run has the usual one again."""
    subprocess.run([sys.executable, "-c", LEFT, str(tmp_path)], cwd=ROOT, check=True)
    usual = tmp_path / "run.env"
    assert "this make run has ended" in sourced(usual)
    assert "|" not in sourced(usual)
    with commands_file({"RANKER_ENV": "anew"}, tmp_path / "unused", usual) as file:
        assert file == usual
        assert sourced(file).startswith("anew|")


def test_two_launchers_do_not_draw_one_port() -> None:
    """Neither has bound it yet; the kernel gives it back with the first."""
    if sys.platform != "linux":
        pytest.skip("names of the kernel are Linux's")
    port = free_port()
    words = (
        "import sys; from deploy.local.ports import claim; print(claim(int(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", words, str(port)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "True\n"
    assert not claim(port)
    first.communicate("")
    assert claim(port)
    assert claim(port), "who has it has it"


def test_last_words_have_no_colours(tmp_path: Path) -> None:
    """As a broker writes them that takes the file for a terminal."""
    log = tmp_path / "log"
    log.write_bytes(b"\x1b[2m2026\x1b[0m \x1b[31mERROR\x1b[0m no room\n")
    with subprocess.Popen(["true"]) as process:
        assert Child("broker", process, log).tail() == "2026 ERROR no room"
