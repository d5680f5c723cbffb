"""The templates of pages: what strangers wrote stays text, and a name that nobody knows is an error."""

import jinja2
import pytest

from ranker.serve.pages.block import Block
from ranker.serve.pages.templates import environment

EVIL = '<img src=x onerror="alert(1)"></template></style><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("https://a.example/?a=1&b=2", ' href="https://a.example/?a=1&amp;b=2"'),
        ('HTTP://a.example/"onclick="alert(1)', ' href="HTTP://a.example/&#34;onclick=&#34;alert(1)"'),
        ("javascript:alert(1)", ""),
        ("//evil.example", ""),
        (None, ""),
    ],
)
def test_what_strangers_wrote_is_text(url: str | None, linked: str) -> None:
    """Titles, ids, sections, formats and boards; an address is a link if it is one of the web."""
    item = {
        "rank": 1,
        "article_id": EVIL,
        "count": 3,
        "section": EVIL,
        "format": EVIL,
        "url": url,
        "published_at": None,
    }
    content = {
        "board": EVIL,
        "window": {"name": "24h"},
        "as_of": "2026-11-23T01:17:04.735Z",
        "stale": False,
        "complete": True,
        "items": [{**item, "title": EVIL}, {**item, "title": None}],
    }
    text = Block().fragment(content, "fr", 1_795_000_000_000).decode()
    assert text.count("&lt;img src=x") == 7
    assert "<img" not in text
    assert "<script" not in text
    assert text.count("</template>") == text.count("</style>") == 1
    assert text.count(f'<a part="link"{linked}>&lt;img') == 2


def test_an_unknown_name_is_an_error() -> None:
    """A page with a gap would be served for days before anybody saw it."""
    for source in ("{{ nothing }}", "{{ words.nothing }}"):
        with pytest.raises(jinja2.UndefinedError):
            environment.from_string(source).render(words={})


def test_words_come_before_methods() -> None:
    """`clear` and `items` are names that dictionaries have for something else."""
    assert environment.from_string("{{ words.clear }}").render(words={"clear": "Tout afficher"}) == "Tout afficher"
