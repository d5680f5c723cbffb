"""Processes under measurement: how to start the real commands, and what they have used so far."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.local import children
from deploy.local.children import Child
from deploy.local.kafka_jars import CHECKOUT

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def ranker(command: str, *words: str) -> list[str]:
    """The command line of `ranker COMMAND …`: as installed beside this Python, else from the checkout."""
    return _installed("ranker", command, *words)


def producers(command: str, *words: str) -> list[str]:
    """The command line of `producers COMMAND …`."""
    return _installed("producers", command, *words)


def _installed(program: str, command: str, *words: str) -> list[str]:
    installed = Path(sysconfig.get_path("scripts")) / program
    if installed.exists():
        return [str(installed), command, *words]
    return [sys.executable, "-c", f"from {program}.commands.{command} import command; command()", *words]


def module(name: str, *words: str) -> list[str]:
    """The command line of a module of the bench."""
    return [sys.executable, "-m", name, *words]


def environment() -> dict[str, str]:
    """What a process needs in order to find the checkout."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))}


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, with those of its ended children (Redis rewrites its log in one)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def main_thread_cpu_s(pid: int) -> float:
    """CPU seconds of the main thread so far, to the nanosecond: what Redis runs scripts in."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def children_of(pid: int, words: str) -> list[int]:
    """The processes that a process has started and whose command line has these words in it."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in started if words in Path(f"/proc/{child}/cmdline").read_text()]


def resident_bytes(pid: int) -> int:
    """Memory of a process now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running(name: str, argv: list[str], log: Path, env: Mapping[str, str]) -> Iterator[Child]:
    """A process that lives as long as the block. Its faults are for `check`, or the deadline of the waiting test."""
    child = children.start(name, argv, log, {**environment(), **env})
    try:
        yield child
    finally:
        child.stop()


def check(child: Child) -> None:
    """Raise if it has ended before its time, with its last words."""
    code = child.returncode()
    if code is not None:
        raise RuntimeError(f"{child.name} ended with code {code}:\n{child.tail()}")
