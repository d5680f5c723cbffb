"""Wheels and source archive of a commit, the same bytes wherever and whenever they are made: `make wheel`.

They are made from `git archive` of HEAD, so neither modes nor leftovers of the work tree get in. Names, times and modes
of what the build writes are fixed here: SOURCE_DATE_EPOCH is the commit's time, the umask is 022. What stays is the
build tool's version, which is in the wheel's WHEEL file: requirements/dev.txt pins it.

Both wheels are made from the archive, so it has everything that they need. One holds no kernel and runs everywhere; the
other, which needs cargo, has it for this platform. Its bytes depend on Rust's version and on the linker besides.
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
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.release.checkout import CHECKOUT, DIST, ReleaseError, commit_time_s, git, run, write_sums

LOCK = Path("requirements", "image.txt")
"""With the wheel, all that `pip install --require-hashes` needs."""


def make(into: Path, checkout: Path = CHECKOUT, *, has_kernel: bool) -> list[Path]:
    """Write wheels, archive, lock file and SHA256SUMS of the HEAD of `checkout` into `into`, which is emptied first.

    `has_kernel`: also the wheel that holds the kernel.
    """
    time_s = commit_time_s(checkout)
    shutil.rmtree(into, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        with tarfile.open(fileobj=io.BytesIO(git("-c", "tar.umask=0022", "archive", "HEAD", cwd=checkout))) as archive:
            archive.extractall(source, filter="data")
        made = Path(scratch) / "made"
        build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", made)
        environment = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": str(time_s), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        _run([*build, source], environment)
        (archive_path,) = made.glob("*.tar.gz")
        if has_kernel:
            with tarfile.open(archive_path) as archive:
                archive.extractall(scratch, filter="data")
            unpacked = Path(scratch) / archive_path.name.removesuffix(".tar.gz")
            _run([unpacked / "deploy" / "kernel.sh"], os.environ)  # cargo needs its folder and the way to its registry
            _run([*build, "--wheel", unpacked], environment)
        into.mkdir(parents=True, exist_ok=True)
        contents = {wheel.name: wheel.read_bytes() for wheel in sorted(made.glob("*.whl"))}
        contents[archive_path.name] = _packed_again(archive_path, time_s)
        contents[LOCK.name] = (source / LOCK).read_bytes()
        for name, content in contents.items():
            (into / name).write_bytes(content)
    write_sums(into)
    return [into / name for name in contents]


def _run(argv: Sequence[str | Path], environment: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=environment, umask=0o022, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"the build failed:\n{done.stdout}{done.stderr}")


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
    has_kernel = shutil.which("cargo") is not None
    make(DIST, has_kernel=has_kernel)
    if not has_kernel:
        print("Without cargo there is no wheel that holds the kernel: what is installed from these folds without it.")
    print((DIST / "SHA256SUMS").read_text(), end="")


if __name__ == "__main__":
    run(main)
