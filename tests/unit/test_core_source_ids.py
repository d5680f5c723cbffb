"""Article ids of a foreign topic in their normal form, by the rules of their sites: `[source] ids = "path"`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.source import Source
from schemas.article_id import IdRule
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import MINUTE_MS, NOW_MS, records
from tests.unit.test_article_id import SAME

MINUTE = NOW_MS // MINUTE_MS
RULES = {"paper": IdRule("query:p"), "shop": IdRule(trailing_slash="keep")}


def folded(*events: dict[str, Any], ids: str | None = "path") -> PartialCounts:
    table: dict[str, Any] = {"fields": {"article_id": "path"}, "constants": {}, "event_types": {}, "time": "ms"}
    source = Source.from_table(table | ({"ids": ids} if ids else {}), RULES)
    sound = {"event_type": "view", "site_id": "demo", "occurred_at": NOW_MS}
    values = [json.dumps(sound | event).encode() for event in events]
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source)
    return Fold(generation)(records(*values, append_ms=NOW_MS))


def counted(*paths: object, site: str = "demo", ids: str | None = "path") -> dict[str, int]:
    partial = folded(*({"path": path, "site_id": site} for path in paths), ids=ids)
    assert partial.rejected == []
    return partial.counts[MINUTE, site, "view"]


@pytest.mark.parametrize("form", SAME)
def test_every_spelling_counts_for_one_article(form: str) -> None:
    """Those that JSON can hold; half surrogate pairs are no text."""
    spellings = [one.strip() for one in (*SAME[form], form) if one.isascii() or max(one) < "\ud800"]
    assert counted(*spellings, *spellings) == {form: 2 * len(spellings)}


def test_without_it_ids_are_what_they_are() -> None:
    """Nobody's topic is counted otherwise than before."""
    assert counted("/a", "/a/", "/%61", ids=None) == {"/a": 1, "/a/": 1, "/%61": 1}


def test_the_sites_own_rules_and_ids_that_are_no_addresses() -> None:
    """The parameter, the trailing slash; numbers and other ids stay as they are."""
    assert counted("/?p=1", "https://x/index.php?p=1&q=2", "1", 1, "/about/", site="paper") == {"1": 4, "/about": 1}
    assert counted("/a/", "/a/.", "/a", site="shop") == {"/a/": 2, "/a": 1}
    assert counted("guid-%C3%A9", "a/b/", 17, "17") == {"guid-%C3%A9": 1, "a/b/": 1, "17": 2}


@pytest.mark.parametrize(
    "path",
    ["/" + "x" * 512, "/" + "%C3%A9" * 300, "/" + "\u0958" * 170, "/a/" + "../a/" * 2_000, "https://x/" + "y" * 9_000],
)
def test_an_address_without_a_normal_form_is_rejected_alone(path: str) -> None:
    """Also one that would be short enough as it is: its article has no id at any other door."""
    partial = folded({"path": "/a"}, {"path": path}, {"path": "/%61"})
    assert [letter.reason for letter in partial.rejected] == ["article_id"]
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 2}}
