"""`make run`, started, watched and ended."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import children, waiting
from deploy.local.ports import free_port

CHECKOUT = Path(__file__).parents[2]
OURS = ("KAFKA", "PORT", "TRAFFIC", "LOG", "PATTERN", "SITE", "RANKER_CONFIG")
SERVERS = ("RANKER_KAFKA_BOOTSTRAP", "RANKER_REDIS_URL", "RANKER_WRITE_KEYS")
TWO_MINUTES_S = 120.0

needs_ranker = pytest.mark.skipif(
    not Path(sys.executable).with_name("ranker").exists(),
    reason="ranker is not installed beside this Python: make test",
)


@dataclass
class Run:
    """A launcher under test; what it says goes to a file."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def says(self, words: str, deadline_s: float = 30.0) -> re.Match[str]:
        """Wait for a line that begins with `words`, a regular expression."""

        def shown() -> re.Match[str] | None:
            assert self.process.poll() is None, f"it ended:\n{self.said()}"
            return re.search(f"^{words}", self.said(), re.MULTILINE)

        found = waiting.until(f"The line {words!r}", shown, deadline_s)
        assert found is not None
        return found

    def page(self) -> str:
        """Wait for the last start-up line and return the address in it."""
        return self.says(r"Page: (http://\S+)$", TWO_MINUTES_S)[1]

    def interrupt(self) -> int:
        """Press Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(10)

    def below(self) -> dict[int, str]:
        return children.descendants(self.process.pid)

    def pid_of(self, words: str) -> int:
        (pid,) = (pid for pid, command in self.below().items() if words in command)
        return pid


@contextlib.contextmanager
def make_run(tmp_path: Path, *before: str, **wishes: str) -> Iterator[Run]:
    """Start `make run`, or what it runs if the tests run from another environment than the checkout's.

    `before` is a command that runs what is appended to it.
    """
    ours = Path(sys.prefix) == CHECKOUT / ".venv"
    argv = ["make", "run"] if ours else [sys.executable, "-m", "deploy.local"]
    environment = {name: value for name, value in os.environ.items() if name not in (*OURS, *SERVERS)}
    environment |= {"TMPDIR": str(tmp_path), "PORT": str(free_port())} | wishes
    output = tmp_path / "said"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*before, *argv],
            cwd=CHECKOUT,
            env={name: value for name, value in environment.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Run(process, output)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ends_with(run: Run, deadline_s: float = 60.0) -> str:
    """Wait until the launcher has failed, and return its output, which is no traceback."""
    assert waiting.until("The launcher's end", lambda: run.process.poll() is not None, deadline_s)
    assert run.process.returncode != 0
    assert "Traceback" not in run.said()
    return run.said()


def fetch(page: str, path: str) -> Any:
    with urllib.request.urlopen(f"{page}{path}", timeout=5.0) as reply:
        return json.load(reply)


def total(page: str, path: str) -> int:
    """Return the total of a list, 0 if there is none yet."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return int(fetch(page, path)["total"])
    return 0


def all_gone(pids: list[int]) -> None:
    waiting.until("The end of every process", lambda: not any(map(children.is_running, pids)), 5.0)
