"""The crates that the kernel is made of: those of ranker/kernel/crates.lock, and what cargo says of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from typing import Any, NamedTuple

from deploy.release.checkout import CHECKOUT, ReleaseError

LOCK = CHECKOUT / "ranker" / "kernel" / "crates.lock"
OURS = "ranker-kernel"


class Crate(NamedTuple):
    """`expression` is of SPDX, NONE if its manifest has no licence.

    `is_within`: its code is in the binary (of one platform at least), and not only run while that is built.
    """

    name: str
    version: str
    expression: str
    is_within: bool


def locked() -> dict[str, dict[str, Any]]:
    """Name to what crates.lock says of each crate, our own too: version, checksum, dependencies. Each is there once."""
    packages = tomllib.loads(LOCK.read_text())["package"]
    by_name = {one["name"]: one for one in packages}
    assert len(by_name) == len(packages), "with two versions of a crate, names are not enough"
    return by_name


def found() -> list[Crate] | None:
    """All crates of the lock file, by name. None without cargo, which knows their licences; with CI=true that fails."""
    if shutil.which("cargo") is None:
        if os.environ.get("CI") == "true":
            raise ReleaseError("CI=true, and cargo is not there: the licences of the kernel's crates are not checked")
        return None
    script = CHECKOUT / "deploy" / "kernel.sh"
    done = subprocess.run([script, "metadata"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"cargo metadata failed:\n{done.stderr}")
    return read(json.loads(done.stdout))


def read(metadata: dict[str, Any]) -> list[Crate]:
    """The crates in what `cargo metadata` prints."""
    packages = {one["id"]: one for one in metadata["packages"]}
    macros = {
        name for name, one in packages.items() if any("proc-macro" in target["kind"] for target in one["targets"])
    }
    needs = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    root = metadata["resolve"]["root"]
    within, waiting = {root}, [root]
    while waiting:
        fresh = set(needs[waiting.pop()]) - within - macros
        within |= fresh
        waiting += fresh
    return sorted(
        Crate(one["name"], one["version"], one["license"] or "NONE", name in within)
        for name, one in packages.items()
        if name != root
    )
