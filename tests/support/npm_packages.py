"""Scripts as they are published on npm: fetched once by npm into the checkout's cache, used from there ever after."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

from deploy.local import children
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_jars import CHECKOUT
from tests.conftest import without

CACHE = CHECKOUT / ".cache" / "npm"
FETCH_WITHIN_S = 120.0


class Package(NamedTuple):
    """One version, with the hash of its archive as the registry has it (`npm view NAME@VERSION dist.integrity`)."""

    name: str
    version: str
    integrity: str


PLAUSIBLE = Package(
    "@plausible-analytics/tracker",
    "0.4.6",
    "sha512-nbu6xGgSP6jeYuoVklZBzucUnIpo75tVu3Kr+R0EDycVKaMC/jF5Q/YCaM/8gR4fPZ1IDcXt6FdBJFZ1uZwEPA==",
)
UMAMI = Package(
    "umami",
    "2.10.0",
    "sha512-+lmrnV0751R6U2rkIgVAlE1nWI7yZawlMlJDguW9tlFacCKhnGeCyc7tCMIhNNYIiGIQy4DEX5IzJhm4b3+dPA==",
)
MATOMO = Package(
    "matomo-tracker",
    "2.2.4",
    "sha512-7fDy4wRhDQ1dnSxVqmnVqmmos9ACKag0fCBtBD3/Qeoqks7MFqXcO35nfS6S8xU/IXNf7534q/4Gx8fuWKYW6A==",
)


def unpacked(package: Package) -> Path:
    """The directory of its files. Without npm, or a network the first time, the test is skipped, or in CI fails."""
    whole = CACHE / f"{package.name.replace('/', '+')}-{package.version}"
    if whole.is_dir():
        return whole
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Two test runs in one checkout: the second waits for the first one's fetch.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.is_dir():
            try:
                _fetch(package, CACHE / f"{whole.name}.part").rename(whole)
            except MissingTool as missing:
                without(missing)
            except LocalFault as fault:
                without(MissingTool(str(fault)))
    return whole


def _fetch(package: Package, into: Path) -> Path:
    """Its files in `into`, emptied first."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingTool(
            f"fetching {package.name} needs npm, which is not on this machine (Debian: apt-get install npm)"
        )
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    argv = [npm, "pack", f"{package.name}@{package.version}", "--ignore-scripts", "--pack-destination", str(into)]
    done = children.run("npm", argv, CACHE / "npm.log", deadline_s=FETCH_WITHIN_S)
    archives = list(into.glob("*.tgz"))
    if done.returncode() != 0 or len(archives) != 1:
        raise LocalFault(f"npm could not fetch {package.name} (the first time needs a network):\n{done.tail()}")
    found = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    assert f"sha512-{found}" == package.integrity, f"{package.name} is not the archive that is meant"
    with tarfile.open(archives[0]) as archive:
        archive.extractall(into, filter="data")
    return into
