"""The catalogue in memory: feeds and the editor's hand, in whatever order their records come."""

import itertools
import logging

import orjson
import pytest
from click.testing import CliRunner

from producers.commands import main
from ranker.core.article import fault
from ranker.lists import articles as module
from ranker.lists.articles import Article, Articles
from schemas.article_id import DEFAULT, IdRule

Change = tuple[bytes, bytes | None]


def said(article_id: str, behind: str = "", **fields: object) -> Change:
    """A record of site demo, as the consumer lets it into Redis."""
    key, value = (
        f"demo/{article_id}{behind}".encode(),
        orjson.dumps({"site_id": "demo", "article_id": article_id, **fields}),
    )
    assert fault(key, value) is None
    return key, value


def fed(article_id: str, title: str = "Feed", status: str = "published") -> Change:
    return said(article_id, status=status, title=title, url="https://demo.example/a", published_at=1)


def hidden(article_id: str, hidden: bool = True) -> Change:
    return said(article_id, " #editor", hidden=hidden)


def moved(article_id: str, alias_of: str | None) -> Change:
    return said(article_id, " #alias", alias_of=alias_of)


def old(change: Change) -> Change:
    """The same word under the key that version 0.1 gave it."""
    return change[0].replace(b" #", b"#"), change[1]


_offsets = itertools.count()


def take(articles: Articles, *changes: Change) -> set[str]:
    """Applies the next records of the topic."""
    return articles.apply([(*change, next(_offsets)) for change in changes])


def told(*changes: Change, rule: IdRule = DEFAULT) -> Articles:
    articles = Articles({"demo": rule})
    assert take(articles, *changes) == {"demo"}
    return articles


def test_what_the_editor_hides_no_feed_shows() -> None:
    """Whatever comes first, and however often the feed repeats itself; its fields stay."""
    for order in itertools.permutations([fed("/a", "Old"), hidden("/a"), fed("/b")]):
        article = told(*order, fed("/a", "New")).of("demo")["/a"]
        assert (article.title, article.hidden) == ("New", True)
        assert not told(*order).of("demo")["/b"].hidden


def test_show_takes_the_hiding_back_and_nothing_else() -> None:
    """What the feed removed stays away, and is back when the feed publishes it again."""
    articles = told(fed("/a"), hidden("/a"), hidden("/a", hidden=False))
    assert not articles.of("demo")["/a"].hidden
    take(articles, fed("/a", status="removed"))
    assert articles.of("demo")["/a"].hidden
    take(articles, hidden("/a"), hidden("/a", hidden=False))
    assert articles.of("demo")["/a"].hidden
    take(articles, fed("/a"))
    assert not articles.of("demo")["/a"].hidden


def test_an_article_known_by_the_editors_word_alone() -> None:
    """Hidden before any feed has named it; once shown, nothing is known of it."""
    articles = told(hidden("/a"))
    assert articles.of("demo") == {"/a": Article(hidden=True)}
    assert len(articles) == 1
    take(articles, hidden("/a", hidden=False))
    assert articles.of("demo") == {}


def test_a_forgotten_record_takes_only_its_own_word_along() -> None:
    """Each key for itself: the feed's, the editor's, the alias."""
    records = [fed("/a"), hidden("/a"), moved("/a", "/b")]
    for gone in records:
        articles = told(*records)
        take(articles, (gone[0], None))
        left = [change for change in records if change != gone]
        assert articles.of("demo") == told(*left).of("demo")
        assert articles.aliases("demo") == told(*left).aliases("demo")
    articles = told(*records)
    take(articles, *((key, None) for key, _ in records))
    assert (len(articles), articles.aliases("demo")) == (0, {})
    assert articles.sites == {"demo"}


def test_hiding_and_moving_do_not_undo_each_other() -> None:
    """They are separate records: one command never loses the other's word."""
    articles = told(hidden("/a"), moved("/a", "/b"), hidden("/c"), moved("/c", "/d"), moved("/c", None))
    assert articles.aliases("demo") == {"/a": "/b"}
    assert {name for name, article in articles.of("demo").items() if article.hidden} == {"/a", "/c"}


def test_aliases_are_one_hop() -> None:
    """Each leads where the editor set it, also if that has moved itself; the last word of each counts."""
    articles = told(moved("/a", "/x"), moved("/a", "/b"), moved("/b", "/c"))
    assert articles.aliases("demo") == {"/a": "/b", "/b": "/c"}
    assert take(articles, moved("/a", None)) == {"demo"}
    assert articles.aliases("demo") == {"/b": "/c"}
    assert articles.aliases("other") == {}


