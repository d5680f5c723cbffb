"""docs/ways-in: the table leads to every page, both languages have the same commands, and no link leads nowhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAYS = ROOT / "docs" / "ways-in"
PAGES = sorted(page.name.removesuffix(".fr.md") for page in WAYS.glob("*.fr.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def written() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.split()]


def prose(page: Path) -> str:
    """Its text without code."""
    return re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text()))


def links(page: Path) -> list[str]:
    return [link for link in LINK.findall(prose(page)) if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("page", written(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [link for link in links(page) if (name := link.partition("#")[0]) and not (page.parent / name).exists()]
    assert not missing


@pytest.mark.parametrize("language", ["", ".fr"])
def test_the_table_leads_to_every_page(language: str) -> None:
    named = links(WAYS / f"README{language}.md")
    assert {f"{page}{language}.md" for page in PAGES if page != "README"} <= set(named)


def test_both_tables_lead_to_the_same_places() -> None:
    french = [link.replace(".fr.md", ".md") for link in links(WAYS / "README.fr.md")]
    assert french[1:] == links(WAYS / "README.md")[1:]


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_commands(page: str) -> None:
    """Their comments are in their own language."""

    def commands(language: str) -> list[tuple[str, str]]:
        text = (WAYS / f"{page}{language}.md").read_text()
        return [(kind, re.sub(r"[ \t]*#.*", "", block)) for kind, block in BLOCK.findall(text)]

    assert commands("") == commands(".fr")


@pytest.mark.parametrize("page", PAGES)
def test_french_is_set_as_french_is(page: str) -> None:
    """No-break spaces before ; : ? ! and inside quotation marks, typographic apostrophes."""
    text = prose(WAYS / f"{page}.fr.md")
    assert not re.findall(r".{0,30}[^\s\u00a0\u202f|] ?[;?!](?:\s|$)", re.sub(r"[\u00a0\u202f][;?!:]", "", text))
    assert not re.findall(r".{0,30}\w ?:(?:\s|$)", re.sub(r"[\u00a0\u202f][;?!:]", "", text))
    assert not re.findall(r".{0,20}\w'\w.{0,20}", text)
    assert not re.findall(r"« |\S »", text.replace("\u00a0»", "").replace("\u202f»", ""))
