"""The licences of what ships and of what it is made with, and what is allowed: `make licences`.

The bill of materials says what packages say of themselves; requirements/licences.toml has what a person has read.

`python -m deploy.release.licences crates`: looks at the kernel's crates alone, and writes nothing (`make check`).
"""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from importlib.metadata import distribution
from typing import Any, NamedTuple

from license_expression import ExpressionError, LicenseSymbol, get_spdx_licensing

from deploy.release import crates
from deploy.release.checkout import CHECKOUT, ReleaseError, normal, pins, run
from deploy.release.sbom import IMAGE, installed, pinned

POLICY = CHECKOUT / "requirements" / "licences.toml"
PAGE = CHECKOUT / "docs" / "licences.md"
_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Those that name one licence; "BSD License" is two."""
_SPDX = get_spdx_licensing()


class Licence(NamedTuple):
    """Of one package: an SPDX expression, and who says so."""

    name: str
    version: str
    expression: str
    known_by: str


def policy() -> dict[str, Any]:
    return tomllib.loads(POLICY.read_text())


def licences(bill: Mapping[str, Any], read: Mapping[str, Mapping[str, str]]) -> dict[str, Licence]:
    """Return normal name to licence of all packages of a bill. Raises ReleaseError if one has to be read."""
    return {normal(one["name"]): _licence(one, read.get(normal(one["name"]))) for one in bill["components"]}


def _licence(component: Mapping[str, Any], read: Mapping[str, str] | None) -> Licence:
    name, version = component["name"], component["version"]
    if read:
        found = text_hash(name)
        if found != read["sha256"]:
            raise ReleaseError(
                f"{name} {version} has another licence text than the one that was read (sha256 {found}): read it, and "
                f"correct [read.{normal(name)}] in requirements/licences.toml"
            )
        return Licence(name, version, read["licence"], "its text, read")
    said = component.get("licenses", ())
    expressions = [one["expression"] for one in said if "expression" in one]
    expressions += [one["license"]["id"] for one in said if "id" in one.get("license", ())]
    if not expressions:
        names = [one["license"]["name"] for one in said]
        expressions = [_CLASSIFIERS[one] for one in names if one in _CLASSIFIERS]
    if not expressions:
        raise ReleaseError(
            f"{name} {version} does not say which licence it has: read its text (sha256 {text_hash(name)}), and add "
            f"[read.{normal(name)}] to requirements/licences.toml"
        )
    return Licence(name, version, " AND ".join(dict.fromkeys(expressions)), "its metadata")


def text_hash(name: str) -> str:
    """SHA-256 of the licence texts that a package has, one after the other."""
    files = [
        one for one in distribution(name).files or () if re.search(r"dist-info/(.*/)?(LICEN[CS]E|COPYING)", str(one))
    ]
    digest = hashlib.sha256()
    for one in sorted(files, key=str):
        digest.update(one.read_binary())
    return digest.hexdigest()


def allowed(expression: str, allowed_ids: frozenset[str]) -> bool:
    """Whether one who keeps to the allowed licences may pass this on: all of AND, one of OR."""
    try:
        return _fits(_SPDX.parse(expression, validate=True), allowed_ids)
    except ExpressionError:
        return False


def _fits(node: Any, allowed_ids: frozenset[str]) -> bool:
    if isinstance(node, LicenseSymbol):
        return node.key in allowed_ids
    fits = (_fits(one, allowed_ids) for one in node.args)
    return any(fits) if isinstance(node, _SPDX.OR) else isinstance(node, _SPDX.AND) and all(fits)


def refused(found: Mapping[str, Licence], allowed_ids: frozenset[str]) -> list[Licence]:
    """Of what ships, what the policy does not allow."""
    return [one for name, one in found.items() if name in pinned() and not allowed(one.expression, allowed_ids)]


def refused_crates(found: Iterable[crates.Crate], allowed_ids: frozenset[str]) -> list[crates.Crate]:
    """Of those in the binary, what the policy does not allow."""
    return [one for one in found if one.is_within and not allowed(one.expression, allowed_ids)]


def check_crates() -> list[crates.Crate] | None:
    """All crates, None without cargo. Raises ReleaseError if one that is in the kernel is not allowed there."""
    found = crates.found()
    if found and (not_allowed := refused_crates(found, frozenset(policy()["kernel"]["allowed"]))):
        raise ReleaseError(
            "[kernel] of requirements/licences.toml does not allow what the kernel would hold: "
            + ", ".join(f"{one.name} {one.version} ({one.expression})" for one in not_allowed)
        )
    return found


def page(old: str) -> str:
    """docs/licences.md with its tables as they should be. Raises ReleaseError if what ships is not allowed.

    Without cargo the table of crates stays as it is.
    """
    rules = policy()
    found = licences(installed(), rules["read"])
    if not_allowed := refused(found, frozenset(rules["allowed"])):
        raise ReleaseError(
            "requirements/licences.toml does not allow what would ship: "
            + ", ".join(f"{one.name} {one.version} ({one.expression})" for one in not_allowed)
        )
    ships, runs, dev = (pinned().keys(), *(pins(IMAGE.with_name(f"{lock}.txt")).keys() for lock in ("run", "dev")))
    tables = {
        "allowed": ", ".join(rules["allowed"]),
        "kernel": ", ".join(rules["kernel"]["allowed"]),
        "ships": _table(found, ships),
        "run": _table(found, runs - ships),
        "dev": _table(found, dev - runs - ships),
        "programs": "\n".join(
            [
                "| program | licence |",
                "|---|---|",
                *(f"| {name} | {text} |" for name, text in rules["programs"].items()),
            ]
        ),
    }
    if (kernel := check_crates()) is not None:
        tables["crates"] = "\n".join(
            [
                "| crate | version | licence | in the kernel |",
                "|---|---|---|---|",
                *(
                    f"| {one.name} | {one.version} | {one.expression} | {'yes' if one.is_within else 'no'} |"
                    for one in kernel
                ),
            ]
        )
    for name, table in tables.items():
        before, mark, rest = old.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        old = f"{before}{mark}{table}\n{end}{after}"
        if not end:
            raise ReleaseError(
                f"docs/licences.md has no place for a table: <!-- {name} --> and <!-- end --> are missing"
            )
    return old


def _table(found: Mapping[str, Licence], names: AbstractSet[str]) -> str:
    lines = ["| package | version | licence | known by |", "|---|---|---|---|"]
    for name in sorted(names):
        if name not in found:
            raise ReleaseError(f"{name} is in the lock files and not installed here: run deploy/setup.sh dev")
        lines.append("| {} | {} | {} | {} |".format(*found[name]))
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:] == ["crates"]:
        found = check_crates()
        print("Without cargo the licences of the kernel's crates are not checked" if found is None else _summary(found))
        return
    PAGE.write_text(page(PAGE.read_text()))
    print(f"{PAGE.relative_to(CHECKOUT)} is written")


def _summary(found: list[crates.Crate]) -> str:
    within = sum(one.is_within for one in found)
    return f"crates: {within} in the kernel, all with a licence that is allowed; {len(found) - within} build it"


if __name__ == "__main__":
    run(main)
