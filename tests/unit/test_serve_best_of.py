"""Documents in every form: hostile texts are texts, a mail stays small, a text has its columns; words in both languages."""

import html.parser
import re
from datetime import date
from importlib import resources
from typing import Any
from urllib.parse import unquote

import feedparser
import orjson
import pytest

from ranker.core.best_of import Key, Row
from ranker.lists.archive import Archive
from ranker.serve.api.best_of import Delivered, delivered
from ranker.serve.api.best_of_request import Sight, existing_archive
from ranker.serve.http.problems import ProblemError
from ranker.serve.live.board import Board
from ranker.serve.live.published import Ages
from ranker.serve.pages.best_of import feeds
from ranker.serve.pages.best_of.fragment import best_of_fragment
from ranker.serve.pages.best_of.mail import COLUMNS, MAX_MAIL_BYTES, mail, text
from ranker.serve.pages.best_of.page import page
from ranker.serve.pages.best_of.rows import best_of_words
from ranker.serve.pages.best_of.sheet import Sheet, sheet
from ranker.serve.pages.block import Block
from ranker.settings import Site
from tests.support.best_of_documents import SATURDAY, calendar, made

KEY = Key("demo", "week", SATURDAY, "read")
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '" onmouseover="alert(3)" x=\'',
    "]]> &amp; &lt;b&gt; --> <!--",
    "deux\nlignes\r\nou\u2028trois",
    "\u202eà l’envers\u202c et \u2067isolé",
    "{{ 7 * 7 }} {% if %}",
    "\x00\x01\x1b[31m\ufffe",
    "très " * 200,
    "x" * 1000,
    "</style></title></table></template>",
)
ROWS = [
    Row(f"/{n}{title[:40]}", 100 - n, title, f"https://demo.example/{n}?a=1&b=\"'<>", title[:60], title[:60])
    for n, title in enumerate(HOSTILE)
]
ROWS.append(Row("/javascript", 1, "Adresse", "javascript:alert(4)"))


def of(rows: list[Row], lang: str = "fr", title: str = "Le <Courrier>", places: int = 200) -> tuple[Sheet, Delivered]:
    document = orjson.loads(made(KEY, rows, places=places))
    content = delivered(document, lambda _: False, Sight(counts=True, positions=True), None)
    found = Delivered(content, len(rows), {"read": 1}, date(2026, 11, 14), None)
    return sheet(found, title, lang), found