def test_a_site_has_room_for_so_many_aliases(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """New ones beyond are left out, and one line says so; those that are there still change, and room can be made."""
    monkeypatch.setattr(module, "MAX_ALIASES", 3)
    articles = told(*(moved(f"/{n}", "/x") for n in range(6)))
    assert set(articles.aliases("demo")) == {"/0", "/1", "/2"}
    assert [(record.levelno, record.site) for record in caplog.records] == [(logging.WARNING, "demo")]  # type: ignore[attr-defined]
    take(articles, moved("/0", "/y"), moved("/4", "/x"))
    assert articles.aliases("demo") == {"/0": "/y", "/1": "/x", "/2": "/x"}
    take(articles, moved("/1", None), moved("/4", "/x"))
    assert set(articles.aliases("demo")) == {"/0", "/2", "/4"}
    assert len(caplog.records) == 1


def test_the_command_names_the_limit_of_aliases() -> None:
    """Producers and ranker do not import each other: the number stands in both."""
    told_by_help = CliRunner().invoke(main, ["articles", "alias", "--help"]).output
    assert f"room for {module.MAX_ALIASES:,} aliases" in " ".join(told_by_help.split())


def test_an_id_may_end_like_an_editors_key() -> None:
    """In whatever order they come, the article `a#editor` and the hiding of `a` leave each other alone."""
    odd, moving = fed("a#editor", "An odd id"), fed("a#alias")
    for order in itertools.permutations([fed("a"), odd, hidden("a"), moving, moved("a", "b")]):
        articles = told(*order)
        assert (articles.of("demo")["a#editor"].title, articles.of("demo")["a"].hidden) == ("An odd id", True)
        assert articles.aliases("demo") == {"a": "b"}
        take(articles, (odd[0], None), (moving[0], None))
        assert set(articles.of("demo")) == {"a"}
        assert articles.of("demo")["a"].hidden
        assert articles.aliases("demo") == {"a": "b"}
    take(articles, hidden("a#editor"), moved("a#editor", "a"))
    assert articles.of("demo")["a#editor"].hidden
    assert articles.aliases("demo")["a#editor"] == "a"


@pytest.mark.parametrize("first", [True, False])
def test_of_two_words_the_last_holds_whatever_their_keys(first: bool) -> None:
    """A word of version 0.1 stays in force until there is another one; one that is forgotten leaves the other."""
    for one, other in ((old, lambda word: word), (lambda word: word, old)):
        articles = told(fed("/a"), one(hidden("/a", first)), other(hidden("/a", not first)))
        assert articles.of("demo")["/a"].hidden is not first
        take(articles, (other(hidden("/a"))[0], None))
        assert articles.of("demo")["/a"].hidden is first
        take(articles, (one(hidden("/a"))[0], None))
        assert not articles.of("demo")["/a"].hidden
        articles = told(one(moved("/a", "/b")), other(moved("/a", "/c")))
        assert articles.aliases("demo") == {"/a": "/c"}
        take(articles, one(moved("/a", None)))
        assert articles.aliases("demo") == {}


def test_an_article_takes_an_old_words_key_as_in_the_topic() -> None:
    """The record, not the key, says which it is; what took its key's place before is gone, and a word of today is not."""
    odd, word = fed("a#editor", "An odd id"), old(hidden("a"))
    assert odd[0] == word[0]
    for one, other, ids in ((odd, word, {"a"}), (word, odd, {"a#editor"})):
        articles = told(one, other)
        assert set(articles.of("demo")) == ids
        take(articles, (odd[0], None))
        assert articles.of("demo") == {}
    articles = told(word, hidden("a"), odd)
    assert articles.of("demo")["a"].hidden
    articles = told(old(moved("a", "b")), fed("a#alias"))
    assert (set(articles.of("demo")), articles.aliases("demo")) == ({"a#alias"}, {})


def test_a_feeds_unknown_fields_are_not_the_editors() -> None:
    """Neither read nor in the way of reading the rest."""
    extra = said(
        "/a", status="published", title="T", url="https://x/a", published_at=1, hidden=True, alias_of=5, article="x"
    )
    articles = told(extra)
    assert articles.of("demo")["/a"] == Article("T", "https://x/a", None, None, 1, "published")
    assert articles.aliases("demo") == {}


def test_the_editors_former_records_are_not_read() -> None:
    """Before 0.1.0 the word had the form of an article; it is no fault of the records behind it."""
    former = (b"demo//a#editor", orjson.dumps({"site_id": "demo", "article_id": "/a", "status": "removed"}))
    assert fault(*former)
    articles = told(former, hidden("/b"))
    assert set(articles.of("demo")) == {"/b"}


@pytest.mark.parametrize("alias_of", ["/a", "", "/b c", "x" * 513])
def test_an_alias_leads_to_another_article(alias_of: str) -> None:
    """Neither to itself nor to what no id can be."""
    value = orjson.dumps({"site_id": "demo", "article_id": "/a", "alias_of": alias_of})
    assert fault(b"demo//a#alias", value)
