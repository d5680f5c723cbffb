"""The catalogue by names: records under several spellings of an address are about one article."""

import itertools
import logging
import random

import pytest

from ranker.consume.jobs.write_history import shown as shown_ids
from ranker.core.article import id_ok
from ranker.core.times import HOUR_MS
from ranker.lists import articles as module
from ranker.lists.articles import Article, Articles, known_as
from ranker.lists.filters import Filter
from ranker.lists.history import Movement, Ranks
from ranker.lists.names import name_of, own_name
from schemas.article_id import DEFAULT, MAX_BYTES, IdRule
from tests.unit.test_article_id import SAME
from tests.unit.test_lists_articles import Change, fed, hidden, moved, old
from tests.unit.test_serve_items import shown as published

FORM, SPELLINGS = next(iter(SAME.items()))
IDS = [one for one in SPELLINGS if one == one.strip() and "?" not in one]
OLD, RAW, UPPER, LOWER = "/soci%c3%a9t%c3%a9/x", "/société/x", "/soci%C3%A9t%C3%A9/x", "/soci%c3%a9t%C3%A9/x"


def shown(*changes: Change, rule: IdRule = DEFAULT) -> Articles:
    """The records at offsets 0, 1, …"""
    articles = Articles({"demo": rule})
    articles.apply([(*change, offset) for offset, change in enumerate(changes)])
    return articles


def admitted(articles: Articles, row: str) -> bool:
    """Whether lists show this row."""
    known = known_as(articles.of("demo"), own_name(row, DEFAULT), name_of(row, DEFAULT))
    return Filter().admits(row, known, 0)


@pytest.mark.parametrize("spelling", IDS)
def test_every_spelling_is_the_same_article(spelling: str) -> None:
    """What the feed, the editor and an alias say under one of them holds under the name, and under it alone."""
    articles = shown(fed(spelling, "Title"))
    assert {name: one.title for name, one in articles.of("demo").items()} == {FORM: "Title"}
    assert shown(hidden(spelling)).of("demo")[FORM].hidden
    assert shown(old(hidden(spelling)), fed(FORM)).of("demo")[FORM].hidden
    assert shown(fed(spelling, status="removed")).of("demo")[FORM].hidden
    assert shown(moved(spelling, "/b")).aliases("demo") == dict.fromkeys([FORM, spelling], "/b")
    assert shown(moved("/b", spelling)).aliases("demo") == {"/b": FORM} | ({} if spelling == FORM else {spelling: FORM})


def test_the_last_record_of_a_kind_holds_in_whatever_order_they_come() -> None:
    """By offset: a log that is read again brings old records after newer ones."""
    records = [
        *((fed(one, f"Title {number}"), 3 + number) for number, one in enumerate((UPPER, RAW, LOWER))),
        (hidden(UPPER), 6),
        (hidden(LOWER, hidden=False), 7),
        (old(hidden(OLD)), 8),
        (moved(OLD, "/x"), 9),
        (moved(RAW, "/%79"), 10),
    ]
    for seed in range(30):
        order = random.Random(seed).sample(records, len(records))
        articles = Articles({})
        for change, offset in order:
            articles.apply([(*change, offset)])
        assert {name: (one.title, one.hidden) for name, one in articles.of("demo").items()} == {RAW: ("Title 2", True)}
        assert articles.aliases("demo") == dict.fromkeys([UPPER, RAW, LOWER, OLD, "/%79"], "/y")


def test_a_forgotten_record_leaves_the_other_spellings_in_force() -> None:
    """A tombstone takes its own key's record only, also that of the one that held."""
    records = {UPPER: "Upper", RAW: "Raw", LOWER: "Lower"}
    for order in itertools.permutations(records):
        articles = shown(*(fed(one, records[one]) for one in order))
        left = list(order)
        while left:
            assert articles.of("demo")[RAW].title == records[left[-1]]
            articles.apply([(fed(left.pop())[0], None, 9)])
        assert articles.of("demo") == {}
    articles = shown(fed(RAW), hidden(UPPER), hidden(LOWER, hidden=False))
    assert not articles.of("demo")[RAW].hidden
    articles.apply([(hidden(LOWER)[0], None, 9)])
    assert articles.of("demo")[RAW].hidden
    articles.apply([(hidden(UPPER)[0], None, 10)])
    assert not articles.of("demo")[RAW].hidden
    articles = shown(moved(UPPER, "/a"), moved(RAW, None), moved(LOWER, "/c"))
    assert articles.aliases("demo")[UPPER] == "/c"
    articles.apply([(moved(LOWER, None)[0], None, 9)])
    assert articles.aliases("demo") == {}


