"""One version: every process tells it, manifests name it, and each released one has what an upgrade begins from."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from packaging.version import Version

import producers.commands
import ranker.commands
from deploy.local import children, waiting
from deploy.local.ports import HOST, free_port
from deploy.release.checkout import CHECKOUT
from producers.collector.metrics import CollectorMetrics
from ranker.metrics import ConsumerMetrics, ReaderMetrics, new_registry
from ranker.service.version import VERSION
from tests.bench import processes
from tests.support.collector_process import SITES

RELEASING = CHECKOUT / "docs" / "releasing.md"
SECTION = re.compile(r"^## (\d+\.\d+\.\d+), \d{4}-\d\d-\d\d$", re.MULTILINE)


def test_the_version_is_in_one_place() -> None:
    """pyproject.toml reads it, and what is installed has it."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert str(Version(VERSION)) == VERSION == ranker.__version__ == version("popularity-ranker")


@pytest.mark.parametrize(("program", "module"), [("ranker", ranker.commands), ("producers", producers.commands)])
def test_each_program_has_an_option_for_it(program: str, module: object) -> None:
    """`ranker --version`, `producers --version`."""
    result = CliRunner().invoke(module.main, ["--version"])  # type: ignore[attr-defined]
    assert result.output == f"{program}, version {VERSION}\n"


def test_the_metrics_of_each_process_have_it() -> None:
    """With the role, under the name that its other metrics begin with."""
    for role, name in (("consume", "ranker"), ("serve", "ranker"), ("collect", "collector")):
        registry = new_registry()
        match role:
            case "consume":
                ConsumerMetrics(registry, ["view"])
            case "serve":
                ReaderMetrics(registry)
            case _:
                CollectorMetrics(registry)
        (family,) = [one for one in registry.collect() if one.name == f"{name}_build"]
        (sample,) = family.samples
        assert (sample.labels["role"], sample.labels["version"]) == (role, VERSION)


@pytest.mark.parametrize(
    ("program", "argv"),
    [
        ("ranker consume", processes.ranker("consume", "--admin-port", "0")),
        ("ranker serve", processes.ranker("serve", "--port", "0", "--admin-port", "0")),
        ("producers collect", processes.producers("collect", "--port", "0", "--admin-port", "0")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_line_of_its_log_says_it(program: str, argv: list[str], tmp_path: Path) -> None:
    """Before anything is reached: neither Kafka nor Redis is there."""
    (tmp_path / "ranker.toml").write_text(SITES)
    nowhere = {
        "RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}",
        "RANKER_REDIS_URL": f"redis://{HOST}:{free_port()}/0",
        "RANKER_CONFIG": str(tmp_path / "ranker.toml"),
    }
    log = tmp_path / "log"
    more = ["--spool", str(tmp_path / "spool")] if "collect" in program else []
    child = children.start("program", [*argv, *more], log, processes.environment() | nowhere)
    try:
        waiting.until("Its first line", lambda: log.exists() and b"\n" in log.read_bytes(), 30.0)
        line = orjson.loads(log.read_bytes().partition(b"\n")[0])
    finally:
        child.stop()
    assert (line["event"], line["program"], line["version"]) == ("starting", program, VERSION)


def test_manifests_name_this_version_of_our_image() -> None:
    """Wherever deploy/ names one: compose, Kubernetes, the image's label."""
    names = r"popularity-ranker:(\d[\w.]*)|popularity-ranker, newTag: \"?([\w.]+)|image\.version=\"?([\w.]+)"
    listed = subprocess.run(["git", "ls-files", "deploy"], cwd=CHECKOUT, text=True, capture_output=True, check=True)
    wrong = [
        f"{name}: {found[0]}"
        for name in listed.stdout.split()
        for found in re.finditer(names, (CHECKOUT / name).read_text(errors="replace"))
        if VERSION not in found.groups()
    ]
    assert not wrong, f"the version is {VERSION}"


def test_each_released_version_has_its_changes_and_its_recording() -> None:
    """The newest first; what comes next is above; tests/data has the state of each."""
    text = (CHECKOUT / "CHANGELOG.md").read_text()
    released = [Version(one) for one in SECTION.findall(text)]
    assert released
    assert released == sorted(released, reverse=True)
    assert Version(VERSION) >= released[0]
    headings = re.findall(r"^## .*$", text, re.MULTILINE)
    assert all(SECTION.match(one) for one in headings if one != "## Next, unreleased")
    assert "## Next, unreleased" not in headings[1:]
    for one in released:
        assert (CHECKOUT / "tests" / "data" / f"run-{one}" / "dump.rdb").is_file(), f"record {one}: docs/releasing.md"


def test_the_checklist_names_what_there_is() -> None:
    """Targets of make, modules, programs of the environment, files, what tests need."""
    text = RELEASING.read_text()
    targets = set(re.findall(r"^([a-z -]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    targets = {word for each in targets for word in each.split()}
    lines = [
        line.partition("#")[0].strip()
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    inline = re.findall(r"`(make [^`]+)`", text)
    assert len(lines) > 15
    for line in (part.strip() for each in (*lines, *inline) for part in each.split("&&")):
        words = [word for word in line.split() if "=" not in word]
        match words:
            case ["make", *named]:
                assert named
                assert set(named) <= targets, line
            case [".venv/bin/python", "-m", module, *_]:
                assert importlib.util.find_spec(module), line
            case [".venv/bin/pytest", "-q", file]:
                assert (CHECKOUT / file).exists(), line
            case [".venv/bin/ranker" | ".venv/bin/producers" | "ranker", "--version"]:
                pass
            case ["git", "commit" | "tag" | "push", *_] | ["gpg" | "sha256sum" | "cat" | "pip", *_]:
                pass
            case ["docker", "build", "-f", file, *_, "-t", image, "."]:
                assert (CHECKOUT / file).exists()
                assert image == "popularity-ranker:X.Y.Z"
            case ["docker", "run", *_]:
                pass
            case _:
                pytest.fail(f"nothing is known of {line!r}")
    needed = re.findall(r"^need \S+ (\S+)$", (CHECKOUT / "deploy" / "services.sh").read_text(), re.MULTILINE)
    rows = " ".join(re.findall(r"^\| (.*?) \|", text, re.MULTILINE)).replace(",", "").split()
    assert set(needed) <= set(rows), "docs/releasing.md lists what deploy/services.sh installs"
    for name in re.findall(r"`([\w/.-]+\.(?:py|toml))`", text):
        assert (CHECKOUT / name).exists() or name == "ranker.toml", name
