"""A file to source in another terminal, after which every command speaks to the running `make run`."""

import contextlib
import fcntl
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

CHECKOUT = Path(__file__).parents[2]
USUAL = CHECKOUT / ".cache" / "run.env"


@contextlib.contextmanager
def commands_file(environment: Mapping[str, str], directory: Path, usual: Path = USUAL) -> Iterator[Path]:
    """Write the file and return its path; it goes with the block.

    It is `usual`, which is easy to type, or lies in `directory` where another run has that one. It may hold write keys:
    only its owner may read it. Left behind by a launcher that was killed, it says so instead of setting anything, and
    the next run writes it anew.
    """
    file = _taken(usual)
    path = usual
    if file is None:
        path = directory / usual.name
        file = open(path, "a", opener=_private)  # noqa: SIM115  # closed below
    with file:
        try:
            file.truncate(0)
            file.write(_text(environment))
            file.flush()
            yield path
        finally:
            path.unlink(missing_ok=True)


def _text(environment: Mapping[str, str]) -> str:
    stale = "this make run has ended: start another, and source its file then"
    lines = [
        f"kill -0 {os.getpid()} 2>/dev/null || {{ echo {shlex.quote(stale)} >&2; return 1; }}",
        f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"',
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())),
    ]
    return "\n".join([*lines, ""])


def _taken(path: Path) -> TextIO | None:
    """Open `path` with a lock that the kernel drops when this process dies, or return None where another has it."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        file = open(path, "a", opener=_private)  # noqa: SIM115  # the lock lives as long as it is open
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another run that ended in this moment has taken the file away under the lock.
            if path.samefile(f"/dev/fd/{file.fileno()}"):
                return file
        except OSError:
            pass
        file.close()
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
