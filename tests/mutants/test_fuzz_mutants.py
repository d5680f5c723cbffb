"""Faults put into the kernel's source are seen by the fuzzers' targets, which begin with the kept corpus."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutants.kernel import Mutant
from tests.mutants.kernel_records import RECORDS
from tests.support.deploy_tools import CHECKOUT, FindTool

pytestmark = pytest.mark.long

INPUTS = 2_000_000
"""So many are tried after those that are kept. The rarest mutant, a list that ends with a comma, was seen after 110,000 to
190,000."""
SEEN = {
    "something may follow": "event",
    "any agent": "event",
    "control characters in texts": "event",
    "halves of pairs": "event",
    "numbers begin with 0": "event",
    "numbers without a sign": "event",
    "a list that ends with a comma": "event",
    "an object that ends with a comma": "event",
    "the producers' time is the broker's": "batch",
    "a stretch goes over the limit": "batch",
    "a stretch forgets its end": "batch",
}
"""The target by the mutant: of those in what the targets reach, what makes more of bytes than they say."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, find_tool: FindTool) -> Path:
    """The crates, and the script that builds them."""
    find_tool("cargo", "cargo")
    find_tool("c++", "g++")
    copied = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(CHECKOUT / "ranker" / "kernel", copied / "ranker" / "kernel")
    (copied / "deploy").mkdir()
    shutil.copy(CHECKOUT / "deploy" / "kernel.sh", copied / "deploy")
    return copied


def fuzzed(copy: Path, target: str) -> str:
    """What libFuzzer says if it finds a fault, else nothing."""
    build = subprocess.run([copy / "deploy" / "kernel.sh", "fuzz"], capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    crate = copy / "ranker" / "kernel" / "fuzz"
    argv: list[str | Path] = [copy / "build" / "fuzz" / "targets" / target, f"-runs={INPUTS}", "-seed=1"]
    if target == "event":
        argv.append(f"-dict={crate / 'event.dict'}")
    argv.append(crate / "corpus" / target)
    done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, errors="replace", check=False, timeout=300)
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("target", ["event", "batch"])
def test_the_kernel_as_it_is_lives(copy: Path, target: str) -> None:
    assert fuzzed(copy, target) == ""


@pytest.mark.parametrize("mutant", [one for one in RECORDS if one.what in SEEN], ids=lambda mutant: mutant.what)
def test_a_mutant_is_seen(copy: Path, mutant: Mutant) -> None:
    source = copy / "ranker" / "kernel" / "src" / mutant.file
    sound = source.read_text()
    assert sound.count(mutant.old) == 1, "it has to stand there once"
    source.write_text(sound.replace(mutant.old, mutant.new))
    try:
        assert "panicked" in fuzzed(copy, SEEN[mutant.what])
    finally:
        source.write_text(sound)


def test_each_mutant_of_the_list_is_there() -> None:
    assert SEEN.keys() <= {one.what for one in RECORDS}
