"""The catalogue by names: records under several spellings of an address are about one article."""

import itertools
import logging
import random

import pytest

from ranker.core.article import id_ok
from ranker.lists.articles import Articles
from ranker.lists.history import Ranks, by_name
from ranker.lists.names import namer
from ranker.store.history import HOUR_MS
from schemas.article_id import DEFAULT, MAX_BYTES, IdRule
from tests.unit.test_article_id import SAME
from tests.unit.test_lists_articles import Change, fed, hidden, moved, old

FORM, SPELLINGS = next(iter(SAME.items()))
IDS = [one for one in SPELLINGS if one == one.strip()]
OLD, RAW, UPPER, LOWER = "/soci%c3%a9t%c3%a9/x", "/société/x", "/soci%C3%A9t%C3%A9/x", "/soci%c3%a9t%C3%A9/x"


def shown(*changes: Change, rule: IdRule = DEFAULT) -> Articles:
    """The records at offsets 0, 1, …"""
    articles = Articles({"demo": rule})
    articles.apply([(*change, offset) for offset, change in enumerate(changes)])
    return articles


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
        assert articles.aliases("demo") == {RAW: "/y", OLD: "/y", "/%79": "/y"}


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
    articles = shown(moved("/a", "/b%2D"), moved("/b-/", "/c"))
    assert articles.aliases("demo") == {"/a": "/b-", "/b%2D": "/c", "/b-": "/c", "/b-/": "/c"}


def test_a_sites_own_rule_makes_the_names() -> None:
    """The parameter, the pattern, the trailing slash; what is no address is its own name."""
    articles = shown(
        fed("/index.php?p=12"), hidden("https://x.example/?p=12&q"), fed("guid%2D1"), rule=IdRule("query:p")
    )
    assert {name: one.hidden for name, one in articles.of("demo").items()} == {"12": True, "guid%2D1": False}
    assert set(shown(fed("/a/"), fed("/a"), rule=IdRule(trailing_slash="keep")).of("demo")) == {"/a/", "/a"}
    assert set(shown(fed("/a/"), fed("/a")).of("demo")) == {"/a"}
    name = namer(IdRule(r"^/articles/([0-9]+)"))
    assert [name(one) for one in ("/articles/17-un", "/about/", "17")] == ["17", "/about", "17"]


def test_an_id_without_a_normal_form_is_its_own_name() -> None:
    """What version 0.1 allowed may be longer once it is encoded."""
    long = "/" + "\ufe0f" * (MAX_BYTES // 3 - 1)
    assert namer(DEFAULT)(long) == long
    assert namer(DEFAULT)("/❤️") == "/❤%EF%B8%8F"


def test_records_of_version_0_1_stay_in_force() -> None:
    """Ids that are not allowed any more are spellings of those that are: a copy made anew has what they say."""
    articles = shown(fed("/❤️/x"), old(hidden("/❤️/x")), moved("/ㅤ", "/a\u034f"), (fed("/❤️/x")[0], None))
    assert articles.of("demo")["/❤%EF%B8%8F/x"].hidden
    assert articles.aliases("demo")["/%E3%85%A4"] == "/a%CD%8F"
    assert [id_ok(one) for one in ("/a b", "/a\u200b", "/" + "é" * 256, "❤️", "/\ud800")] == [False] * 5


def test_articles_that_differ_in_their_query_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """They are one article by the site's rule, and hardly in truth."""
    shown(*(fed(f"/article?id={number}") for number in range(3)))
    assert [(one.levelno, one.site) for one in caplog.records] == [(logging.WARNING, "demo")]  # type: ignore[attr-defined]
    assert "sites.NAME.ids.from" in caplog.text
    caplog.clear()
    shown(fed("/a?utm_source=x"), fed("/a"))
    shown(*(fed(f"/article?id={number}") for number in range(3)), rule=IdRule("query:id"))
    assert not caplog.records


def test_a_catalogue_of_one_name_is_read_as_fast_as_others() -> None:
    """A site whose articles differ in their query, and no rule yet: if each were compared with all, it took minutes."""
    number = 30_000
    articles = shown(*(fed(f"/article?id={one}", f"Title {one}") for one in range(number)))
    articles.apply([(*hidden(f"/article?id={one}"), number + one) for one in range(number)])
    articles.apply([(hidden(f"/article?id={one}")[0], None, one) for one in range(number)])
    assert {name: (one.title, one.hidden) for name, one in articles.of("demo").items()} == {
        "/article": (f"Title {number - 1}", False)
    }


def test_ranks_are_known_by_name() -> None:
    """Entries of before hold the ids of before; an article that had two places keeps the better one."""
    now = 500
    entries = {now - 1: [UPPER, "/b", LOWER], now: ["/b", RAW]}
    ranks = Ranks(by_name(entries, namer(DEFAULT)))
    found = ranks.about(RAW, 2, (now + 1) * HOUR_MS - 1)
    assert (found.best_rank, found.previous_rank, found.trend) == (1, 2, "same")
    plain = {now: ["/a", "/b"]}
    assert by_name(plain, namer(DEFAULT)) is plain
