"""What a release consists of: the same bytes wherever it is made, whole, and audited or not called so."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.local.ports import HOST, free_port
from deploy.release import sbom
from deploy.release.checkout import CHECKOUT, ReleaseError, pins, write_sums
from ranker.service.version import VERSION
from tests.support.deploy_tools import FindTool

BUILD = """
import pathlib, sys
from deploy.release import wheel
wheel.make(*map(pathlib.Path, sys.argv[1:3]), has_kernel=sys.argv[3] == "kernel")
"""
PURE = f"popularity_ranker-{VERSION}-py3-none-any.whl"


@pytest.fixture
def _cargo(find_tool: FindTool) -> None:
    find_tool("cargo", "cargo")


def built(place: Path, umask: int, kernel: str = "no kernel", **environ: str) -> dict[str, str]:
    """File to SHA-256 of a release of this checkout's HEAD, made in a clone of its own."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed (Debian: apt-get install git)")
    subprocess.run(["git", "clone", "-q", CHECKOUT, place], check=True, umask=umask, capture_output=True)
    # What a work tree may have and a commit does not; and another time of every file.
    (place / "ranker" / "left_over.py").write_text("")
    for path in place.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    environment = os.environ | environ
    argv: list[str | Path] = [sys.executable, "-c", BUILD, place / "dist", place, kernel]
    subprocess.run(argv, cwd=CHECKOUT, env=environment, umask=umask, check=True)
    lines = (place / "dist" / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


@pytest.mark.long
def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """In other directories, with another umask, time zone, language and order of sets, some seconds later."""
    first = built(tmp_path / "a", 0o022, PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C")
    again = built(tmp_path / "elsewhere" / "b", 0o077, PYTHONHASHSEED="2", TZ="America/Lima", LC_ALL="C.UTF-8")
    assert first == again
    assert set(first) == {PURE, f"popularity_ranker-{VERSION}.tar.gz", "image.txt"}
    made = tmp_path / "a" / "dist"
    for name, digest in first.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    names = zipfile.ZipFile(made / PURE).namelist()
    assert "ranker/store/scripts/advance.lua" in names
    assert not [name for name in names if "left_over" in name or name.endswith((".rs", ".lock", "Cargo.toml"))]


@pytest.mark.long
@pytest.mark.usefixtures("_cargo")
def test_two_builds_with_the_kernel_are_the_same_bytes(tmp_path: Path) -> None:
    """With crates that were fetched to other places, another order of sets, and flags that somebody has set for cargo."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    elsewhere = tmp_path / "cargo"
    shutil.copytree(home / "registry", elsewhere / "registry")
    first = built(tmp_path / "a", 0o022, "kernel", PYTHONHASHSEED="1", TZ="Asia/Tokyo")
    flags = {"RUSTFLAGS": "-Copt-level=1", "CARGO_HOME": str(elsewhere)}
    again = built(tmp_path / "elsewhere" / "b", 0o077, "kernel", PYTHONHASHSEED="2", TZ="America/Lima", **flags)
    assert first == again
    assert len([name for name in first if "-cp311-abi3-" in name]) == 1


@pytest.mark.usefixtures("_cargo")
@pytest.mark.long
def test_an_installed_wheel_has_its_kernel_or_says_that_it_has_none(tmp_path: Path) -> None:
    """Each wheel in an environment that has nothing else: one folds by the kernel, the other by the plain fold.

    The one with the kernel is for every Python from 3.11 on, and has no path of the machine where it was made.
    """
    built(tmp_path / "a", 0o022, "kernel")
    made = tmp_path / "a" / "dist"
    (compiled,) = made.glob("*-cp311-abi3-*.whl")
    with zipfile.ZipFile(compiled) as wheel, zipfile.ZipFile(made / PURE) as pure:
        library = wheel.read("ranker/kernel/_kernel.abi3.so")
        assert set(wheel.namelist()) - set(pure.namelist()) == {"ranker/kernel/_kernel.abi3.so"}
        assert "Root-Is-Purelib: false" in wheel.read(f"popularity_ranker-{VERSION}.dist-info/WHEEL").decode()
    assert b"/crates/pyo3-" in library
    cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    for path in (str(tmp_path), str(CHECKOUT), cargo, tempfile.gettempdir() + "/", "registry", "libpython"):
        assert path.encode() not in library, path
    assert said_of(compiled, tmp_path / "with") == f"the kernel folds (version {kernel_version()})\n"
    assert said_of(made / PURE, tmp_path / "without").startswith("the plain fold runs, at a fraction of the speed")


def said_of(wheel: Path, environment: Path) -> str:
    """Which fold runs where nothing but this wheel is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        wheel,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    code = "from ranker import kernel; print(kernel.named())"
    return subprocess.run([python, "-c", code], cwd="/", check=True, capture_output=True, text=True).stdout


def kernel_version() -> str:
    return str(tomllib.loads((CHECKOUT / "ranker" / "kernel" / "Cargo.toml").read_text())["package"]["version"])


def test_the_source_archive_has_what_the_kernel_is_built_from(tmp_path: Path) -> None:
    """Every file that cargo and deploy/kernel.sh read, as it is in the commit."""
    built(tmp_path / "a", 0o022)
    listed = [
        "git",
        "ls-files",
        "deploy/kernel.sh",
        "ranker/kernel/*.rs",
        "ranker/kernel/*.toml",
        "ranker/kernel/*.lock",
    ]
    files = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    files = [name for name in files if "/fuzz/" not in name]
    assert len(files) > 5
    root = f"popularity_ranker-{VERSION}"
    with tarfile.open(tmp_path / "a" / "dist" / f"{root}.tar.gz") as archive:
        for name in files:
            packed = archive.extractfile(f"{root}/{name}")
            assert packed is not None
            committed = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=CHECKOUT, capture_output=True, check=True)
            assert packed.read() == committed.stdout, name
        assert archive.getmember(f"{root}/deploy/kernel.sh").mode & 0o111


def test_sums_are_of_everything_beside_them(tmp_path: Path) -> None:
    """In the form of sha256sum, written anew when a file comes."""
    (tmp_path / "a.whl").write_bytes(b"a")
    write_sums(tmp_path)
    (tmp_path / "b.json").write_bytes(b"b")
    write_sums(tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)
    assert [line.split()[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()] == ["a.whl", "b.json"]


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return sbom.shipped()


def test_the_bill_of_materials_is_what_the_image_installs(bill: dict[str, Any]) -> None:
    """CycloneDX 1.6, every line of image.txt but what the Dockerfile takes out, each with what it needs; the same twice.

    And every crate of the kernel's lock file, with its hash.
    """
    text = sbom.rendered(bill)
    listed = {one["purl"] for one in bill["components"] if not one["purl"].startswith("pkg:cargo/")}
    build, last = (CHECKOUT / "deploy" / "Dockerfile").read_text().split("\nFROM ")[-2:]
    (gone,) = re.findall(r"uninstall --yes ([\w ]+)$", build, re.MULTILINE)
    assert listed == {
        f"pkg:pypi/{name}@{version}" for name, version in pins(sbom.IMAGE).items() if name not in gone.split()
    }
    assert "pip uninstall --yes --no-cache-dir setuptools wheel pip " in last, "of the base image"
    refs = {one["bom-ref"] for one in (*bill["components"], bill["metadata"]["component"])}
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert needs.keys() == refs
    assert {ref for each in needs.values() for ref in each} <= refs
    assert any(ref.startswith("aiokafka==") for ref in needs["root-component"])
    lock = (CHECKOUT / "ranker" / "kernel" / "crates.lock").read_text()
    found = re.findall(r'name = "(.+)"\nversion = "(.+)"\nsource = "crates"\nchecksum = "(.+)"', lock)
    assert len(found) == len(re.findall(r"^checksum", lock, re.MULTILINE)) > 10
    assert [(one["purl"], one["hashes"][0]["content"]) for one in bill["components"] if one["purl"] not in listed] == [
        (f"pkg:cargo/{name}@{version}", checksum) for name, version, checksum in found
    ]
    pyo3, proc_macro = (next(ref for ref in refs if ref.startswith(f"{name}==")) for name in ("pyo3", "syn"))
    assert pyo3 in needs["root-component"]
    assert proc_macro not in needs["root-component"], "needed by pyo3's macros alone"
    assert bill["metadata"]["component"]["version"] == VERSION
    assert not re.search(r"https?://(?!cyclonedx\.org/)", text)
    for place in (CHECKOUT, Path.home(), Path(sys.prefix)):
        assert f"{place}/" not in text
    assert sbom.rendered(sbom.shipped()) == text


def test_a_bill_that_is_no_cyclonedx_is_not_written(bill: dict[str, Any]) -> None:
    """The schema is asked after all changes."""
    with pytest.raises(ReleaseError, match=r"does not follow CycloneDX 1\.6"):
        sbom.rendered({**bill, "components": [{"name": "of no type"}]})


def test_a_bill_of_other_versions_than_the_image_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that it is made from has to have what image.txt pins."""
    monkeypatch.setattr(sbom, "pins", lambda _: {"click": "1.0", "redis": pins(sbom.IMAGE)["redis"]})
    with pytest.raises(ReleaseError, match=r"image\.txt pins: click\. Run"):
        sbom.shipped()


Known = dict[str, dict[str, Any]]
"""Name of a package to what the database replies."""


@pytest.fixture
def database() -> Iterator[Callable[[Known], str]]:
    """Starts a database with the API of OSV; returns its URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(known: Known) -> str:
        class Database(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(known.get(asked["package"]["name"], {})).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        servers.append(ThreadingHTTPServer((HOST, 0), Database))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://{HOST}:{servers[-1].server_address[1]}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def audit(url: str) -> tuple[int, str]:
    """Exit code and output of the audit of what ships."""
    argv: list[str | Path] = [sys.executable, "-m", "deploy.release.audit", "--osv-url", url, sbom.IMAGE]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_audit_that_finds_nothing(database: Callable[[Known], str]) -> None:
    """Ends with 0, and says how many packages it has checked."""
    packages = len(pins(sbom.IMAGE))
    assert audit(database({})) == (0, f"image.txt: {packages} of {packages} packages checked, 0 vulnerabilities\n")


def test_an_audit_that_finds_something(database: Callable[[Known], str]) -> None:
    """Ends with 1, and names the package, the vulnerability and the version without it."""
    package = {"name": "starlette", "ecosystem": "PyPI"}
    fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
    fault = {"id": "GHSA-xxxx", "summary": "Invented.", "affected": [{"package": package, "ranges": fixed}]}
    code, text = audit(database({"starlette": {"vulns": [fault]}}))
    version = pins(sbom.IMAGE)["starlette"]
    assert (code, text.splitlines()[0]) == (1, f"VULNERABLE: starlette {version}: GHSA-xxxx, fixed in 99.1")


def test_an_audit_whose_database_is_away_is_no_audit() -> None:
    """It ends with 2, and says that nothing was checked and what to do."""
    code, text = audit(f"http://{HOST}:{free_port()}/")
    assert code == 2
    assert "NOT CHECKED: image.txt: pip-audit has no result" in text
    assert "make audit" in text


def test_what_the_database_does_not_know_is_not_checked() -> None:
    """A mirror of an index that answers 404 for every package: pip-audit ends with 0 there."""
    from deploy.release import audit

    skipped = [{"name": name, "skip_reason": "not found"} for name in pins(sbom.IMAGE)]
    clean = {"name": "Jinja2", "version": "3", "vulns": []}
    judged = audit.judged(sbom.IMAGE, {"dependencies": [*skipped, clean]})
    assert judged.vulnerable == []
    assert set(judged.unchecked) == set(pins(sbom.IMAGE)) - {"jinja2"}
