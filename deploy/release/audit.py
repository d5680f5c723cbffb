"""Known vulnerabilities of what the lock files pin: `make audit`. What was not checked is never reported as clean.

pip-audit ends with 0 if its database knows none of the packages (a mirror of an index answers 404 for each), and with 1
both for a vulnerability and for a database that it cannot reach. So its list is read here, package by package.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from deploy.release.checkout import CHECKOUT, ReleaseError, normal, pins, run

LOCKS = (CHECKOUT / "requirements" / "image.txt", CHECKOUT / "requirements" / "dev.txt")
"""What ships, and what it is tested and made with."""
VULNERABLE, UNCHECKED = 1, 2


class Audit(NamedTuple):
    """Of one lock file: what has known vulnerabilities, as sentences, and what could not be checked."""

    packages: int
    vulnerable: list[str]
    unchecked: list[str]


def judged(lock: Path, found: dict[str, Any]) -> Audit:
    """What pip-audit's list says of each line of `lock`; a line that it does not have was not checked."""
    wanted = pins(lock)
    checked: set[str] = set()
    vulnerable = []
    for one in found["dependencies"]:
        if "skip_reason" in one:
            continue
        checked.add(normal(one["name"]))
        for fault in one["vulns"]:
            fixed = ", ".join(fault["fix_versions"]) or "no version yet"
            vulnerable.append(f"{one['name']} {one['version']}: {fault['id']}, fixed in {fixed}")
    return Audit(len(wanted), vulnerable, sorted(set(wanted) - checked))


def audited(lock: Path, *options: str) -> Audit:
    """Ask pip-audit. Raises ReleaseError if it has no result."""
    argv: list[str | Path] = [
        *(Path(sys.executable).with_name("pip-audit"), "-r", lock, "--require-hashes", "--disable-pip"),
        *("-f", "json", "--progress-spinner", "off", *options),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        return judged(lock, json.loads(done.stdout))
    except ValueError:
        why = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        raise ReleaseError(
            f"NOT CHECKED: {lock.name}: pip-audit has no result ({why[:300]}). Run `make audit` on a machine that "
            "reaches the database, or name another one: make audit DATABASE=pypi"
        ) from None


def main() -> None:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("locks", nargs="*", type=Path, default=LOCKS)
    parser.add_argument("--database", choices=["osv", "pypi"], default="osv")
    parser.add_argument("--osv-url", help="a mirror of the OSV API")
    chosen = parser.parse_args()
    options = ["-s", chosen.database, *(("--osv-url", chosen.osv_url) if chosen.osv_url else ())]
    code = 0
    for lock in chosen.locks:
        audit = audited(lock, *options)
        for sentence in audit.vulnerable:
            print(f"VULNERABLE: {sentence}")
            code = VULNERABLE
        if audit.unchecked:
            print(f"NOT CHECKED: {len(audit.unchecked)} of {lock.name}: {', '.join(audit.unchecked)}")
            code = code or UNCHECKED
        checked = audit.packages - len(audit.unchecked)
        print(f"{lock.name}: {checked} of {audit.packages} packages checked, {len(audit.vulnerable)} vulnerabilities")
    sys.exit(code)


if __name__ == "__main__":
    run(main)
