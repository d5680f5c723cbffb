"""docs/runbook.md as tests read it: its sections by anchor, each with its text and its commands in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy.local.kafka_jars import CHECKOUT
from ranker.service.runbook import Section

PAGE = CHECKOUT / "docs" / "runbook.md"
START = "start-here"
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@dataclass(frozen=True)
class Part:
    """A section of the page: what stands below its heading, and its blocks of commands."""

    text: str

    @property
    def commands(self) -> list[str]:
        return _BLOCK.findall(self.text)


def parts() -> dict[str, Part]:
    """Every section by its anchor, in the order of the page."""
    _, *found = _HEADING.split(PAGE.read_text())
    return {anchor(heading): Part(text) for heading, text in zip(found[::2], found[1::2], strict=True)}


def part(section: Section | str) -> Part:
    return parts()[str(section)]
