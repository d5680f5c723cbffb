"""What becomes of each line of input."""

import asyncio
import gzip
import hashlib
import time
from pathlib import Path
from typing import Any

import pytest

import schemas
from producers.replay import replaying, rows, sources
from producers.replay.replaying import Rules
from producers.replay.summary import Fault, Summary

PERSON = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BLOG = "^/blog/([^/]+)"


def line(method: str = "GET", path: str = "/blog/a", status: int = 200, agent: str = PERSON, second: int = 3) -> str:
    return f'1.2.3.4 - - [17/May/2015:10:05:{second:02} +0000] "{method} {path} HTTP/1.1" {status} 1 "-" "{agent}"'


def outcomes(tmp_path: Path, text: str, rules: Rules | None = None, kind: str = "auto", name: str = "in") -> list[Any]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    found = replaying.outcomes(sources.source(str(file), kind), rules or Rules("demo", BLOG))
    return [one.reason if isinstance(one, Fault) else one for one in found]


def test_a_line_becomes_a_page_view_of_the_contract(tmp_path: Path) -> None:
    """The event has the contract's fields and no other, and an id made of the file's digest and the line's number."""
    text = "junk\n" + line() + "\n"
    junk, view = outcomes(tmp_path, text)
    assert junk == "malformed"
    digest = hashlib.sha256(text.encode()).digest()
    assert view == {
        "event_id": hashlib.sha256(digest + b":2").hexdigest()[:32],
        "event_type": "view",
        "site_id": "demo",
        "article_id": "a",
        "occurred_at": 1431857103000,
    }
    assert schemas.faults("page-view", view) == []


FAULTS = [
    ("malformed", "junk"),
    ("method", line("POST", "/other", 500, CRAWLER)),
    ("status", line("GET", "/other", 500, CRAWLER)),
    ("pattern", line("GET", "/other", 304, CRAWLER)),
    ("bot", line("GET", "/blog/a", 304, CRAWLER)),
    ("future", line().replace("2015", "2099")),
]


@pytest.mark.parametrize(("reason", "text"), FAULTS, ids=[reason for reason, _ in FAULTS])
def test_a_line_counts_under_the_first_reason(tmp_path: Path, reason: str, text: str) -> None:
    """Each of these lines fails in all the later ways too."""
    assert outcomes(tmp_path, text, Rules("demo", BLOG, "drop"), "combined") == [reason]


def test_the_reasons_stand_in_their_order() -> None:
    """The summary lists them as they are looked at."""
    assert tuple(Summary().skipped) == tuple(reason for reason, _ in FAULTS)


@pytest.mark.parametrize(
    ("bots", "expected"), [("keep", (None, None)), ("mark", (None, "bot")), ("drop", (None, "bot skipped"))]
)
def test_crawlers_are_kept_marked_or_dropped(
    tmp_path: Path, bots: str, expected: tuple[str | None, str | None]
) -> None:
    """Only what the list of crawlers knows is touched; nobody is declared a person."""
    found = outcomes(tmp_path, line() + "\n" + line(agent=CRAWLER), Rules("demo", BLOG, bots))
    told = [f"{one} skipped" if isinstance(one, str) else one.get("agent_class") for one in found]
    assert tuple(told) == expected


@pytest.mark.parametrize("status", [200, 304])
def test_what_was_read_counts_even_from_a_cache(tmp_path: Path, status: int) -> None:
    """304 is a reader who had the page already."""
    assert isinstance(outcomes(tmp_path, line(status=status))[0], dict)


def test_an_optional_group_that_took_no_part_counts_as_pattern(tmp_path: Path) -> None:
    """A pattern may match without its group."""
    assert outcomes(tmp_path, line(), Rules("demo", "/blog/a(x)?")) == ["pattern"]


def test_without_a_pattern_the_whole_path_is_the_id(tmp_path: Path) -> None:
    """Zero options suffice for a site whose pages are all articles."""
    (view,) = outcomes(tmp_path, line(path="/blog/a?b"), Rules("demo"))
    assert view["article_id"] == "/blog/a"


def test_gzip_gives_the_same_events_under_ids_of_its_own(tmp_path: Path) -> None:
    """The digest is that of the file as it lies there."""
    plain = outcomes(tmp_path, line())
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(line().encode()))
    packed: list[Any] = list(replaying.outcomes(sources.source(str(file)), Rules("demo", BLOG)))
    assert packed[0]["event_id"] != plain[0]["event_id"]
    assert {**packed[0], "event_id": ""} == {**plain[0], "event_id": ""}


def test_json_lines_keep_what_the_contract_knows(tmp_path: Path) -> None:
    """Type, site, value and an id of their own stay; what the contract does not know is left out."""
    text = '{"event_id":"e1","event_type":"share","site_id":"s","article_id":"/x","occurred_at":1431857103000,"value":-2,"more":1}\n'
    (share,) = outcomes(tmp_path, text, Rules("demo"))
    assert share == {
        "event_id": "e1", "event_type": "share", "site_id": "s", "article_id": "/x", "occurred_at": 1431857103000, "value": -2,
    }  # fmt: skip


