"""A topic whose events are not ours: what is read of it, as what, and which tables cannot be meant."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ranker import settings
from ranker.core.decoder import Decoder
from ranker.core.event import MAX_TIME_MS, PageView
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.source_times import TIMES
from schemas.configuration import SettingsError
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import MINUTE_MS, NOW_MS, records

REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"
FIELDS = {"article_id": "path", "occurred_at": "ts", "site_id": "site", "event_type": "action"}
MINUTE = NOW_MS // MINUTE_MS
SOUND = {"path": "/a", "ts": NOW_MS, "site": "demo", "action": "view"}


def folded(table: dict[str, Any], *events: dict[str, Any], append_ms: int = NOW_MS) -> PartialCounts:
    values = [json.dumps({name: v for name, v in event.items() if v is not ...}).encode() for event in events]
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(table))
    return Fold(generation)(records(*values, append_ms=append_ms))


def view(table: dict[str, Any], event: dict[str, Any]) -> PageView:
    found = Decoder(defaults.source(table))(json.dumps(event).encode())
    assert not isinstance(found, str)
    return found


def reasons(table: dict[str, Any], *events: dict[str, Any]) -> list[str]:
    return [letter.reason for letter in folded(table, *events).rejected]


def loaded(folder: Path, text: str) -> settings.Settings:
    file = folder / "ranker.toml"
    file.write_text(text, "utf-8")
    return settings.load(str(file), {})


def test_renamed_fields_are_read_and_the_rest_is_not() -> None:
    """Nested objects and names of ours that are not in `fields` are ignored, whatever stands there."""
    more = {"article_id": 0.5, "event_id": 7, "value": 12.5, "agent_class": "Mozilla", "user": {"id": [1]}}
    partial = folded({"fields": FIELDS}, {**more, **SOUND}, {**SOUND, "path": "/b"})
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 1, "/b": 1}}
    assert partial.rejected == []


def test_optional_fields_are_read_if_they_are_named() -> None:
    """Under our name or another: value, agent_class, producer_id, sequence."""
    table = {"fields": {**FIELDS, "value": "value", "agent_class": "who", "producer_id": "from", "sequence": "no"}}
    partial = folded(table, {**SOUND, "value": 3, "who": "person"}, {**SOUND, "who": "bot"}, SOUND)
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 4}, (MINUTE, "demo", "!bot"): {"/a": 1}}
    event = view(table, {**SOUND, "from": 7, "no": 41})
    assert (event.producer_id, event.sequence) == ("7", 41)
    unread = view({"fields": FIELDS}, {**SOUND, "sequence": 41})
    assert (unread.producer_id, unread.sequence, unread.value, unread.agent_class) == (None, None, 1, "unknown")


def test_required_fields_have_their_own_names_by_default() -> None:
    """An empty table: our names, event_id not needed, nothing else read."""
    event = {"article_id": "/a", "occurred_at": NOW_MS, "site_id": "demo", "event_type": "view", "value": 0}
    assert folded({}, event).counts == {(MINUTE, "demo", "view"): {"/a": 1}}


def test_a_constant_holds_for_all_or_for_those_that_lack_the_field() -> None:
    """Without an entry in fields the record's own is not even looked at; with one it goes first."""
    alone = {
        "fields": {"article_id": "path", "occurred_at": "ts"},
        "constants": {"site_id": "it", "event_type": "view"},
    }
    strange = {**SOUND, "site_id": 7, "event_type": None}
    assert folded(alone, strange).counts == {(MINUTE, "it", "view"): {"/a": 1}}
    beside = {"fields": FIELDS, "constants": {"site_id": "it", "event_type": "share"}}
    lacking = {**SOUND, "site": ..., "action": ...}
    assert folded(beside, SOUND, lacking).counts == {
        (MINUTE, "demo", "view"): {"/a": 1},
        (MINUTE, "it", "share"): {"/a": 1},
    }
    assert reasons(beside, {**SOUND, "site": None}) == ["schema"], "null is no lack"
    assert reasons({"fields": FIELDS}, lacking) == ["schema"]


def test_words_become_event_types() -> None:
    """A word that is not in the table is taken as it is, if it can be a type."""
    table = {"fields": FIELDS, "event_types": {"Page View": "view", "share": "comment"}}
    words = ["Page View", "share", "scroll", "Page", "!bot"]
    partial = folded(table, *({**SOUND, "action": word} for word in words))
    assert {outcome: articles["/a"] for (_, _, outcome), articles in partial.counts.items()} == {
        "view": 1, "comment": 1, "scroll": 1,
    }  # fmt: skip
    assert [letter.reason for letter in partial.rejected] == ["event_type", "event_type"]
    constant = {**table, "constants": {"event_type": "view"}}
    assert folded(constant, {**SOUND, "action": ...}).counts == {(MINUTE, "demo", "view"): {"/a": 1}}


