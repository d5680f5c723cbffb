"""What ranker.toml may say of rules."""

from __future__ import annotations

from pathlib import Path

import pytest

import schemas
from ranker.core.generation import FUTURE_MS, from_table
from ranker.core.rules import memory_rules
from ranker.settings import load
from schemas.configuration import PRESETS, RULES, filled
from tests.unit.test_settings import refused, write

RULE_FAULTS = {
    "repeat_per_s = 60\ngrace_s = 6060": "rules.grace_s: more than 100 periods; choose 6000 or less",
    'repeat_types = ["pageview"]': "rules.repeat_types: no board weighs 'pageview'",
}


@pytest.mark.parametrize("lines", RULE_FAULTS)
def test_rules_that_cannot_work_are_refused(tmp_path: Path, lines: str) -> None:
    """Values that are valid each: more periods than are remembered, a type that nothing counts."""
    (fault,) = refused(write(tmp_path, f'[rules]\npreset = "press"\n{lines}\n'))
    assert RULE_FAULTS[lines] in fault


def test_the_shortest_grace_is_as_long_as_events_may_be_ahead() -> None:
    """Or one sender whose clock is fast would settle the hour under way for all."""
    assert schemas.load("ranker")["properties"]["rules"]["properties"]["grace_s"]["minimum"] == FUTURE_MS // 1000


TABLE = """
[rules]
preset = "none"
bots = "drop"
repeat = "count"
grace_s = 600
max_keys = 5000
unknown_sites = "reject"
[sites.demo]
"""


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_takes_the_place_of_the_files_own(tmp_path: Path, preset: str) -> None:
    """The four switches are the preset's, also where a key of the file overrides one; everything else is the file's."""
    settings = load(str(write(tmp_path, TABLE)), {}, preset)
    assert {rule: settings.rules[rule] for rule in RULES} == dict.fromkeys(RULES, PRESETS[preset])
    assert (settings.rules["grace_s"], settings.rules["max_keys"]) == (600, 5000)
    assert settings.generation.sites == ("demo",)
    remembering = memory_rules(settings.generation)
    assert (remembering and (remembering.grace_ms, remembering.max_keys)) == (
        (600_000, 5000) if preset == "press" else None
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_without_a_file(preset: str) -> None:
    """The defaults with the preset's rules: the generation of a file that says nothing else."""
    assert load(None, {}, preset).generation == from_table(filled({"rules": {"preset": preset}}))
