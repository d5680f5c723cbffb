"""Access logs as they are: what is a page view of them, what is none and why, and whose it is. And known formats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

import schemas
from ranker import settings
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.partial_counts import PartialCounts
from ranker.core.source import BOT_AGENTS, SKIPPED
from ranker.core.translate import with_agent_class
from ranker.recount.events import NoPageView
from ranker.recount.mapped import Mapped
from schemas import configuration
from schemas.configuration import SettingsError
from tests.support import defaults
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import MINUTE_MS, NOW_MS, records

LOG: dict[str, Any] = {
    "fields": {"article_id": "uri", "method": "m", "status": "s", "user_agent": "agent", "occurred_at": "t"},
    "constants": {"site_id": "demo", "event_type": "view"},
    "article_pattern": r"^(/news/[^?]+)",
    "ids": "path",
}
LINE: dict[str, Any] = {"uri": "/news/a?x=1", "m": "GET", "s": 200, "agent": "Mozilla/5.0 Firefox/144.0", "t": NOW_MS}
CALLS: dict[str, Any] = {
    "fields": {"event_type": "type", "article_id": "page.url", "occurred_at": "t"},
    "constants": {"site_id": "demo"},
    "event_types": {"page": "view"},
    "other_types": "skip",
}
MINUTE = NOW_MS // MINUTE_MS


def folded(table: dict[str, Any], *events: dict[str, Any], append_ms: int = NOW_MS) -> PartialCounts:
    values = [json.dumps({name: v for name, v in event.items() if v is not ...}).encode() for event in events]
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(table))
    return Fold(generation)(records(*values, append_ms=append_ms))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"m": "POST"}, "method"),
        ({"m": "get"}, "method"),
        ({"m": ""}, "method"),
        ({"s": 404}, "status"),
        ({"s": "499"}, "status"),
        ({"s": "-"}, "status"),
        ({"uri": "/style.css"}, "pattern"),
        ({"uri": ""}, "pattern"),
        ({"m": "POST", "s": 404, "uri": "/x"}, "method"),
        ({"s": 404, "uri": "/x"}, "status"),
        ({"s": 404, "uri": None}, "status"),
        ({"s": 400, "uri": ..., "m": "GET"}, "status"),
    ],
)
def test_what_is_no_page_view_is_counted_by_reason(changed: dict[str, Any], why: str) -> None:
    """It is no dead letter, and its neighbour counts."""
    partial = folded(LOG, LINE, {**LINE, **changed})
    assert partial.counts == {(MINUTE, "demo", "view"): {"/news/a": 1}}
    assert (partial.rejected, partial.skipped, partial.records) == ([], {why: 1}, 2)


@pytest.mark.parametrize(
    "changed", [{"s": 304}, {"s": "200"}, {"uri": "/news/a"}, {"uri": "/news/%61"}, {"agent": None}]
)
def test_what_is_one_counts(changed: dict[str, Any]) -> None:
    assert folded(LOG, {**LINE, **changed}).counts == {(MINUTE, "demo", "view"): {"/news/a": 1}}


@pytest.mark.parametrize(
    "changed", [{"m": ...}, {"m": None}, {"s": ...}, {"s": 200.0}, {"uri": ...}, {"uri": 7.5}, {"t": None}, {"m": 7}]
)
def test_what_cannot_be_told_is_a_dead_letter(changed: dict[str, Any]) -> None:
    """Nothing is passed over for want of a field."""
    partial = folded(LOG, {**LINE, **changed})
    assert ([one.reason for one in partial.rejected], partial.skipped) == (["schema"], {})


def test_a_pattern_is_searched_in_so_many_characters() -> None:
    """One takes time by the square: 22 s for 64,000. Both counts."""
    table = {**LOG, "article_pattern": "^(/news/.)"}
    source = defaults.source(table)
    recounted = Mapped(msgspec.to_builtins(source), {})
    for length, found in ((2_048, True), (2_049, False)):
        uri = "/news/a?" + "x" * (length - 8)
        assert (folded(table, {**LINE, "uri": uri}).skipped == {}) is found
        value = json.dumps({**LINE, "uri": uri}).encode()
        if found:
            recounted.read(value, NOW_MS, None, ())
        else:
            with pytest.raises(NoPageView):
                recounted.read(value, NOW_MS, None, ())


def test_methods_and_statuses_may_be_others() -> None:
    table = {**LOG, "methods": ["POST", "PUT"], "statuses": [201]}
    partial = folded(table, LINE, {**LINE, "m": "PUT", "s": 201}, {**LINE, "m": "POST"})
    assert (sum(map(len, partial.counts.values())), partial.skipped) == (1, {"method": 1, "status": 1})


def test_other_types_are_taken_or_passed_over() -> None:
    """Those that are passed over need not have what a page view has."""
    events: list[dict[str, Any]] = [
        {"type": "page", "page": {"url": "/a"}, "t": NOW_MS},
        {"type": "track", "page": {"url": "/a"}, "t": NOW_MS},
        {"type": "identify"},
        {"type": "view", "page": None, "t": NOW_MS},
        {"t": NOW_MS, "page": {"url": "/a"}},
        {"type": "page", "t": NOW_MS},
    ]
    partial = folded(CALLS, *events)
    assert partial.counts == {(MINUTE, "demo", "view"): {"/a": 1}}
    assert partial.skipped == {"event_type": 3}
    assert [(one.offset, one.reason) for one in partial.rejected] == [(4, "schema"), (5, "schema")]
    taken = folded({**CALLS, "other_types": "take"}, *events[:2])
    assert {outcome for _, _, outcome in taken.counts} == {"view", "track"}


def test_what_is_passed_over_is_added_up() -> None:
    """A batch has what its chunks had."""
    one, other = folded(LOG, {**LINE, "s": 404}), folded(LOG, {**LINE, "s": 404}, {**LINE, "uri": "/x"})
    one.add(other)
    assert one.skipped == {"status": 2, "pattern": 1}
    assert set(one.skipped) < set(SKIPPED)


@pytest.mark.parametrize(
    ("agent", "is_bot"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("curl/8.17.0", True),
        ("python-requests/2.32", True),
        ("", False),
        (None, False),
        ("Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36", False),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", False),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
            False,
        ),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", False),
        ("-", False),
    ],
)
def test_a_user_agent_says_whether_it_is_a_bot(agent: str | None, is_bot: bool) -> None:
    (outcome,) = {outcome for _, _, outcome in folded(LOG, {**LINE, "agent": agent}).counts}
    assert outcome == ("!bot" if is_bot else "view")


def test_most_crawlers_are_known() -> None:
    """Of the public list that `producers replay` goes by: the expression finds 97 of 100."""
    known = [agent for one in CRAWLER_USER_AGENTS_DATA for agent in one["instances"]]
    found = 0
    for agent in known:
        event = type("Event", (), {"user_agent": agent, "agent_class": "unknown"})()
        with_agent_class(BOT_AGENTS)(event)
        found += event.agent_class == "bot"
    assert found / len(known) > 0.968


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('fields = { status = "s" }', "source.article_pattern: an access log has every file of a site"),
        ('fields = { method = "m" }', "source.article_pattern: an access log has every file of a site"),
        ('methods = ["GET"]', "source.methods: nothing says where the method stands; add method to source.fields"),
        ("statuses = [200]", "source.statuses: nothing says where the status stands"),
        ('bot_agents = "bot"', "source.bot_agents: nothing says where the user_agent stands"),
        ('article_pattern = "^/news"', "has no group; put what is the article's id into"),
        ('article_pattern = "("', "is no regular expression"),
        ('other_types = "skip"', "source.other_types: all types are others; name the field"),
        ('fields = { user_agent = "u", agent_class = "c" }', "name one of them"),
        ('methods = ["get"]', "must match"),
        ("statuses = [99]", "99 is less than"),
        ('preset = "apache"', "source.preset: 'apache' is not one of"),
        ('preset = "caddy"', "source.article_pattern: an access log has every file"),
    ],
)
def test_tables_that_cannot_be_meant(tmp_path: Path, table: str, fault: str) -> None:
    """Each with its fix."""
    file = tmp_path / "ranker.toml"
    file.write_text(f"[source]\n{table}\n", "utf-8")
    with pytest.raises(SettingsError, match=fault):
        settings.load(str(file), {})


EXAMPLE_MS = 1_796_027_400_000
"""When the examples were written: 2026-11-30, half past eight."""


def preset_table(name: str) -> dict[str, Any]:
    log = "status" in schemas.source_presets()[name]["fields"]
    pattern = {"article_pattern": "^(/news/[^?]+)"} if log else {}
    return {"preset": name, "constants": {"site_id": "demo"}, **pattern}


@pytest.mark.parametrize("name", schemas.source_presets())
def test_an_example_of_each_preset_counts(name: str) -> None:
    """With nothing but the site, and of access logs what an article is."""
    assert schemas.faults("ranker", {"source": preset_table(name)}) == []
    source = defaults.source(preset_table(name))
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source)
    partial = Fold(generation)(records(schemas.source_example(name), append_ms=EXAMPLE_MS + 2_000))
    assert partial.counts == {(EXAMPLE_MS // MINUTE_MS, "demo", "view"): {"/news/harbour": 1}}


@pytest.mark.parametrize("name", schemas.source_presets())
def test_a_bot_is_known_in_each_preset(name: str) -> None:
    """Its user agent is read from where the format has it."""
    value = schemas.source_example(name).replace(b"Firefox/144.0", b"Googlebot/2.1")
    generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(preset_table(name)))
    partial = Fold(generation)(records(value, append_ms=EXAMPLE_MS + 2_000))
    assert {outcome for _, _, outcome in partial.counts} == {"!bot"}


@pytest.mark.parametrize("name", ["segment", "snowplow-json"])
@pytest.mark.parametrize("page", ["own-topic.md", "own-topic.fr.md"])
def test_whole_urls_have_a_pattern_of_their_own(name: str, page: str) -> None:
    """Such as the page has."""
    text = (Path(schemas.__file__).parents[1] / "docs" / "ways-in" / page).read_text("utf-8")
    (pattern,) = re.findall("article_pattern = '([^']*https[^']*)'", text)
    for one, kept in ((pattern, 1), ("^(/news/[^?]+)", 0)):
        source = defaults.source({**preset_table(name), "article_pattern": one})
        generation = Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=source)
        value = schemas.source_example(name)
        partial = Fold(generation)(records(value, append_ms=EXAMPLE_MS + 2_000))
        assert [list(articles) for articles in partial.counts.values()] == [["/news/harbour"]] * kept


def test_own_keys_override_a_preset() -> None:
    """Field by field, constant by constant."""
    own = {**preset_table("caddy"), "time": "rfc3339", "fields": {"occurred_at": "at"}, "statuses": [200]}
    source = defaults.source(own)
    assert (source.time, source.fields["occurred_at"], source.fields["article_id"]) == ("rfc3339", "at", "request.uri")
    assert (source.statuses, source.methods) == ((200,), ("GET",))
    assert source.constants == {"site_id": "demo", "event_type": "view"}


def test_presets_are_what_the_schema_names() -> None:
    named = schemas.load("ranker")["properties"]["source"]["properties"]["preset"]["enum"]
    assert sorted(named) == sorted(schemas.source_presets())


def test_tables_of_today_keep_their_generation() -> None:
    """What was not said before is no part of the canonical form: the ids are those of before [source] had more keys."""

    def generation(**source: Any) -> Generation:
        return Generation("hits", DEFAULT_WINDOWS, DEFAULT_BOARDS, source=defaults.source(source))

    fields = {"article_id": "path", "occurred_at": "@timestamp", "site_id": "key"}
    known = generation(fields=fields, event_types={"hit": "view"}, time="s", ids="path", keys="other")
    assert known.id == "f58b23774a76"
    assert generation(fields=fields, event_types={"hit": "view"}, time="s", ids="path", format="json").id == known.id
    assert (
        generation(fields=fields, event_types={"hit": "view"}, time="s", ids="path", other_types="take").id == known.id
    )
    assert msgspec.json.decode(known.canonical(), type=Generation) == known
    every = {**LOG, "format": "avro", "fields": {**LOG["fields"], "visitor_id": {"header": "v"}}}
    assert msgspec.json.decode(generation(**every).canonical(), type=Generation) == generation(**every)
    said = {"methods": ["GET"], "statuses": [304, 200], "bot_agents": BOT_AGENTS}
    assert generation(**LOG).id == generation(**{**LOG, **said}).id, "to say what holds anyway changes nothing"
    assert configuration.filled({"source": {}})["source"].keys() == {"fields", "constants", "event_types", "time"}
