"""The checkout: its folder, its commit's time, and what its lock files pin."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DIST = CHECKOUT / "build" / "dist"
"""What a release consists of, with SHA256SUMS."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


class ReleaseError(Exception):
    """What was to be made could not be made; the sentence names the fix."""


def git(*argv: str, cwd: Path = CHECKOUT) -> bytes:
    done = subprocess.run(["git", *argv], cwd=cwd, capture_output=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(
            f"git {argv[0]} failed in {cwd}: {done.stderr.decode(errors='replace').strip()}. "
            "A release is made from a clone of the repository, with git on the PATH."
        )
    return done.stdout


def commit_time_s(cwd: Path = CHECKOUT) -> int:
    """The time of HEAD: every time in what is made from it."""
    return int(git("log", "-1", "--format=%ct", cwd=cwd))


def normal(name: str) -> str:
    """The name of a package as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: Path) -> dict[str, str]:
    """Return name to version of every line of a lock file."""
    return {normal(name): version for name, version in _PIN.findall(lock.read_text())}


def write_sums(directory: Path) -> None:
    """Write SHA256SUMS of all other files of `directory`, in the form that `sha256sum --check` reads."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(directory.iterdir())
        if path.name != "SHA256SUMS"
    ]
    (directory / "SHA256SUMS").write_text("".join(lines))


def run(command: Callable[[], object]) -> None:
    """Run a command; what it cannot do is one sentence and exit code 2."""
    try:
        command()
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
