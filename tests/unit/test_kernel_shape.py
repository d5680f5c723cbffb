"""Which topics the kernel reads, and what is said of the others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ranker import kernel
from ranker.kernel.shape import shape_of
from tests.support import defaults
from tests.support.raw_records import generation

FLAT = {"fields": {"article_id": "path"}, "constants": {"site_id": "demo", "event_type": "view"}}


@pytest.mark.parametrize("more", [{}, {"time": "s"}, {"time": "us"}, {"event_types": {"Page View": "view"}}])
def test_flat_sources_are_read(more: dict[str, Any]) -> None:
    found = shape_of(generation(source=defaults.source({**FLAT, **more})))
    assert found is not None
    assert found.fields == [None, None, None, "path", "occurred_at", *[None] * 6]
    assert found.required == [False, False, False, True, True, *[False] * 6]
    assert (found.is_ours, found.site, found.event_type, found.event_types) == (False, "demo", "view", {})


def test_what_a_record_may_lack_is_not_required() -> None:
    table = {"fields": {"event_type": "kind", "event_id": "uid", "sequence": "n"}, "constants": {"event_type": "view"}}
    found = shape_of(generation(source=defaults.source({**table, "event_types": {"hit": "view"}})))
    assert found is not None
    assert found.fields == ["uid", "kind", "site_id", "article_id", "occurred_at", *[None] * 5, "n"]
    assert found.required == [False, False, True, True, True, *[False] * 6]
    assert found.event_types == {"hit": "view"}


@pytest.mark.parametrize(
    "more",
    [
        {"time": "rfc3339"},
        {"format": "json-schema"},
        {"ids": "path"},
        {"article_pattern": "(.+)"},
        {"fields": {"article_id": "page.path"}},
        {"fields": {"article_id": {"header": "x"}}},
        {"fields": {"article_id": "path", "user_agent": "agent"}},
        {"fields": {"event_type": "kind"}, "constants": {}, "event_types": {"a": "view"}, "other_types": "skip"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_what_is_derived_or_deeper_is_left_to_the_plain_fold(more: dict[str, Any]) -> None:
    assert shape_of(generation(source=defaults.source({**FLAT, **more}))) is None


def test_our_own_topic_is_read() -> None:
    """As the contract has it."""
    found = shape_of(generation(source=msgspec.UNSET))
    assert found is not None
    assert sum(found.required) == 5
    assert found.is_ours


@pytest.mark.skipif(not kernel.ON, reason="the kernel is not built: make kernel")
def test_operators_are_told() -> None:
    assert "the kernel folds" in kernel.named()
    assert "fields at the top level of JSON alone" in kernel.named(can_read=False)
