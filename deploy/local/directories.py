"""A directory for one run: removed at its end, and by the next run if this one was killed."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "popularity-ranker-"
LOCK = "lock"


@contextlib.contextmanager
def run_directory(base: Path | None = None) -> Iterator[Path]:
    """Make a directory under `base` (the system's temporary one) that lives as long as the block.

    Its owner holds a lock on a file in it. The kernel drops the lock when the owner dies, so the next run can tell a
    directory in use from one left behind.
    """
    base = base or Path(tempfile.gettempdir())
    remove_left_behind(base)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    new = directory / f"{LOCK}.new"
    with new.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The file gets the name that others look for only once it is locked.
        new.rename(directory / LOCK)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def remove_left_behind(base: Path) -> list[Path]:
    """Remove the directories of runs that are dead, and return them."""
    removed = []
    for directory in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (directory / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
            removed.append(directory)
    return removed
