"""`make setup` reports what is wrong with a machine in a sentence, and does nothing if nothing is to be done."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
# A Python that is fit but for one thing.
TOO_OLD = '#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac\n'
WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; *) exec "{python}" "$@" ;; esac\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What setup.sh reads, in a directory where nothing has been installed."""
    for name in ("deploy/setup.sh", "pyproject.toml", "requirements/run.txt", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path, python3: str) -> subprocess.CompletedProcess[str]:
    """Run setup.sh with `python3` as the only Python."""
    tools = checkout / "tools"
    tools.mkdir()
    (tools / "python3").write_text(python3)
    (tools / "python3").chmod(0o755)
    for tool in ("sh", "cat", "cksum", "dirname", "grep", "rm"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    return subprocess.run(
        ["sh", "deploy/setup.sh", "run"],
        cwd=checkout,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_old_python_is_refused_with_what_is_needed(checkout: Path) -> None:
    """A sentence with the version needed, the one found, and the fix."""
    done = set_up(checkout, TOO_OLD)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed; this machine has Python 3.9.2." in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_debian_python_without_venv_gets_the_name_of_the_package(checkout: Path) -> None:
    """Debian keeps ensurepip in a package of its own, which the sentence names."""
    done = set_up(checkout, WITHOUT_VENV.format(python=sys.executable))
    assert done.returncode != 0
    assert f"apt-get install python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.skipif(Path(sys.prefix) != CHECKOUT / ".venv", reason="the tests run from another environment: make test")
def test_a_second_setup_needs_no_network() -> None:
    """If all is installed, no index is queried, and nothing is printed."""
    environment = os.environ | {"PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_FIND_LINKS": ""}
    done = subprocess.run(
        ["sh", "deploy/setup.sh", "run"], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_the_tests_services_are_named_and_not_installed(tmp_path: Path) -> None:
    """services.sh prints the command that an administrator would run, and the tests go on."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run(
        [shell, CHECKOUT / "deploy" / "services.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "as root: apt-get install" in done.stdout
    for package in ("redis-server", "chromium", "default-jre-headless", "maven", "prometheus"):
        assert package in done.stdout
