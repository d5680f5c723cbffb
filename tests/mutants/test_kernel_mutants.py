"""Every fault in the kernel's source is seen by the comparison with the plain code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.kernel import Mutant
from tests.mutants.kernel_columns import COLUMNS
from tests.mutants.kernel_folds import FOLDS
from tests.mutants.kernel_records import RECORDS
from tests.support.deploy_tools import CHECKOUT

CRATE = CHECKOUT / "ranker" / "kernel"
pytestmark = [pytest.mark.long, pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not there")]


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the crate."""
    copied = tmp_path_factory.mktemp("kernel") / "crate"
    shutil.copytree(CRATE, copied, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return copied


def hunted(crate: Path) -> int:
    """0 if nothing is seen, 1 if the kernel differs from the plain code."""
    words = [
        "cargo",
        "build",
        "--quiet",
        "--locked",
        "--config",
        "profile.dev.opt-level=1",
        "--target-dir",
        "../target",
    ]
    built = subprocess.run(words, cwd=crate, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    library = crate / "../target/debug/lib_kernel.so"
    return subprocess.run(
        [sys.executable, "-m", "tests.mutants.kernel", library], cwd=CHECKOUT, check=False, timeout=600
    ).returncode


def test_the_kernel_as_it_is_lives(crate: Path) -> None:
    assert hunted(crate) == 0


@pytest.mark.parametrize("mutant", [*RECORDS, *FOLDS, *COLUMNS], ids=lambda mutant: mutant.what)
def test_a_mutant_is_seen(crate: Path, mutant: Mutant) -> None:
    source = crate / "src" / mutant.file
    sound = source.read_text()
    assert sound.count(mutant.old) == 1, "it has to stand there once"
    source.write_text(sound.replace(mutant.old, mutant.new))
    try:
        assert hunted(crate) == 1
    finally:
        source.write_text(sound)
