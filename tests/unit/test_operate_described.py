"""A generation in words: whatever decides counts shows in them."""

from __future__ import annotations

import msgspec
import pytest

from ranker.core.generation import Generation, Window, from_table
from ranker.core.rules import Rules
from ranker.operate.described import described, differences
from schemas import configuration
from tests.support.defaults import PRESS, press

SOURCE = from_table(configuration.filled({"topic": "hits", "source": {"fields": {"article_id": "path"}}})).source

OTHERS = {
    "topic": "others",
    "windows": (Window("24h", 43_200_000, 60_000), PRESS.windows[1]),
    "boards": {"read": {"view": 2}},
    "lanes": 32,
    "bots": "keep",
    "sites": ("demo",),
    "epoch": 1,
    "schema_version": 3,
    "source": SOURCE,
    "rules": msgspec.UNSET,
}


@pytest.mark.parametrize("name", Generation.__struct_fields__)
def test_every_field_shows(name: str) -> None:
    """Two generations that differ have a line that does."""
    other = msgspec.structs.replace(PRESS, **{name: OTHERS[name]})
    assert other.id != PRESS.id
    assert differences(PRESS, other)


@pytest.mark.parametrize("name", [name for name in Rules.__struct_fields__ if name != "per_ms"])
def test_every_setting_of_the_rules_shows(name: str) -> None:
    """Names, types, times, the bound."""
    assert isinstance(PRESS.rules, Rules)
    value = getattr(PRESS.rules, name)
    changed = "other@2" if isinstance(value, str) else ("share",) if isinstance(value, tuple) else value * 2
    other = msgspec.structs.replace(PRESS, rules=msgspec.structs.replace(PRESS.rules, **{name: changed}))
    assert differences(PRESS, other)


def test_another_bucket_shows() -> None:
    """By the rule's name, which has it."""
    assert "repeat-7200s@1" in differences(PRESS, press(repeat_per_s=7200))["rules"][1]


def test_the_order_of_a_file_is_no_difference() -> None:
    """What comes out of Redis is sorted."""
    one = Generation("views", PRESS.windows, {"read": {"view": 1}, "engaged": {"view": 1, "share": 5}})
    other = Generation("views", PRESS.windows, {"engaged": {"share": 5, "view": 1}, "read": {"view": 1}})
    assert one.id == other.id
    assert differences(one, other) == {}
    assert described(one)["boards"] == "engaged (5 share + 1 view), read (1 view)"
