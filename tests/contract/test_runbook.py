"""docs/runbook.md has a section for each name that findings, alerts and metrics link to, and each is followed by a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ranker.service.runbook import Section
from tests.support.runbook_page import PAGE, START, parts

ROOT = Path(__file__).parents[2]
FOLLOWED = "\n".join(file.read_text() for file in (ROOT / "tests" / "integration" / "runbook").glob("test_*.py"))
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.rules.yml").read_text())
ALERTS = {
    rule["alert"]: (rule["annotations"]["runbook_url"].partition("#")[2], rule["labels"]["severity"])
    for group in RULES["groups"]
    for rule in group["rules"]
}


def test_every_section_is_there_and_no_other() -> None:
    assert list(parts()) == [START, *map(str, Section)]


@pytest.mark.parametrize("section", Section)
def test_a_section_says_what_an_operator_needs(section: Section) -> None:
    """What to do, when it is over, and what became of the counts; with commands that a test runs."""
    text = parts()[section].text
    for word in ("First", "Over when", "Counts"):
        assert f"**{word}" in text, f"{section} lacks {word}"
    assert parts()[section].commands
    assert f"Section.{section.name}" in FOLLOWED, "no test follows it"


def test_alerts_and_their_sections_name_each_other() -> None:
    """An alert's name and severity stand in the section that it links to, and in no other."""
    named = {
        alert: (section, severity)
        for section, part in parts().items()
        for alert, severity in re.findall(r"`(Ranker\w+)` \((\w+)\)", part.text)
    }
    assert named == ALERTS


def test_links_within_the_page_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE.read_text())) <= set(parts())


def test_commands_are_ours_kafka_s_and_redis_s() -> None:
    """What cannot be run here (docker, systemctl, kubectl) stands in the table alone."""
    for name, part in parts().items():
        for block in part.commands:
            assert not re.search(r"\b(docker|systemctl|journalctl|kubectl)\b", block), name