class _Tags(html.parser.HTMLParser):
    """Every tag with its attributes, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def forms() -> dict[str, str]:
    """Every form that is HTML."""
    shown, found = of(ROWS)
    entry = orjson.loads(feeds.json_feed([shown], "Titre", "fr"))["items"][0]
    return {
        "page": page(shown, found, KEY, "/page/x"),
        "mail": mail(shown).decode(),
        "fragment": best_of_fragment(Block(), shown, SATURDAY).decode(),
        "feed": entry["content_html"],
    }


@pytest.mark.parametrize("form", ["page", "mail", "fragment", "feed"])
def test_hostile_texts_are_texts(form: str) -> None:
    """No tag, attribute or address of theirs comes to life; the text is there for who reads it."""
    markup = forms()[form]
    parsed = _Tags(markup)
    scripts = [attributes for tag, attributes in parsed.tags if tag == "script"]
    assert scripts == ([{"type": "application/ld+json"}] if form == "page" else [])
    for tag, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert "javascript:" not in (attributes.get("href") or "")
    links = [attributes["href"] for tag, attributes in parsed.tags if tag == "a" and attributes.get("href")]
    assert [link for link in links if link and link.startswith("https://demo.example/")] == [
        row.url for row in ROWS if row.url and row.url.startswith("https")
    ]
    assert "<script>alert(1)</script>" in parsed.text
    assert "{{ 7 * 7 }}" in parsed.text


def test_the_list_for_search_engines_cannot_end_its_script() -> None:
    """Escaped so that it is the same JSON, and holds no angle bracket."""
    markup = forms()["page"]
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', markup, re.DOTALL)
    assert found is not None
    assert not set("<>&'") & set(found[1])
    items = orjson.loads(found[1])["itemListElement"]
    assert [item["name"] for item in items[:3]] == list(HOSTILE[:3])
    assert [item["position"] for item in items] == list(range(1, len(ROWS) + 1))
    assert "url" not in items[-1]


def test_feeds_are_sound() -> None:
    """RSS that parsers take, with what XML cannot hold left out; the JSON has the same entries."""
    shown, _ = of(ROWS)
    found = feedparser.parse(feeds.rss([shown], "Titre \x01 & <b>", "fr"))
    assert not found.bozo, found.get("bozo_exception")
    (entry,) = found.entries
    assert (entry.id, entry.guidislink) == ("demo/best-of/week/2026-11-21/read", False)
    assert unquote(entry.link) == ROWS[0].url
    assert "alert(1)" in entry.description
    feed = orjson.loads(feeds.json_feed([shown], "Titre", "fr"))
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert (feed["items"][0]["id"], feed["items"][0]["date_published"]) == (entry.id, "2026-11-28T05:00:00.000Z")


def test_a_text_has_its_columns() -> None:
    """No line is longer, but for an address; no control, no turned direction, no line end of a title."""
    shown, _ = of(ROWS)
    lines = text(shown).decode().split("\n")
    assert all(len(line) <= COLUMNS or line.startswith("     https://") for line in lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\n".join(lines))
    assert "  5. deux lignes ou trois" in lines
    assert [int(number) for number in re.findall(r"^ *(\d+)\. ", "\n".join(lines), re.MULTILINE)] == list(
        range(1, len(ROWS) + 1)
    )


@pytest.mark.parametrize("char", ["x", "é", '"', "&", "<", "\U0001f4f0"])
def test_the_largest_document_is_a_small_mail(char: str) -> None:
    """200 places with titles, addresses and all else as long as they may be, and the longest reason for a revision."""
    rows = [
        Row(
            f"/{n}".ljust(512, "x"),
            10**9 - n,
            char * 1000,
            "https://demo.example/".ljust(2048, char),
            char * 64,
            char * 64,
        )
        for n in range(200)
    ]
    document = orjson.loads(made(KEY._replace(revision=2), rows, places=200, lost=1))
    document |= {"why": char * 500, "replaces": 1, "changed": []}
    content = delivered(document, lambda _: False, Sight(counts=True, positions=True), None)
    shown = sheet(Delivered(content, 200, {"read": 2}, None, None), char * 200, "fr")
    written = mail(shown)
    places = written.count(b'class="rank"')
    assert len(written) <= MAX_MAIL_BYTES
    assert places >= 5
    assert f"et {200 - places} autres" in written.decode()


def test_a_usual_mail_has_fifty_places() -> None:
    """And loads nothing: no picture, no script, no style of elsewhere; the style is in its tags, dark mode above."""
    rows = [
        Row(
            f"/{n}",
            999 - n,
            f"Un titre d’une longueur ordinaire, comme il y en a {n}",
            f"https://demo.example/{n}/article",
        )
        for n in range(100)
    ]
    shown, _ = of(rows)
    written = mail(shown).decode()
    parsed = _Tags(written)
    assert written.count('class="rank"') == 50
    assert "et 50 autres" in written
    assert not {tag for tag, _ in parsed.tags} & {"img", "script", "link", "iframe", "svg"}
    assert "url(" not in written
    assert "prefers-color-scheme: dark" in written
    assert all("style" in attributes for tag, attributes in parsed.tags if tag == "a")


def test_a_list_without_articles() -> None:
    """It says so, in every form."""
    shown, found = of([])
    for written in (page(shown, found, KEY, "/page/x"), mail(shown).decode(), text(shown).decode()):
        assert "Aucun article" in written
    assert orjson.loads(feeds.json_feed([shown], "x", "fr"))["items"][0]["content_html"]


def test_without_the_catalogue_nothing_is_delivered() -> None:
    """Nobody would know what was taken down: not if it was never whole, nor if it is older than any list may be."""
    now_ms = 10_000
    board = Board({"demo": Site("Le Courrier", calendar=calendar())}, Ages(1000, 2000), lambda: now_ms)
    board.archive = Archive(None)
    for is_read, known, read_ms in ((False, True, now_ms), (True, False, now_ms), (True, True, now_ms - 2001)):
        board.archive.is_read, board.takedowns_known, board.articles_read_ms = is_read, known, read_ms
        with pytest.raises(ProblemError) as refused:
            existing_archive(board, "demo")
        assert refused.value.status == 503
    board.articles_read_ms = now_ms - 2000
    assert existing_archive(board, "demo") is board.archive


def test_every_word_in_both_languages() -> None:
    """The same texts with the same places to fill; French typography."""
    words: dict[str, Any] = orjson.loads(
        resources.files("ranker.serve.pages").joinpath("best_of/words.json").read_bytes()
    )

    def texts(said: Any, path: str = "") -> dict[str, str]:
        if isinstance(said, str):
            return {path: said}
        return {key: one for name, inner in said.items() for key, one in texts(inner, f"{path}.{name}").items()}

    french, english = texts(words["fr"]), texts(words["en"])
    assert french.keys() == english.keys()
    for key, said in french.items():
        if ".ranges." not in key:
            assert set(re.findall(r"\{\w+\}", said)) == set(re.findall(r"\{\w+\}", english[key])), key
        assert "'" not in said, key
        assert not re.search(r"(?<![\u00a0\u202f{\w])[:;?!»](?!\w)| [:;?!»]", said), key
    assert set(best_of_words()) == {"fr", "en"}
