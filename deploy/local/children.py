"""Child processes that cannot outlive their parent."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import psutil

from deploy.local import waiting
from deploy.local.faults import LocalFault, MissingTool

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TAIL_BYTES = 4_000

# The parent-death signal is sent when the *thread* that started the child ends. Started by this one, which lives as
# long as the process, a child does not die with a worker thread that happened to call `start`.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


@dataclass
class Child:
    """A running process. Its output goes to the file `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal, or None while it runs."""
        return self.process.poll()

    def stop(self, patience_s: float = 5.0) -> None:
        """Ask it to end, and kill it and what it started if it has not within `patience_s`. Harmless when ended."""
        stop_all([self], patience_s)

    def kill(self) -> None:
        """End it and its process group at once, as a crash would."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def suspend(self) -> None:
        """Freeze it; when this returns, none of its threads runs any more."""
        self.process.send_signal(signal.SIGSTOP)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of its output, without colours."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            text = click.unstyle(file.read().decode(errors="replace"))
            return "\n".join(text.splitlines()[-lines:])
        return ""

    def death(self) -> LocalFault:
        """Return the error that says how it ended, with its last words."""
        code = self.returncode()
        if code is not None and code < 0:
            how = "was killed (signal 9)" if code == -signal.SIGKILL else f"ended by signal {-code}"
        else:
            how = f"ended with code {code}"
        words = self.tail()
        return LocalFault(f"The {self.name} {how}; {'its last words:' if words else 'it left no word.'}\n{words}")


def bound_to(parent: int) -> list[str]:
    """Return the words before a command that have it killed when `parent`, which starts it, dies.

    The kernel's parent-death signal outlives exec (of a program that is not setuid) and needs nobody's help, so it also
    works when the parent is killed with -9. The shell ends if the parent died before the signal was asked for. Systems
    other than Linux have no such signal: there a child outlives a parent that is killed with -9.
    """
    if sys.platform != "linux":
        return []
    if shutil.which("setpriv") is None:
        raise MissingTool("setpriv is not on this machine: install util-linux (Debian: apt-get install util-linux)")
    return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(parent)]


def start(
    name: str,
    argv: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    *,
    errors_shown: bool = False,
) -> Child:
    """Start `argv` with `env` added to the environment and its output appended to `log`.

    It is in a session of its own, so Ctrl-C at the terminal reaches only us, and we say when it ends. With
    `errors_shown` its standard error goes where ours goes: a progress bar needs the terminal.
    """
    words = [*bound_to(os.getpid()), *map(str, argv)]

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if errors_shown else subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    return Child(name, _spawner.submit(spawn).result(), log)


def run(
    name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None, deadline_s: float = 60.0
) -> Child:
    """Run `argv` like `start` and wait until it has ended, however it did; see `returncode` and `tail`."""
    child = start(name, argv, log, env)
    try:
        waiting.until(f"The end of {name}", lambda: child.returncode() is not None, deadline_s)
    finally:
        child.kill()
    return child


def stop_all(children: Sequence[Child], patience_s: float = 5.0) -> None:
    """Stop them in the order given, with one patience for all."""
    end = time.monotonic() + patience_s
    for child in children:
        child.process.terminate()
        # A suspended process does not see SIGTERM before it is continued.
        child.resume()
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, end - time.monotonic()))
        child.kill()


def end_with_parent() -> None:
    """Have SIGTERM sent to this process when its parent dies. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def adopt_orphans() -> None:
    """Make this process the parent of descendants whose own parent dies, so that none can slip away."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def is_running(pid: int) -> bool:
    """Say whether `pid` is a process that has not ended (a zombie has)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    return False


def descendants(pid: int) -> dict[int, str]:
    """Return the running processes below `pid` with their command lines, deepest last."""
    found = {}
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if is_running(process.pid):
                found[process.pid] = " ".join(process.cmdline())
    return found


def end_descendants(deadline_s: float = 5.0) -> dict[int, str]:
    """Kill every process below this one, and return what was there with its command line."""
    left = descendants(os.getpid())
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    waiting.until("The end of every child process", lambda: not any(map(is_running, left)), deadline_s)
    return left
