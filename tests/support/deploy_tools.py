"""Programs that judge what deploy/ holds."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "deploy"

FindTool = Callable[[str, str], Path]


def run(*argv: str | Path, cwd: Path = CHECKOUT) -> str:
    """Run a tool that judges; fail with what it says if it is not content."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def beside_python(name: str) -> Path:
    """Return a command that the requirement files install."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed beside this Python: make test")
    return path