def test_json_lines_may_describe_requests(tmp_path: Path) -> None:
    """A URL, a method, a status and a user agent are judged like those of a log; the site is the one chosen."""
    rows = [
        '{"url":"https://x/blog/a?b","occurred_at":"2026-11-22T10:00:00+01:00"}',
        '{"path":"/blog/a","occurred_at":1431857103000,"method":"POST"}',
        '{"path":"/blog/a","occurred_at":1431857103000,"status":404}',
        '{"path":"/blog/a","occurred_at":1431857103000,"user_agent":"Googlebot/2.1"}',
        '{"path":"/other","occurred_at":1431857103000}',
    ]
    view, *rest = outcomes(tmp_path, "\n".join(rows), Rules("demo", BLOG, "drop"), "jsonl")
    assert (view["site_id"], view["article_id"], view["occurred_at"]) == ("demo", "a", 1795338000000)
    assert rest == ["method", "status", "bot", "pattern"]


def test_an_event_that_says_it_is_a_crawlers_is_one(tmp_path: Path) -> None:
    """agent_class counts like a known user agent."""
    row = '{"article_id":"a","occurred_at":1431857103000,"agent_class":"bot"}'
    assert outcomes(tmp_path, row, Rules("demo", None, "drop")) == ["bot"]


@pytest.mark.parametrize(
    "row",
    [
        "{",
        "[]",
        '{"occurred_at":1431857103000}',
        '{"article_id":"a b","occurred_at":1431857103000}',
        '{"article_id":"a"}',
        '{"article_id":"a","occurred_at":-5}',
        '{"article_id":"a","occurred_at":5.5}',
        '{"article_id":"a","occurred_at":true}',
        '{"article_id":"a","occurred_at":"yesterday"}',
        '{"article_id":"a","occurred_at":1431857103000,"value":0}',
        '{"article_id":"a","occurred_at":1431857103000,"status":"200"}',
        "",
    ],
)
def test_a_row_that_is_no_event_is_malformed(tmp_path: Path, row: str) -> None:
    """What the contract refuses is not sent."""
    assert outcomes(tmp_path, row + "\n", Rules("demo"), "jsonl") == ["malformed"]


def test_csv_is_read_by_its_header(tmp_path: Path) -> None:
    """Columns in any order, empty cells left out, quoted ones unfolded; a row too short is malformed."""
    text = (
        "occurred_at;article_id;value;event_type\n1431857103005;/a;;\n1431857103006;/b;3;comment\n1431857103007\n"
        '1431857103008;/c;many;view\n1431857103009;"/d";1;view\n2026-11-22T09:00:00Z;/e;1;view\n'
    )
    found = outcomes(tmp_path, text, Rules("demo"))
    assert [one if isinstance(one, str) else one["article_id"] for one in found] == [
        "/a", "/b", "malformed", "malformed", "/d", "/e",
    ]  # fmt: skip
    assert (found[1]["value"], found[1]["event_type"], "value" in found[0]) == (3, "comment", False)
    assert found[5]["occurred_at"] == 1795338000000


@pytest.mark.parametrize("null", ["", "null", "NULL", r"\N"])
def test_a_cell_without_a_value_names_nobody(tmp_path: Path, null: str) -> None:
    """Or all such rows would be one event, and one reader."""
    row = f"1431857103005,/a,{null},{null},{null}\n"
    text = f"occurred_at,path,event_id,repeat_key,agent_class\n{row}{row}"
    one, other = outcomes(tmp_path, text, Rules("demo"))
    assert not {"repeat_key", "agent_class"} & {*one, *other}
    assert one["event_id"] != other["event_id"]


def test_a_csv_row_is_numbered_by_its_last_line(tmp_path: Path) -> None:
    """A quoted cell may hold line ends; the ids still differ from row to row."""
    text = 'occurred_at,article_id,"a, note"\n1431857103005,/a,"two\nlines"\n1431857103006,/b,x\n'
    first, second = outcomes(tmp_path, text, Rules("demo"))
    digest = hashlib.sha256(text.encode()).digest()
    assert first["event_id"] == hashlib.sha256(digest + b":3").hexdigest()[:32]
    assert second["event_id"] == hashlib.sha256(digest + b":4").hexdigest()[:32]


