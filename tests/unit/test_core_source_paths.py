"""Fields that lie deep, in lists, in headers, in the key and the timestamp: where they are read, and which cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ranker import settings
from ranker.core import paths
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from schemas.configuration import SettingsError
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import MINUTE_MS, NOW_MS, Given

CONSTANTS = {"site_id": "demo", "event_type": "view"}
MINUTE = NOW_MS // MINUTE_MS


def folded(fields: dict[str, Any], *events: dict[str, Any], **beside: Any) -> PartialCounts:
    """Of records with these values; `beside` are their key, headers and timestamp."""
    constants: dict[str, Any] = {name: value for name, value in CONSTANTS.items() if name not in fields}
    source = defaults.source({"fields": {"occurred_at": "t", **fields}, "constants": constants})
    at = beside.pop("timestamp", NOW_MS)
    given = [
        Given(offset, at, beside.get("key"), json.dumps({"t": NOW_MS, **event}).encode(), beside.get("headers", ()))
        for offset, event in enumerate(events)
    ]
    return Fold(Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source))(given)


def articles(partial: PartialCounts) -> list[str]:
    assert partial.rejected == []
    return sorted(article for counted in partial.counts.values() for article in counted)


@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("page.path", {"page": {"path": "/a", "more": [1]}}),
        ("a.b.c.d", {"a": {"b": {"c": {"d": "/a"}}}}),
        ("headers.User-Agent.0", {"headers": {"User-Agent": ["/a", 7]}}),
        ("list.2.x", {"list": [1, {"x": 5}, {"x": "/a"}, 4]}),
        ("list.1", {"list": [None, "/a"]}),
        ('page."user.agent"', {"page": {"user.agent": "/a", "user": {"agent": "/b"}}}),
        ('"page.path"', {"page.path": "/a", "page": {"path": "/b"}}),
        ('by."2026"', {"by": {"2026": "/a"}}),
        ("2026", {"2026": "/a"}),
        ("page.$id/@x y", {"page": {"$id/@x y": "/a"}}),
        ("page.2x", {"page": {"2x": "/a"}}),
    ],
)
def test_a_path_leads_to_its_field(path: str, event: dict[str, Any]) -> None:
    assert articles(folded({"article_id": path}, event)) == ["/a"]


def test_flat_names_mean_what_they_meant() -> None:
    """Names that elsewhere stand for parts of a record: key, timestamp, @timestamp, header:x."""
    for name in ("key", "timestamp", "@timestamp", "header:x", "record", "0"):
        partial = folded({"article_id": name}, {name: "/a"}, key=b"/b", headers=(("x", b"/c"),))
        assert articles(partial) == ["/a"]


def test_what_stands_beside_the_value() -> None:
    """The last of several headers holds, as in Kafka's own clients; the timestamp is milliseconds whatever `time` says."""
    headers = (("site", b"x"), ("site", b"it"), ("n", b" 3"), ("other", None))
    fields = {"article_id": {"record": "key"}, "site_id": {"header": "site"}, "value": {"header": "n"}}
    source = defaults.source(
        {"fields": {**fields, "occurred_at": {"record": "timestamp"}}, "constants": {"event_type": "view"}, "time": "s"}
    )
    fold = Fold(Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source))
    for value in (b"{}", b"no JSON", None):  # nothing of it is read
        partial = fold([Given(0, NOW_MS, "/é".encode(), value, headers)])
        assert partial.counts == {(MINUTE, "it", "view"): {"/é": 3}}


