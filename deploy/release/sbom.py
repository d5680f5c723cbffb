"""The bill of materials of what ships, in CycloneDX: `make sbom`. The container image has these packages.

Made from the packages installed in this environment, those that requirements/image.txt names and the Dockerfile leaves:
licences, versions and who needs whom are what their metadata says. Besides, the crates of ranker/kernel/crates.lock,
which the kernel is made of and built with; docs/licences.md has their licences. The file is the same wherever it is
made from one commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.release import crates
from deploy.release.checkout import CHECKOUT, DIST, ReleaseError, commit_time_s, normal, pins, run, write_sums
from ranker.service.version import VERSION

IMAGE = CHECKOUT / "requirements" / "image.txt"
NAME = "popularity-ranker"
TAKEN_OUT = {"setuptools", "wheel"}
"""What image.txt pins and the Dockerfile uninstalls once our wheel is built."""
_SCHEMA = SchemaVersion.V1_6
_ROOT = "root-component"


def installed() -> dict[str, Any]:
    """The bill of all packages of this environment, without links: a package's purl names its origin."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "bom.json"
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("cyclonedx-py"), "environment", sys.executable),
                *("--pyproject", CHECKOUT / "pyproject.toml", "--sv", _SCHEMA.to_version()),
                *("--output-reproducible", "--short-PURLs", "--no-validate", "-o", path),
            ],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(commit_time_s())},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ReleaseError(f"cyclonedx-py failed (make test installs it):\n{done.stderr}")
        bill: dict[str, Any] = _without_links(json.loads(path.read_text()))
        return bill


def pinned() -> dict[str, str]:
    """Name to version of the packages that stay in the image."""
    return {name: version for name, version in pins(IMAGE).items() if name not in TAKEN_OUT}


def shipped() -> dict[str, Any]:
    """The bill of the packages that stay in the image. Raises ReleaseError if another version is installed here."""
    bill = installed()
    wanted = pinned()
    kept = [one for one in bill["components"] if normal(one["name"]) in wanted]
    found = {normal(one["name"]): one["version"] for one in kept}
    if found != wanted:
        differing = sorted(name for name in wanted if found.get(name) != wanted[name])
        raise ReleaseError(
            f"installed is not what requirements/image.txt pins: {', '.join(differing)}. Run deploy/setup.sh dev."
        )
    bill["components"] = kept
    bill["metadata"]["component"]["version"] = VERSION
    bill["metadata"]["component"]["purl"] = f"pkg:pypi/{NAME}@{VERSION}"
    refs = {_ROOT, *(one["bom-ref"] for one in kept)}
    bill["dependencies"] = [
        {"ref": one["ref"], "dependsOn": [ref for ref in one.get("dependsOn", ()) if ref in refs]}
        for one in bill["dependencies"]
        if one["ref"] in refs
    ]
    _add_crates(bill)
    return bill


def _add_crates(bill: dict[str, Any]) -> None:
    locked = crates.locked()
    refs = {name: f"{name}=={one['version']} (crate)" for name, one in locked.items()}
    for name, one in locked.items():
        needs = [refs[need] for need in one.get("dependencies", ())]
        if name == crates.OURS:
            (root,) = (node for node in bill["dependencies"] if node["ref"] == _ROOT)
            root["dependsOn"] += needs
            continue
        bill["dependencies"].append({"ref": refs[name], "dependsOn": needs})
        bill["components"].append(
            {
                "type": "library",
                "bom-ref": refs[name],
                "name": name,
                "version": one["version"],
                "purl": f"pkg:cargo/{name}@{one['version']}",
                "hashes": [{"alg": "SHA-256", "content": one["checksum"]}],
            }
        )


def rendered(bill: dict[str, Any]) -> str:
    """The bill as text. Raises ReleaseError if it does not follow the schema of CycloneDX."""
    text = json.dumps(bill, indent=2, sort_keys=True) + "\n"
    if fault := JsonStrictValidator(_SCHEMA).validate_str(text):
        raise ReleaseError(f"the bill of materials does not follow CycloneDX {_SCHEMA.to_version()}: {fault}")
    return text


def _without_links(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_links(value) for key, value in node.items() if key != "externalReferences"}
    if isinstance(node, list):
        return [_without_links(one) for one in node]
    return node


def main() -> None:
    path = DIST / f"{NAME}-{VERSION}.cdx.json"
    bill = shipped()
    text = rendered(bill)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    write_sums(DIST)
    print(f"{path.relative_to(CHECKOUT)}: {len(bill['components'])} packages and crates besides {NAME} itself")


if __name__ == "__main__":
    run(main)
