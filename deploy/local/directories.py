"""A directory for one run: removed at its end, and by the next run if this one was killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "popularity-ranker-"
NEW_PREFIX = "popularity-ranker.new-"
LOCK = "lock"
FORGOTTEN_S = 3600.0


@contextlib.contextmanager
def run_directory(base: Path | None = None) -> Iterator[Path]:
    """Make a directory under `base` (the system's temporary one) that lives as long as the block.

    Its owner holds a lock on a file in it. The kernel drops the lock when the owner dies, so the next run can tell a
    directory in use from one left behind.
    """
    base = base or Path(tempfile.gettempdir())
    remove_left_behind(base)
    new = Path(tempfile.mkdtemp(prefix=NEW_PREFIX, dir=base))
    with (new / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # It gets the name that others look for only once it is locked.
        directory = new.rename(base / new.name.replace(NEW_PREFIX, PREFIX, 1))
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
    for directory in base.glob(f"{NEW_PREFIX}*"):
        with contextlib.suppress(OSError):
            stat = directory.stat()
            if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > FORGOTTEN_S:
                shutil.rmtree(directory, ignore_errors=True)
                removed.append(directory)
    return removed
