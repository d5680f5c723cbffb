"""Filters, cuts and fallbacks of one list, and the bytes of an answer: decisions without any server."""

from __future__ import annotations

import gzip

import pytest

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Hints, Merged, Row, Span
from ranker.lists.articles import Article
from ranker.lists.filters import Filter
from ranker.lists.history import Ranks
from ranker.serve.api import items
from ranker.serve.api.items import Listed, Place, list_places, newest
from ranker.serve.api.query import Query, Unless, parse
from ranker.serve.http.body import LEAST_BYTES, Body
from ranker.serve.live.published import Published
from ranker.service.accept import accepts_gzip
from ranker.store.reader import ListRead
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
NAME = ListName("demo", "read", "24h")
T = 1_795_396_624_735
HOUR_MS = 3_600_000
ROWS = [(9, b"/a"), (8, b"/b"), (7, b"/c"), (7, "/é".encode())]
REMOVED = Article("A", status="removed")


def shown(
    rows: list[Row] = ROWS,
    *,
    more: bool = False,
    further: list[Row] | None = None,
    covered: frozenset[Filter] = frozenset(),
) -> Published:
    merged = Merged(rows, more, False, Hints(), further or [])
    read = ListRead(merged, Span(T - 86_400_000, T, level=True, complete=True), 40, dict.fromkeys(range(4), T), True)
    return Published(NAME, GENERATION, 4, read, T, covered)


def ids(found: Listed) -> list[str]:
    return [place.article_id for place in found.places]


def test_hidden_articles_leave_before_the_cut() -> None:
    """A removed article makes room for the next one."""
    found = list_places(shown(), Filter(), {"/a": REMOVED, "/b": Article("B")}, T, 2)
    assert ids(found) == ["/b", "/c"]
    assert not found.short


def test_too_many_left_out_articles_leave_a_list_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the places that were read do not fill the list, and there would be more, it says so."""
    monkeypatch.setattr(items, "PLACES", 4)
    articles = {"/a": REMOVED}
    assert list_places(shown(more=True), Filter(), articles, T, 4).short
    assert not list_places(shown(more=True), Filter(), articles, T, 3).short
    assert not list_places(shown(), Filter(), articles, T, 4).short


def test_what_was_looked_up_fills_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the last place only articles that were requested by name are listed: they count for their own filter alone."""
    monkeypatch.setattr(items, "PLACES", 4)
    culture = Filter(sections=frozenset({"Culture"}))
    articles = {"/b": Article("B", section="Culture"), "/z": Article("Z", section="Culture")}
    deep = shown(more=True, further=[(2, b"/z")], covered=frozenset({culture}))
    assert ids(list_places(deep, culture, articles, T, 5)) == ["/b", "/z"]
    assert not list_places(deep, culture, articles, T, 5).short
    assert list_places(deep, Filter(), articles, T, 5).short
    assert ids(list_places(deep, Filter(), articles, T, 5)) == ["/a", "/b", "/c", "/é"]


def test_what_was_looked_up_leaves_holes_where_the_unknown_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that admits what the catalogue does not know: filled up, and reported as incomplete."""
    monkeypatch.setattr(items, "PLACES", 4)
    no_sport = Filter(not_sections=frozenset({"Sport"}))
    articles = {"/a": REMOVED, "/z": Article("Z")}
    deep = shown(more=True, further=[(2, b"/z")], covered=frozenset({no_sport}))
    assert list_places(deep, no_sport, articles, T, 3) == Listed(
        list_places(shown(), no_sport, articles, T, 3).places, short=False
    )
    filled = list_places(deep, no_sport, articles, T, 4)
    assert (ids(filled), filled.short) == (["/b", "/c", "/é", "/z"], True)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("section=Culture", ["/b"]),
        ("section=Culture&section=Sport", ["/a", "/b"]),
        ("section=-Culture", ["/a", "/c", "/é"]),
        ("format=light&section=-Sport", []),
        ("format=-light", ["/b", "/c", "/é"]),
        ("published_within=2h", ["/b"]),
        ("published_within=1d", ["/a", "/b"]),
        ("exclude=/a&exclude=%2F%C3%A9", ["/b", "/c"]),
        ("min_count=8", ["/a", "/b"]),
        ("min_count=7", ["/a", "/b", "/c", "/é"]),
    ],
)
def test_filters(query: str, wanted: list[str]) -> None:
    """Each admits what its parameter says; what the catalogue does not know has no section, format or time."""
    articles = {
        "/a": Article("A", section="Sport", format="light", published_at=T - 5 * HOUR_MS),
        "/b": Article("B", section="Culture", published_at=T - HOUR_MS),
    }
    asked, faults = parse(query.encode())
    assert faults == []
    assert ids(list_places(shown(), asked.filter, articles, T, 10)) == wanted


def test_unknown_articles_can_be_left_out() -> None:
    """Those without a record, and those of which only the editor's word is known."""
    articles = {"/a": Article("A"), "/b": Article()}
    assert ids(list_places(shown(), Filter(known=True), articles, T, 10)) == ["/a"]


