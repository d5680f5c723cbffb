"""DESIGN.md names what exists: files, functions, settings, and headings of its own."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESIGN = (ROOT / "DESIGN.md").read_text()
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
NOT_OURS = {
    ".venv/bin/lint-imports",
    "NAME/RUN",
    "site/article",
    "HSETNX",
    "partitionLeaderEpoch",
    "atexit",
    "decode_lines",
}


def test_paths_exist() -> None:
    named = {word for word in re.findall(r"`([\w./*-]+)`", DESIGN) if _is_path(word)} - NOT_OURS
    named |= set(re.findall(r"\]\(([^)#:]+)\)", DESIGN))

    assert len(named) > 50
    assert [name for name in sorted(named) if not _exists(name)] == []


def test_names_exist() -> None:
    text = "\n".join((ROOT / file).read_text(errors="ignore") for file in TRACKED if _is_text(file))
    words = {word for word in re.findall(r"`([\w.]+)(?:\(\))?`", DESIGN) if not _is_path(word)} - NOT_OURS

    assert [word for word in sorted(words) if word.rpartition(".")[2] not in text] == []


def test_headings_exist() -> None:
    headings = {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in re.findall(r"(?m)^#+ (.*)", DESIGN)}

    assert [link for link in re.findall(r"\]\(#([^)]+)\)", DESIGN) if link not in headings] == []


def test_every_package_is_in_the_map() -> None:
    packages = {
        str(Path(file).parent) + "/" for file in TRACKED if re.match(r"(ranker|producers)/.*__init__\.py", file)
    }
    parts = {"ranker/", "producers/", "ranker/serve/", "producers/simulate/demo/"}
    parts |= {package for package in packages if package.startswith("ranker/serve/pages/") and package.count("/") > 3}

    assert [package for package in sorted(packages - parts) if f"| `{package}` |" not in DESIGN] == []


def _is_path(word: str) -> bool:
    return "/" in word.strip("/") or word.endswith((".py", ".lua", ".js", ".html", ".yaml", ".toml", ".json", "/"))


def _is_text(file: str) -> bool:
    return file != "DESIGN.md" and Path(file).suffix in {
        ".py",
        ".lua",
        ".toml",
        ".json",
        ".yaml",
        ".md",
        ".js",
        ".html",
    }


def _exists(name: str) -> bool:
    """As a path from the root or from a package, or as a file's name."""
    return any(f"/{file}".endswith(f"/{name}") or f"/{name.rstrip('/')}/" in f"/{file}" for file in TRACKED)
