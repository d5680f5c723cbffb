"""What ranker.toml may say of rules."""

from __future__ import annotations

from pathlib import Path

import pytest

import schemas
from ranker.core.generation import FUTURE_MS
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