def test_what_the_editor_said_last_holds() -> None:
    """Hidden under one spelling, shown under another, and the other way round."""
    assert not shown(fed(RAW), hidden(UPPER), hidden(RAW, hidden=False)).of("demo")[RAW].hidden
    assert shown(fed(RAW), hidden(RAW, hidden=False), hidden(UPPER)).of("demo")[RAW].hidden
    assert shown(fed(UPPER, status="removed"), fed(RAW)).of("demo")[RAW].status == "published"
    assert shown(fed(UPPER), fed(RAW, status="removed")).of("demo")[RAW].hidden


def test_counts_under_every_spelling_in_an_alias_stand_under_its_target() -> None:
    """One hop, from a spelling as from the name; an alias from one spelling to another adds them up."""
    assert shown(moved(UPPER, RAW)).aliases("demo") == {UPPER: RAW}
    assert shown(moved(RAW, "/y"), fed(UPPER), fed(RAW)).aliases("demo") == {RAW: "/y", UPPER: "/y"}
    assert shown(fed(UPPER), moved(RAW, "/y")).aliases("demo") == {RAW: "/y", UPPER: "/y"}
    articles = shown(moved("/a", "/b%2D"), moved("/b-/", "/c"))
    assert articles.aliases("demo") == {"/a": "/b-", "/b%2D": "/c", "/b-": "/c", "/b-/": "/c"}


