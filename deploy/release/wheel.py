"""Wheel and source archive of a commit, the same bytes wherever and whenever they are made: `make wheel`.

They are made from `git archive` of HEAD, so neither modes nor leftovers of the work tree get in. Names, times and modes
of what the build writes are fixed here: SOURCE_DATE_EPOCH is the commit's time, the umask is 022. What stays is the
build tool's version, which is in the wheel's WHEEL file: requirements/dev.txt pins it.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from deploy.release.checkout import CHECKOUT, DIST, ReleaseError, commit_time_s, git, run, write_sums

LOCK = Path("requirements", "image.txt")
"""With the wheel, all that `pip install --require-hashes` needs."""


def make(into: Path, checkout: Path = CHECKOUT) -> list[Path]:
    """Write wheel, archive, lock file and SHA256SUMS of the HEAD of `checkout` into `into`, which is emptied first."""
    time_s = commit_time_s(checkout)
    shutil.rmtree(into, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        with tarfile.open(fileobj=io.BytesIO(git("-c", "tar.umask=0022", "archive", "HEAD", cwd=checkout))) as archive:
            archive.extractall(source, filter="data")
        made = Path(scratch) / "made"
        environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(time_s), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", made, source],
            env=environment,
            umask=0o022,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ReleaseError(f"the build failed:\n{done.stdout}{done.stderr}")
        (wheel,) = made.glob("*.whl")
        (archive_path,) = made.glob("*.tar.gz")
        into.mkdir(parents=True, exist_ok=True)
        written = [into / wheel.name, into / archive_path.name, into / LOCK.name]
        written[0].write_bytes(wheel.read_bytes())
        written[1].write_bytes(_packed_again(archive_path, time_s))
        written[2].write_bytes((source / LOCK).read_bytes())
    write_sums(into)
    return written


def _packed_again(archive: Path, time_s: int) -> bytes:
    """The same files in the order of their names, without who packed them and when: setuptools keeps both."""
    plain = io.BytesIO()
    # GNU_FORMAT: in the other one the old times would stay, in fractions of a second.
    with tarfile.open(archive) as packed, tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as again:
        for member in sorted(packed.getmembers(), key=lambda member: member.name):
            executable = member.isdir() or member.mode & 0o100
            again.addfile(
                member.replace(
                    mtime=time_s, mode=0o755 if executable else 0o644, uid=0, gid=0, uname="", gname="", deep=False
                ),
                packed.extractfile(member) if member.isfile() else None,
            )
    return gzip.compress(plain.getvalue(), mtime=time_s)


def main() -> None:
    make(DIST)
    print((DIST / "SHA256SUMS").read_text(), end="")


if __name__ == "__main__":
    run(main)