def test_numbers_may_be_ids() -> None:
    """17 and "17" are one article; other numbers are no ids."""
    partial = folded(
        {"fields": FIELDS}, {**SOUND, "path": 17}, {**SOUND, "path": "17"}, {**SOUND, "site": 3, "path": -1}
    )
    assert partial.counts == {(MINUTE, "demo", "view"): {"17": 2}, (MINUTE, "3", "view"): {"-1": 1}}
    assert [view({"fields": FIELDS}, {**SOUND, "path": path}).article_id for path in ("17", 17)] == ["17", "17"]
    for odd in (17.0, True, None, 2**63, -(2**63) - 1, [17], {"id": 17}):
        assert reasons({"fields": FIELDS}, SOUND, {**SOUND, "path": odd}) == ["schema"]
    assert reasons({"fields": FIELDS}, {**SOUND, "site": -3}) == []
    assert counted(folded({"fields": FIELDS}, {**SOUND, "path": 2**63 - 1})) == {str(2**63 - 1)}


def counted(partial: PartialCounts) -> set[str]:
    return {article for articles in partial.counts.values() for article in articles}


@pytest.mark.parametrize(
    ("time", "value", "time_ms"),
    [
        ("ms", 1_700_000_000_123, 1_700_000_000_123),
        ("us", 1_700_000_000_123_999, 1_700_000_000_123),
        ("s", 1_700_000_000, 1_700_000_000_000),
        ("s", 1_700_000_000.001, 1_700_000_000_001),
        ("s", 1_700_000_000.123, 1_700_000_000_123),
        ("s", 1_700_000_000.1239, 1_700_000_000_123),
        ("s", 1.7e9, 1_700_000_000_000),
        ("s", 1.001, 1001),  # times 1000 it is 1000.9999999999999
        ("s", 2_163_520_609.66, 2_163_520_609_660),
        ("rfc3339", "2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("rfc3339", "2023-11-14T23:13:20.123999+01:00", 1_700_000_000_123),
        ("rfc3339", "2023-11-14t14:43:20.5-07:30", 1_700_000_000_500),
        ("rfc3339", "1970-01-01T00:00:00Z", 0),
        ("rfc3339", "2099-12-31T23:59:59.999Z", MAX_TIME_MS - 1),
        ("rfc3339", "2100-01-01T00:00:00Z", MAX_TIME_MS),
        ("ms", MAX_TIME_MS, MAX_TIME_MS),
        ("us", MAX_TIME_MS * 1000, MAX_TIME_MS),
        ("s", MAX_TIME_MS // 1000, MAX_TIME_MS),
    ],
)
def test_times_become_milliseconds(time: str, value: object, time_ms: int) -> None:
    """Cut off to whole milliseconds, as far as a time of ours may reach."""
    found = view({"fields": FIELDS, "time": time}, {**SOUND, "ts": value}).occurred_at
    assert (found, type(found)) == (time_ms, int)


@pytest.mark.parametrize(
    ("time", "value"),
    [
        *(("ms", value) for value in (1.5, "1", -1, MAX_TIME_MS + 1, None)),
        *(("us", value) for value in (1.5, "1", -1, MAX_TIME_MS * 1000 + 1)),
        *(("s", value) for value in ("1", -0.001, MAX_TIME_MS / 1000 + 1, True, 10**400)),
        *(("rfc3339", value) for value in (NOW_MS, "2023-11-14T22:13:20", "2023-11-14", "yesterday", "")),
        *(("rfc3339", value) for value in ("1969-12-31T23:59:59.999Z", "2100-01-01T00:00:00.001Z", "0001-01-01T00:00:00+23:59")),
    ],
)  # fmt: skip
def test_what_is_no_time_is_rejected_alone(time: str, value: object) -> None:
    """Also one that another unit would take: the record is a dead letter, its neighbour counts."""
    fine = {"ms": NOW_MS, "us": NOW_MS * 1000, "s": NOW_MS / 1000, "rfc3339": "2024-10-04T00:00:01Z"}[time]
    table = {"fields": FIELDS, "time": time}
    partial = folded(table, {**SOUND, "ts": fine}, {**SOUND, "ts": value})
    assert [(letter.offset, letter.reason) for letter in partial.rejected] == [(1, "schema")]
    assert counted(partial) == {"/a"}


def test_late_and_future_are_judged_as_ever() -> None:
    """By the append time, after the unit is known."""
    table = {"fields": FIELDS, "time": "s"}
    seconds = NOW_MS // 1000
    partial = folded(table, *({**SOUND, "ts": seconds + ahead} for ahead in (0, 302, -9 * 86_400)))
    assert (partial.late, partial.future, [letter.reason for letter in partial.rejected]) == (1, 1, ["future"])


def test_a_name_is_found_however_it_is_escaped() -> None:
    """JSON may write any character of a name as \\u…."""
    partial = Fold(
        Generation(
            "hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source({"fields": {**FIELDS, "article_id": "é"}})
        )
    )(records(json.dumps({**SOUND, "é": "/é"}).encode(), json.dumps({**SOUND, "é": "/é"}, ensure_ascii=False).encode()))
    assert partial.counts == {(MINUTE, "demo", "view"): {"/é": 2}}


def test_the_generations_of_today_stay_what_they_are() -> None:
    """Configurations without a [source] keep their hash: nobody's lists are counted again for a feature not in use."""
    assert settings.load(None, {}).generation.id == "56df024b309b"
    known = Generation("hits", DEFAULT_WINDOWS, {"engaged": {"view": 1, "share": 5}}, 8, "count", ("demo",), 3)
    assert b"source" not in known.canonical()
    assert known.id == "70cc62d428c2"


def test_all_that_decides_counts_is_in_the_hash(tmp_path: Path) -> None:
    """Each part of the table makes another generation; saying what holds anyway makes none. Readers can decode it."""

    def generation(text: str) -> Generation:
        return loaded(tmp_path, text).generation

    texts = [
        "",
        "[source]",
        '[source]\nfields = { article_id = "path" }',
        '[source]\nconstants = { site_id = "demo" }',
        '[source]\nevent_types = { hit = "view" }',
        '[source]\ntime = "us"',
        '[source]\nids = "path"',
        '[source]\nids = "path"\n[sites.a.ids]\ntrailing_slash = "keep"',
    ]
    assert len({generation(text).id for text in texts}) == len(texts)
    said = generation('[source]\ntime = "ms"\nfields = { site_id = "site_id", occurred_at = "occurred_at" }')
    assert said.id == generation("[source]").id
    assert msgspec.json.decode(said.canonical(), type=Generation) == said


def test_tables_that_cannot_be_meant(tmp_path: Path) -> None:
    """All at once, each with its fix."""
    with pytest.raises(SettingsError) as caught:
        loaded(
            tmp_path,
            """
            [source]
            fields = { article_id = "site_id", value = "n", sequence = "n" }
            constants = { event_type = "view" }
            event_types = { view = "comment" }
            [rules]
            unknown_sites = "reject"
            """,
        )
    faults = caught.value.faults
    assert len(faults) == 4
    for words in (
        "article_id and site_id are all read from 'site_id'; give each a field of its own",
        "sequence and value are all read from 'n'",
        "'view', which is the constant, would become 'comment'; write constants.event_type = 'comment'",
        "add a [sites.NAME] table",
    ):
        assert any(words in fault for fault in faults)


def test_a_constant_site_must_be_a_known_one(tmp_path: Path) -> None:
    """If unknown sites are rejected it would reject every record."""
    text = '[source]\nconstants = { site_id = "demo" }\n[rules]\nunknown_sites = "reject"\n'
    with pytest.raises(SettingsError, match=r"source.constants.site_id: .*add a \[sites.demo\] table"):
        loaded(tmp_path, text + "[sites.other]")
    assert loaded(tmp_path, text + "[sites.demo]").generation.sites == ("demo",)


def test_what_is_in_effect_is_shown(tmp_path: Path) -> None:
    """ranker check prints it; without a [source] there is nothing to print."""
    assert loaded(tmp_path, '[source]\ntime = "us"').masked()["source"]["time"] == "us"
    assert "source" not in loaded(tmp_path, "").masked()


def test_the_example_of_the_reference_counts_its_record(tmp_path: Path) -> None:
    """The record and the ranker.toml shown in docs/reference.md belong together."""
    shown = REFERENCE.read_text("utf-8").partition("## A topic of your own")[2]
    found = loaded(tmp_path, shown.partition("```toml\n")[2].partition("```")[0])
    assert found.accept_create_time
    record = re.search(r"`(\{.+\})`", shown)
    assert record is not None
    value = record[1].replace("{…}", "{}").encode()
    at = int(datetime.fromisoformat(json.loads(value)["ts"]).timestamp()) * 1000
    partial = Fold(found.generation)(records(value, append_ms=at))
    assert partial.counts == {(at // MINUTE_MS, "demo", "view"): {"/a": 1}}


def test_every_unit_of_the_schema_is_known(tmp_path: Path) -> None:
    for time in set(TIMES) - {"ns"}:
        loaded(tmp_path, f'[source]\ntime = "{time}"')