def test_a_sites_spellings_of_moved_articles_are_as_many_as_aliases(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is read by name at every refresh of a list; names go first, and one line says that others are left out."""
    monkeypatch.setattr(module, "MAX_ALIASES", 4)
    words = [moved("/a", "/z"), moved("/b", "/z"), moved("/a/", "/z")]
    for slashes, others in ((1, ["/a/"]), (2, ["/a/", "/a//"]), (3, ["/a/", "/a//"]), (9, ["/a/", "/a//"])):
        caplog.clear()
        articles = shown(*words, *(fed("/a" + "/" * number) for number in range(slashes + 1)))
        for _ in range(2):
            assert articles.aliases("demo") == dict.fromkeys(["/a", "/b", *others], "/z")
            articles.apply([(*moved("/a", "/z"), 99)])
        said = [(one.levelno, one.site) for one in caplog.records]  # type: ignore[attr-defined]
        assert said == [(logging.WARNING, "demo")] * (slashes > 2)
    by_editor = shown(moved("/a", "/z"), *(moved("/a" + "/" * number, "/z" + "/" * number) for number in range(9)))
    assert len(by_editor.aliases("demo")) == 4


def test_a_sites_own_rule_makes_the_names() -> None:
    """The parameter, the pattern, the trailing slash; what is no address is its own name."""
    articles = shown(
        fed("/index.php?p=12"), hidden("https://x.example/?p=12&q#z"), fed("guid%2D1"), rule=IdRule("query:p")
    )
    assert {name: one.hidden for name, one in articles.of("demo").items()} == {"12": True, "guid%2D1": False}
    assert set(shown(fed("/a/"), fed("/a"), rule=IdRule(trailing_slash="keep")).of("demo")) == {"/a/", "/a"}
    assert set(shown(fed("/a/"), fed("/a")).of("demo")) == {"/a"}
    rule = IdRule(r"^/articles/([0-9]+)")
    assert [name_of(one, rule) for one in ("/articles/17-un", "/about/", "17")] == ["17", "/about", "17"]


def test_an_id_without_a_normal_form_is_its_own_name() -> None:
    """What version 0.1 allowed may be longer once it is encoded."""
    long = "/" + "\u3164" * (MAX_BYTES // 3 - 1)
    assert name_of(long, DEFAULT) == long
    assert name_of("/a\u3164", DEFAULT) == "/a%E3%85%A4"


def test_records_of_version_0_1_stay_in_force() -> None:
    """Ids that are not allowed any more are spellings of those that are: a copy made anew has what they say."""
    articles = shown(fed("/\u3164/x"), old(hidden("/\u3164/x")), moved("/ㅤ", "/a\u034f"), (fed("/\u3164/x")[0], None))
    assert articles.of("demo")["/%E3%85%A4/x"].hidden
    assert articles.aliases("demo")["/%E3%85%A4"] == "/a%CD%8F"
    assert [id_ok(one) for one in ("/a b", "/a\u200b", "/" + "é" * 256, "x\u3164", "/\ud800")] == [False] * 5


def test_a_query_that_the_rule_does_not_read_is_no_spelling() -> None:
    """What version 0.1 hid or moved with a query or a route was one address; its neighbours are other articles."""
    for one, other in (("/article?id=1", "/article?id=2"), ("/#!/a", "/#!/b"), ("https://x/?p=1", "https://x/?p=2")):
        articles = shown(fed(one), fed(other), old(hidden(one)), old(moved(other, "/new")), fed("/article"))
        assert (admitted(articles, one), admitted(articles, other)) == (False, True)
        assert articles.aliases("demo")[other] == "/new"
        assert one not in articles.aliases("demo")
    assert not admitted(shown(fed("/article?id=1"), hidden("/article")), "/article?id=1")
    assert set(shown(fed("/#!/a"), fed("/x?q"), rule=IdRule("query:p")).of("demo")) == {"/#!/a", "/x?q"}


def test_what_is_hidden_with_a_query_is_hidden_without_it() -> None:
    """New counts and imports have the path alone: no word on a neighbour, and no feed, shows it; the editor's own does."""
    words = [
        [hidden("/?p=12"), hidden("/?p=13"), hidden("/?p=13", hidden=False)],
        [old(hidden("/?p=12")), old(hidden("/?p=13", hidden=False)), fed("/")],
        [fed("/?p=12", status="removed"), fed("/?p=13")],
        [fed("/"), fed("/?p=12", status="removed"), fed("/?p=13"), hidden("/?p=13", hidden=False)],
        [hidden("/", hidden=False), hidden("/?p=12"), fed("/?p=12")],
    ]
    rows = ["/", "/?p=12", "/?p=13", "/?p=14"]
    for records in words:
        assert [admitted(shown(*records), row) for row in rows] == [False, False, True, True], records
    for records in words[:2]:
        assert [admitted(shown(*records, hidden("/", hidden=False)), row) for row in rows] == [True, False, True, True]
    assert [admitted(shown(*words[2], fed("/")), row) for row in rows] == [True, False, True, True]
    back = shown(*words[0], fed("/", "Home"), hidden("/?p=12", hidden=False))
    assert [admitted(back, row) for row in rows] == [True] * 4
    assert admitted(shown(*words[0], (hidden("/?p=12")[0], None)), "/")
    for seed in range(10):
        articles = Articles({})
        for offset, change in random.Random(seed).sample([*enumerate(words[1])], 3):
            articles.apply([(*change, offset)])
        assert [admitted(articles, row) for row in rows] == [False, False, True, True]


def test_spellings_of_an_address_with_a_query_are_one() -> None:
    """As far as RFC 3986 calls them so; another query, and another order of it, is another address."""
    same = [
        "/é?id=1&q=a/b",
        "/%c3%a9?id=%31&q=a/b",
        "/%C3%A9/?id=1&q=%61/b",
        "/x/../é?id=1&q=a/b",
        "http://x/é?id=1&q=a/b",
    ]
    other = ["/é?id=1", "/é?q=a/b&id=1", "/é?id=1&q=a%2Fb", "/é?id=1%26q=a/b", "/É?id=1&q=a/b", "/é?id=1&q=a/b#!/c"]
    for one in same:
        assert not any(admitted(shown(hidden(one)), row) for row in same)
        assert all(admitted(shown(hidden(one)), row) for row in other)
    for one in (*same, *other):
        assert own_name(own_name(one, DEFAULT), DEFAULT) == own_name(one, DEFAULT)
    for one, row in (("/é#!/a", "/%c3%a9#!/a"), ("/a?", "/a"), ("/a#", "/a/")):
        assert not admitted(shown(hidden(one)), row)
    assert set(shown(fed("/caf%c3%a9?q"), fed("a%2Db?q"), rule=IdRule("query:p")).of("demo")) == {"/café?q", "a%2Db?q"}


def test_an_article_that_is_hidden_for_one_of_its_addresses_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """With the way out."""
    for records in ([hidden("/a?id=1"), hidden("/a?id=2"), hidden("/b?id=1")], [fed("/a?id=1", status="removed")]):
        caplog.clear()
        shown(*records)
        assert [(one.levelno, one.site, one.article) for one in caplog.records] == [(logging.WARNING, "demo", "/a")]  # type: ignore[attr-defined]
        assert "producers articles show" in caplog.text
        assert "sites.NAME.ids.from" in caplog.text
    caplog.clear()
    shown(hidden("/a?id=1"), rule=IdRule("query:id"))
    shown(fed("/a?id=1"), hidden("/b"), hidden("a?b"))
    assert not caplog.records


def test_a_catalogue_of_one_name_is_read_as_fast_as_others() -> None:
    """If each record were compared with all of them, this took minutes."""
    letters = "articlesarticle"
    spellings = [
        "/" + "".join(f"%{ord(one):x}" if number >> at & 1 else one for at, one in enumerate(letters))
        for number in range(1 << len(letters))
    ]
    articles = shown(*(fed(one, f"Title {number}") for number, one in enumerate(spellings)))
    articles.apply([(*hidden(one), len(spellings) + number) for number, one in enumerate(spellings)])
    articles.apply([(hidden(one)[0], None, number) for number, one in enumerate(spellings)])
    assert {name: (one.title, one.hidden) for name, one in articles.of("demo").items()} == {
        f"/{letters}": (f"Title {len(spellings) - 1}", False)
    }


def test_the_history_written_leaves_out_what_is_hidden_by_name() -> None:
    """As readers do; ids stay as they are counted."""
    rows = [(9, UPPER.encode()), (8, b"/b/"), (7, b"/c?id=1"), (6, b"/c?id=2")]
    articles = shown(hidden(OLD), fed("/b", "B"), hidden("/c?id=1"), fed("/c?id=2", "C")).of("demo")
    read = published(rows).read
    assert shown_ids(read, articles, DEFAULT, hide_unknown=False) == ["/b/", "/c?id=2"]
    assert shown_ids(read, {"/b": Article("B")}, DEFAULT, hide_unknown=True) == ["/b/"]


def movement(ranks: Ranks, row: str, rank: int, now_ms: int) -> Movement:
    return ranks.about(row, rank, now_ms, own_name(row, DEFAULT))


def test_ranks_are_known_by_name() -> None:
    """Entries of before hold the ids of before; the first place of an article is that of spellings that had none."""
    now = 500
    ranks = Ranks({now - 1: [UPPER, "/b", LOWER], now: ["/b", RAW]})
    found = movement(ranks, RAW, 2, (now + 1) * HOUR_MS - 1)
    assert (found.best_rank, found.previous_rank, found.trend) == (1, 2, "same")
    assert movement(ranks, OLD, 3, now * HOUR_MS).best_rank == 1
    assert movement(ranks, "/c", 9, now * HOUR_MS).best_rank == 9


def test_two_rows_of_one_article_have_a_place_each_in_the_history() -> None:
    """As they have in the list: neither they nor those below have moved since."""
    now = 500
    for listed in (["/a/", "/a", "/b"], ["/a", "/a/", "/b"], ["/%61", "/a/", "/b"], ["/x?a=%61", "/x?a=a", "/b"]):
        ranks = Ranks({now - 1: listed, now: listed})
        for rank, row in enumerate(listed, 1):
            found = movement(ranks, row, rank, (now + 1) * HOUR_MS - 1)
            assert (found.previous_rank, found.trend) == (rank, "same"), row
    ranks = Ranks({now - 2: ["/b"], now - 1: ["/a/", "/a", "/b"], now: ["/b", "/a"]})
    movements = [
        movement(ranks, row, rank, (now + 1) * HOUR_MS - 1) for rank, row in ((1, "/b"), (2, "/a"), (3, "/%61"))
    ]
    assert [one.previous_rank for one in movements] == [1, 2, 2]
    assert [one.best_rank for one in movements] == [1, 1, 1]
    assert {one.entered_at_ms for one in movements[1:]} == {(now - 1) * HOUR_MS}