@pytest.mark.parametrize(
    ("rows", "sent"),
    [
        ('1431857103005,/a,"open\n1431857103006,/b,x\n1431857103007,/c,x\n', ["malformed", "/b", "/c"]),
        ('1431857103005,"/a,x\n1431857103006,/b,x\n1431857103007,/c,x\n', ["malformed", "/b", "/c"]),
        ('1431857103005,/a,"open\n1431857103006,/b,"x"\n1431857103007,/c,""\n', ["malformed", "/b", "/c"]),
        ('1431857103005,/a,x\n1431857103006,/b,"open', ["/a", "malformed"]),
        ('1431857103005,/a,"two ""\n, lines"\n1431857103006,/b,a "b" c\n', ["/a", "/b"]),
        ('1431857103005,/a,"a "b" c"\n1431857103006,/b,x\n', ["malformed", "/b"]),
        ('1431857103005,"' + "x\n" * 100_000 + "1431857103006,/b,x\n", ["malformed"] * 100_000 + ["/b"]),
    ],
)
def test_a_quote_that_is_not_closed_makes_its_line_malformed(tmp_path: Path, rows: str, sent: list[str]) -> None:
    """The lines behind it, which its cell would have, are rows of their own."""
    found = outcomes(tmp_path, f"occurred_at,path,note\n{rows}", Rules("demo"))
    assert [one if isinstance(one, str) else one["article_id"] for one in found] == sent


def test_a_csv_without_the_columns_needed_is_refused(tmp_path: Path) -> None:
    """The message names them."""
    with pytest.raises(rows.UnfitHeaderError, match="occurred_at, and article_id or path or url"):
        outcomes(tmp_path, "a,b\n1,2\n", kind="csv")


@pytest.mark.parametrize(
    ("name", "first", "kind"),
    [
        ("views.csv", "occurred_at,path", "csv"),
        ("access.log", line(), "combined"),
        ("dump", '{"article_id":"a","occurred_at":1431857103000}', "jsonl"),
        ("dump", "occurred_at,path", "csv"),
        ("dump", "\ufeff\noccurred_at,path", "csv"),
        ("empty", "", "combined"),
    ],
)
def test_the_format_is_found(tmp_path: Path, name: str, first: str, kind: str) -> None:
    """By the first lines."""
    file = tmp_path / name
    file.write_text(first)
    assert sources.source(str(file)).kind == kind


async def test_the_latest_time_is_that_of_the_input(tmp_path: Path) -> None:
    """Of every line that has a time, sent or not, over all files: one constant shift brings it to the present."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("\n".join([line(second=5), line(status=404, second=9), "junk"]))
    two.write_text(line(second=7))
    both = [sources.source(str(one)), sources.source(str(two))]
    assert await replaying.latest_ms(both, asyncio.Event()) == 1431857109000
    shifted: list[Any] = [event for source in both for event in replaying.outcomes(source, Rules("demo", BLOG), 1_000)]
    assert [event["occurred_at"] for event in shifted if isinstance(event, dict)] == [1431857106000, 1431857108000]


@pytest.mark.parametrize(
    ("ahead_h", "latest"), [([-5, -1], -1), ([-5, 14], 14), ([-5, 400_000, -7], -5), ([400_000, 500_000], 500_000)]
)
async def test_a_time_that_no_zone_explains_is_not_the_latest(tmp_path: Path, ahead_h: list[int], latest: int) -> None:
    """One typo would bring all other times to before 1970; a server's wrong clock is brought to the present."""
    now_ms = time.time_ns() // 1_000_000
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f'{{"url":"/a","occurred_at":{now_ms + hours * 3_600_000}}}\n' for hours in ahead_h))
    assert await replaying.latest_ms([sources.source(str(file))], asyncio.Event()) == now_ms + latest * 3_600_000


async def test_input_without_a_time_has_no_latest(tmp_path: Path) -> None:
    """There is nothing to shift."""
    file = tmp_path / "in"
    file.write_text("junk\n")
    assert await replaying.latest_ms([sources.source(str(file), "combined")], asyncio.Event()) is None


def test_the_summary_adds_up() -> None:
    """lines = sent + skipped; the times are the least and the greatest sent."""
    summary = Summary()
    for outcome in ({"occurred_at": 7}, "bot", {"occurred_at": 3}, "bot", "method"):
        summary.add(outcome)
    assert (summary.lines, summary.sent, sum(summary.skipped.values())) == (5, 2, 3)
    assert (summary.first_occurred_at, summary.last_occurred_at) == (3, 7)


def test_the_summary_shows_first_what_no_log_should_have() -> None:
    """Connections without a request may come by the thousand; ten faults are kept."""
    summary = Summary()
    for n in range(40):
        summary.add(Fault("malformed", "in", n, "text", usual=n % 10 != 9))
    assert [fault.line for fault in summary.faults] == [*range(6), 9, 19, 29, 39]
    assert summary.skipped["malformed"] == 40


def test_the_summary_counts_what_no_list_shows() -> None:
    """One time that is far ahead leaves all others behind when the latest is brought to the present."""
    summary = Summary(since_ms=100)
    for at in (99, 100, 5):
        summary.add({"occurred_at": at})
    assert (summary.sent, summary.old) == (3, 2)
