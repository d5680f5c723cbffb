"""The fold and schemas/page-view.schema.json say the same of every page view."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.once import Once
from tests.support.recount import Raw, Rules, verdict

VALID, INVALID = schemas.examples("page-view", valid=True), schemas.examples("page-view", valid=False)
FOLD = Fold(Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS, bots="count"))

BEFORE_MS = 946_684_800_000
"""The year 2000: the earliest append time that a record can have."""


class Given(NamedTuple):
    """A record; `timestamp` is its append time."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def reasons(value: bytes, append_ms: int = BEFORE_MS) -> list[str]:
    """Why the fold rejects this value; that early, most events are future, which is no fault of theirs."""
    return [letter.reason for letter in FOLD([Given(0, append_ms, None, value)]).rejected if letter.reason != "future"]


@pytest.mark.parametrize("name", VALID)
def test_what_the_contract_allows_is_folded(name: str) -> None:
    assert reasons(VALID[name]) == []
    occurred = json.loads(VALID[name])["occurred_at"]
    partial = FOLD([Given(0, max(occurred, BEFORE_MS), None, VALID[name])])
    assert sum(map(len, partial.counts.values())) == (occurred >= BEFORE_MS), "counted when it comes on time"


@pytest.mark.parametrize("name", INVALID)
def test_what_the_contract_forbids_is_rejected(name: str) -> None:
    assert len(reasons(INVALID[name])) == 1


@pytest.mark.parametrize("name", [*VALID, *INVALID])
def test_the_oracle_of_the_property_tests_agrees(name: str) -> None:
    """Else the histories would compare the engine with another contract."""
    value = VALID.get(name) or INVALID[name]
    rules = Rules((("24h", 86_400_000, 60_000),), {}, 1, Once(bots=False), None, 300_000)
    assert (verdict(Raw(0, BEFORE_MS, None, value), rules, rules.begin)[0].what == "dead") == (name in INVALID)


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2_000, 5_000_000_000_000),
    st.floats(allow_nan=False, allow_infinity=False),
    # what is not assigned yet is printable or not by the year of the Unicode tables; the schema is for every year
    st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=6),
    st.sampled_from(
        [
            "",
            "a",
            "A",
            "view",
            "!bot",
            "bot",
            "internal",
            "x" * 64,
            "x" * 65,
            "x" * 128,
            "x" * 129,
            "é" * 256,
            "é" * 257,
        ]
    ),
    st.lists(st.integers(), max_size=1),
)
FIELDS = (
    "event_id", "event_type", "site_id", "article_id", "occurred_at", "visitor_id", "repeat_key", "agent_class", "value",
    "producer_id", "sequence", "unheard_of",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), odd, max_size=3), st.sets(st.sampled_from(FIELDS), max_size=1))
def test_whatever_stands_in_the_fields_both_say_the_same(changes: dict[str, Any], absent: set[str]) -> None:
    """A valid event with fields changed or taken away: folded if the schema allows it, rejected if not."""
    event = {**json.loads(VALID["every-field"]), **changes}
    event = {name: value for name, value in event.items() if name not in absent}
    value = json.dumps(event).encode()
    assert (reasons(value) == []) == (schemas.faults("page-view", json.loads(value)) == []), value
