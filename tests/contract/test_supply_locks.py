"""What is fetched is pinned by version and hash, and the lock files hold what pyproject.toml and requirements/*.in say."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from deploy.local import kafka_jars
from deploy.local.faults import LocalFault
from deploy.release.checkout import CHECKOUT, normal, pins

REQUIREMENTS = CHECKOUT / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.txt"))
MAVEN = {"m": "http://maven.apache.org/POM/4.0.0"}


def entries(lock: Path) -> list[str]:
    """Return each requirement of a lock file with its options, on one line, without comments."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return [" ".join(entry.split()) for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]


def asked_for(lock: Path) -> list[Requirement]:
    """Return what pyproject.toml and the .in files of a lock file ask for."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    sources = {"dev": ("run", "dev")}.get(lock.stem, (lock.stem,))
    lines = [line for name in sources for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines()]
    return [Requirement(line) for line in (*project, *lines) if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_line_of_a_lock_file_is_one_version_with_its_hashes(lock: Path) -> None:
    """Name, version, hashes; no address of an index, no path, no option."""
    found = entries(lock)
    assert len(found) > 10
    for entry in found:
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ;.*?)?( --hash=sha256:[0-9a-f]{64})+", entry), entry[:120]
    assert "://" not in lock.read_text()
    assert len(pins(lock)) == len(found), "a package is there twice, or has a form that releases cannot read"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_holds_what_is_asked_for(lock: Path) -> None:
    """Each dependency of pyproject.toml and of the .in files, in a version within its range."""
    pinned = pins(lock)
    for requirement in asked_for(lock):
        assert normal(requirement.name) in pinned, f"{requirement}: run `make requirements`"
        version = Version(pinned[normal(requirement.name)])
        assert requirement.specifier.contains(version), f"{requirement}: {version} is pinned; run `make requirements`"


def test_each_dependency_has_a_lowest_version_and_a_highest() -> None:
    """deploy/lowest.sh installs the lowest; packages that are numbered by year alone promise nothing by a number."""
    for requirement in asked_for(REQUIREMENTS / "image.txt"):
        if requirement.name in ("setuptools", "wheel"):
            continue  # of the build
        operators = {one.operator for one in requirement.specifier}
        by_year = any(Version(one.version).major > 2000 for one in requirement.specifier)
        assert operators == ({">="} if by_year else {">=", "<"}), requirement


def test_all_lock_files_have_the_same_versions() -> None:
    """What ships is what was tested."""
    for lock in LOCKS:
        for other in LOCKS:
            differing = {name for name, version in pins(lock).items() if pins(other).get(name, version) != version}
            assert not differing, f"{lock.name} and {other.name}"
    assert pins(REQUIREMENTS / "image.txt").items() <= pins(REQUIREMENTS / "dev.txt").items()


def test_whoever_installs_a_lock_file_wants_its_hashes() -> None:
    """setup.sh and the Dockerfile; a package that is no line of the lock file is not fetched."""
    for name in ("deploy/setup.sh", "deploy/Dockerfile"):
        text = (CHECKOUT / name).read_text()
        for line in re.findall(r"^.*install.*$", text, re.MULTILINE):
            if "-r " in line and "requirements/" in line:
                assert "--require-hashes" in line, f"{name}: {line}"
            if re.search(r"pip install.* (\.|-e \.)$|\$pip install.*-e \.", line):
                assert "--no-deps" in line, f"{name}: {line}"
                assert "--no-build-isolation" in line, f"{name}: {line}"


def test_the_jars_of_the_broker_are_pinned() -> None:
    """One version each in the pom, and the hash of every jar that comes with them."""
    project = ET.parse(kafka_jars.POM).getroot()
    listed = [line.split() for line in kafka_jars.SUMS.read_text().splitlines()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest, _ in listed)
    for one in project.iterfind(".//m:dependency", MAVEN):
        name, version = one.findtext("m:artifactId", "", MAVEN), one.findtext("m:version", "", MAVEN)
        assert re.fullmatch(r"\d+(\.\d+)+", version), f"{name}: {version} is no single version"
        assert f"{name}-{version}.jar" in {jar for _, jar in listed}
    for one in project.iterfind(".//m:plugin", MAVEN):
        assert re.fullmatch(r"\d+(\.\d+)+", one.findtext("m:version", "", MAVEN))


@pytest.mark.parametrize("change", ["changed", "missing", "more"])
def test_other_jars_than_those_that_are_listed_are_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the jar, with what to do."""
    jars = tmp_path / "jars"
    jars.mkdir()
    (jars / "kafka.jar").write_bytes(b"")
    sums = tmp_path / "jars.sha256"
    sums.write_text("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  kafka.jar\n")
    monkeypatch.setattr(kafka_jars, "SUMS", sums)
    kafka_jars.check(jars)
    match change:
        case "changed":
            (jars / "kafka.jar").write_bytes(b"x")
        case "missing":
            (jars / "kafka.jar").unlink()
        case _:
            shutil.copy(jars / "kafka.jar", jars / "more.jar")
    with pytest.raises(LocalFault, match=r"jars\.sha256 lists: (kafka|more)\.jar\. If the pom was changed"):
        kafka_jars.check(jars)
