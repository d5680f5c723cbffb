"""How `make run` ends: by signals, dead programs, taken ports and wishes that cannot be."""

import contextlib
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from deploy.local.options import DEFAULT_PORT
from deploy.local.ports import HOST, is_free
from tests.support.make_run import CHECKOUT, all_gone, ends_with, make_run, needs_ranker

pytestmark = needs_ranker


def test_a_run_in_the_background_of_a_script_is_stopped_by_sigint(tmp_path: Path) -> None:
    """A shell without job control starts what it puts behind `&` with SIGINT ignored; it counts all the same."""
    with make_run(tmp_path, "sh", "-c", 'trap "" INT; exec "$@"', "sh", TRAFFIC="0") as run:
        run.says("Redis ")
        pids = list(run.below())
        assert run.interrupt() == 0
        all_gone(pids)


@pytest.mark.parametrize("killed", ["the launcher", pytest.param("make", marks=pytest.mark.long)])
def test_a_killed_launcher_takes_its_processes_along(tmp_path: Path, killed: str) -> None:
    """kill -9 of the launcher, or of the make that runs it, and every process it started ends."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.page()
        pids = list(run.below())
        # Redis, the broker, the consumer, the reader and the collector, at least.
        assert len(pids) >= 5
        by_make = Path(sys.prefix) == CHECKOUT / ".venv"
        pid = run.pid_of("-m deploy.local") if by_make and killed == "the launcher" else run.process.pid
        os.kill(pid, signal.SIGKILL)
        all_gone(pids)


@pytest.mark.long
def test_a_dead_program_is_named_and_ends_the_run(tmp_path: Path) -> None:
    """One sentence says which process died; the others are ended; the exit code is not 0."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.page()
        pids = list(run.below())
        os.kill(run.pid_of("ranker consume"), signal.SIGKILL)
        assert "make run: The consumer was killed (signal 9)" in ends_with(run)
        all_gone(pids)


@pytest.mark.long
def test_a_server_that_dies_while_others_start_is_named(tmp_path: Path) -> None:
    """A death is noticed while something else is waited for, and does not become that one's failure."""
    with make_run(tmp_path, TRAFFIC="0") as run:
        run.says("Topics ")
        (store,) = (pid for pid, command in run.below().items() if re.search("redis-server|valkey-server", command))
        os.kill(store, signal.SIGKILL)
        assert re.search(r"make run: The (Redis|Valkey) server was killed \(signal 9\)", ends_with(run))


def test_a_chosen_port_that_is_taken_is_an_error_with_the_fix(tmp_path: Path) -> None:
    """PORT= that is taken: the sentence names the port and how to choose another; nothing was started."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with make_run(tmp_path, PORT=str(port)) as run:
            said = ends_with(run)
            assert f"Port {port} is taken" in said
            assert "PORT=" in said


def test_the_default_port_taken_is_reported_and_another_chosen(tmp_path: Path) -> None:
    """8080 was not required: if it is taken, a free port does. Ctrl-C while it starts ends it all the same."""
    with contextlib.ExitStack() as stack:
        if is_free(DEFAULT_PORT):
            stack.enter_context(socket.create_server((HOST, DEFAULT_PORT)))
        with make_run(tmp_path, TRAFFIC="0", PORT="") as run:
            chosen = run.says(rf"Port {DEFAULT_PORT} is taken by another program; taking (\d+)")[1]
            assert is_free(int(chosen))
            run.says("Kafka ")
            pids = list(run.below())
            run.interrupt()
            all_gone(pids)


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"KAFKA": "rabbit"}, "KAFKA=rabbit is not known: it is embedded or apache"),
        ({"PORT": "http"}, "PORT=http is no port"),
        ({"SITE": "Le Site"}, "SITE=Le Site is no site"),
        ({"LOG": "no-such.log", "PATTERN": "/(.+)"}, "LOG=no-such.log is not a file"),
        ({"LOG": "Makefile"}, "LOG needs PATTERN"),
        ({"LOG": "Makefile", "PATTERN": "(open"}, "PATTERN=(open is no regular expression"),
        ({"RANKER_WRITE_KEYS": "demo=short"}, "RANKER_WRITE_KEYS: entry 1 is not site=secret"),
        ({"RANKER_WRITE_KEYS": f"other={'k' * 16}"}, "RANKER_WRITE_KEYS: site 'other' has no [sites.other] table"),
    ],
)
def test_an_impossible_wish_is_refused_in_a_sentence(tmp_path: Path, wishes: dict[str, str], sentence: str) -> None:
    """What cannot be is reported before anything starts."""
    with make_run(tmp_path, **wishes) as run:
        assert sentence in ends_with(run)


def test_a_missing_tool_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    """Without Java, KAFKA=apache says what to install."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("make", "sh", "cat", "cksum", "dirname", "pwd", "grep", "python3", "setpriv"):
        with contextlib.suppress(FileExistsError, StopIteration):
            found = next(path for path in map(Path, (f"/usr/bin/{tool}", f"/bin/{tool}")) if path.exists())
            (bare / tool).symlink_to(found)
    with make_run(tmp_path, KAFKA="apache", PATH=str(bare), JAVA_HOME="") as run:
        said = ends_with(run)
        assert "needs Java" in said
        assert "apt-get install" in said