def test_newest_first() -> None:
    """What is not published yet, or hidden, is not there; an age is a filter like any other."""
    articles = {
        "/a": Article("A", published_at=T - 1),
        "/b": Article("B", published_at=T + 1),
        "/c": Article("C", published_at=T - 3 * HOUR_MS),
        "/d": Article("D", published_at=T - 2, status="removed"),
    }
    order = ["/b", "/a", "/d", "/c"]
    assert ids(newest(order, Filter(), articles, T, 10)) == ["/a", "/c"]
    assert ids(newest(order, Filter(), articles, T, 1)) == ["/a"]
    assert ids(newest(order, Filter(within_ms=HOUR_MS), articles, T, 10)) == ["/a"]


def test_so_many_new_articles_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that admits none of them says that older ones may fit; within an age there are none."""
    monkeypatch.setattr(items, "LOOKED_AT", 3)
    articles = {f"/{number}": Article("T", section="Sport", published_at=T - number) for number in range(9)}
    assert newest(list(articles), Filter(sections=frozenset({"Culture"})), articles, T, 1).short
    assert not newest(list(articles), Filter(sections=frozenset({"Culture"}), within_ms=1), articles, T, 1).short


def test_what_fills_a_list_up_has_no_history_in_it() -> None:
    """An article of the longer window is not new here, it has no place here."""
    ranks = Ranks({T // HOUR_MS: ["/a"], T // HOUR_MS - 1: ["/a"]})
    places = [Place("/a", "/a", 2, 9, "24h"), Place("/b", "/b", 1, 9, "7d")]
    now_ms = T // HOUR_MS * HOUR_MS + HOUR_MS // 2
    one, other = items.items(places, Query(fallback=True), ranks, "24h", now_ms, counts=True)
    assert (one["trend"], one["best_rank"]) == ("same", 1)
    assert (other["trend"], other["best_rank"], other["previous_rank"]) == (None, None, None)


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=1e1&offset=-1", ["limit", "offset"]),
        ("limit=600&offset=401", ["offset"]),
        ("limit=5&limit=5&x=1", ["x", "limit"]),
        ("section=&format=-", ["section", "format"]),
        ("published_within=2w", ["published_within"]),
        ("published_within=367d", ["published_within"]),
        ("exclude=a%20b", ["exclude"]),
        ("fallback=yes&render=pdf&lang=de", ["fallback", "render", "lang"]),
        ("&".join(f"exclude=/{i}" for i in range(101)), ["exclude"]),
        ("min_count=-1", ["min_count"]),
        ("max_per=section&max_per=author:2&max_per=section:0&max_per=format:101", ["max_per"] * 4),
        ("max_per=section:2&max_per=section:3", ["max_per"]),
        (
            "unless=read&unless=read/24h&unless=read/24h:0&unless=/24h:7&unless=a/b/c:7&unless=read/24h:101",
            ["unless"] * 6,
        ),
        ("&".join(f"unless=read/24h:{n}" for n in range(1, 5)), ["unless"]),
        ("receipt=true&render=csv", ["receipt"]),
    ],
)
def test_every_fault_of_a_query(query: str, parameters: list[str]) -> None:
    """All reported, none guessed."""
    assert [fault["parameter"] for fault in parse(query.encode())[1]] == parameters


def test_a_query_in_full() -> None:
    """Everything together, in UTF-8."""
    raw = "limit=3&offset=4&section=%C3%89conomie&format=-light&published_within=90m&min_count=2&fallback=true"
    query, faults = parse(raw.encode())
    assert faults == []
    assert query == Query(
        3,
        4,
        Filter(frozenset({"Économie"}), frozenset(), frozenset(), frozenset({"light"}), 5_400_000, frozenset(), 2),
        fallback=True,
    )


def test_spread_in_full() -> None:
    """By field and by list: equal queries, whatever the order, are one; the same list twice is one."""
    raw = "max_per=section:2&max_per=format:10&unless=shared/7d:3&unless=read/24h:7&unless=read/24h:7&render=csv"
    query, faults = parse(raw.encode())
    assert faults == []
    assert query == Query(
        render="csv",
        max_per=(("format", 10), ("section", 2)),
        unless=(Unless("read", "24h", 7), Unless("shared", "7d", 3)),
    )
    assert query.filtered


def test_a_tag_follows_the_bytes() -> None:
    """Equal content, equal tag and equal compressed bytes; compressed, another tag."""
    one, two, other = Body(b"x" * LEAST_BYTES), Body(b"x" * LEAST_BYTES), Body(b"y" * LEAST_BYTES)
    assert one.etag(gzipped=False) == two.etag(gzipped=False) != other.etag(gzipped=False)
    assert one.etag(gzipped=False) != one.etag(gzipped=True)
    assert one.gzipped == two.gzipped
    assert gzip.decompress(one.gzipped or b"") == one.content
    assert Body(b"x").gzipped is None


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"*", True),
        (b"br", False),
        (b"gzip;q=0, br", False),
        (b"gzip; q=0", False),
        (b"", False),
        (b"identity", False),
    ],
)
def test_who_takes_gzip(header: bytes, takes: bool) -> None:
    """Accept-Encoding as RFC 9110 has it."""
    assert accepts_gzip(header) is takes