@pytest.mark.parametrize(
    ("key", "headers", "what"),
    [
        (None, (("site", b"it"),), "without the key"),
        (b"\xff", (("site", b"it"),), "no UTF-8"),
        (b"/a", (), "without the header"),
        (b"/a", (("site", None),), "null"),
        (b"/a", (("site", b"it"), ("n", b"x")), "no number"),
        (b"/a", (("site", b"it"), ("n", b'"3"')), "a text"),
        (b"/a", (("site", b"it"), ("n", b"1001")), "beyond the range"),
    ],
)
def test_a_record_without_what_is_needed_is_a_dead_letter(key: bytes | None, headers: Any, what: str) -> None:
    """With the headers that are read, so that it can be sent again."""
    fields = {"article_id": {"record": "key"}, "site_id": {"header": "site"}, "value": {"header": "n"}}
    partial = folded(fields, {}, key=key, headers=(*headers, ("other", b"x")))
    (letter,) = partial.rejected
    assert (letter.reason, letter.headers) == ("schema", headers), what


def test_an_optional_part_may_be_absent_or_null() -> None:
    """Whatever of the way to it is."""
    events: list[dict[str, Any]] = [{"user": {"id": 7}}, {"user": {}}, {"user": None}, {}, {"user": {"id": None}}]
    fields = {"article_id": "p", "visitor_id": "user.id", "agent_class": "user.agents.0.class"}
    partial = folded(fields, *({"p": "/a", **event} for event in events))
    assert partial.rejected == []
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 5}}


@pytest.mark.parametrize(
    "event", [{}, {"page": None}, {"page": {}}, {"page": "/a"}, {"page": [{"path": "/a"}]}, {"page": {"path": None}}]
)
def test_a_required_part_has_to_be_there(event: dict[str, Any]) -> None:
    (letter,) = folded({"article_id": "page.path"}, event).rejected
    assert letter.reason == "schema"


def test_a_list_is_no_object_and_an_object_no_list() -> None:
    wrong: list[dict[str, Any]] = [{"l": {"0": "/a"}}, {"l": []}, {"l": "/a"}, {"l": ["/a", "/b"]}]
    assert [one.offset for one in folded({"article_id": "l.0"}, *wrong).rejected] == [0, 1, 2]


@pytest.mark.parametrize(
    ("path", "spelled"),
    [('"path"', "path"), ('a."b"', "a.b"), ('a."7"', 'a."7"'), ('"7"', "7"), ('"a.b".c', '"a.b".c'), ("a.07", "a.7")],
)
def test_one_path_has_one_spelling(path: str, spelled: str) -> None:
    """So that equal tables make equal generations."""
    assert paths.spelled(path) == spelled
    assert paths.spelled(spelled) == spelled
    assert paths.parts(path) == paths.parts(spelled)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ('article_id = "a", site_id = "a.b"', "'a' is a value, and site_id = 'a.b' stands inside it"),
        ('article_id = "a.0", site_id = "a.b"', r'\'a\' is read as a list and as an object; .* such as a\."0"'),
        ('article_id = "a.100"', 'a field that is called 100 is written "100", in quotes'),
        ("article_id = 'a.b', site_id = '\"a\".b'", "article_id and site_id are all read from 'a.b'"),
        ('article_id = { header = "x" }, site_id = { header = "x" }', 'all read from "the record\'s header x"'),
        ('article_id = { record = "timestamp" }', "only occurred_at can be read from it"),
        ('article_id = "a..b"', "is not allowed; it must match .*names and places in lists with dots between them"),
        ('article_id = ".a"', "is not allowed"),
        ("article_id = 'a.\"b'", "is not allowed"),
        ('article_id = { header = "x", record = "key" }', "fields.article_id: .*too many|has too many"),
        ("article_id = {}", "fields.article_id: "),
        ('article_id = { record = "value" }', "key, or timestamp"),
        ('article_id = { head = "x" }', "unknown key head; did you mean header"),
        ('article_id = ["a"]', "{ header = "),
    ],
)
def test_paths_that_cannot_be_meant(tmp_path: Path, fields: str, fault: str) -> None:
    """Each with its fix."""
    file = tmp_path / "ranker.toml"
    file.write_text(f"[source]\nfields = {{ {fields} }}\n", "utf-8")
    with pytest.raises(SettingsError, match=fault):
        settings.load(str(file), {})
