"""The invented catalogue."""

import re
from collections import Counter

import schemas
from producers.simulate import demo

NOW_MS = 1_795_392_000_000
ARTICLES = demo.articles("demo", NOW_MS)
HOUR_MS = 3_600_000


def test_there_are_some_200_different_articles() -> None:
    """No id, title or address comes twice."""
    assert 190 <= len(ARTICLES) <= 230
    for field in ("article_id", "title", "url"):
        assert len({article[field] for article in ARTICLES}) == len(ARTICLES), field


def test_every_article_is_of_the_contract() -> None:
    """What simulate --demo imports is valid."""
    assert [fault for article in ARTICLES for fault in schemas.faults("article", article)] == []


def test_formats_and_sections_vary() -> None:
    """Enough of each for filters to have something to find."""
    formats = Counter(article["format"] for article in ARTICLES)
    sections = Counter(article["section"] for article in ARTICLES)
    assert {"décryptage", "pépites", "light", "rendez-vous"} <= formats.keys()
    assert {"Politique", "Culture", "Économie"} <= sections.keys()
    assert min(formats.values()) >= 10
    assert min(sections.values()) >= 10


def test_the_typography_is_french() -> None:
    """No-break spaces before : ; ! ? and inside « », ’ for apostrophes, no space that a line could break at them."""
    for article in ARTICLES:
        title = article["title"]
        assert not re.search(r"['\"]|\.\.\.", title), title
        assert not re.search(r"(?<![\u00a0])(?::|»)", title), title
        assert not re.search(r"(?<![\u202f])[;!?]", title), title
        assert not re.search(r"«(?!\u00a0)", title), title
        assert not re.search(r"\d \d", title), title
        assert title.count("«") == title.count("»")
        assert title == title.strip()
        assert title[0].isupper() or title[0] in "«0123456789"


def test_articles_came_out_over_24_days_and_go_on_coming() -> None:
    """The history of `make run` has births on each of its days, and some are born while one looks."""
    ages_h = [(NOW_MS - article["published_at"]) / HOUR_MS for article in ARTICLES]
    assert ages_h == sorted(ages_h, reverse=True)
    assert 23 * 24 < max(ages_h) <= 24 * 24
    births = Counter(int(age // 24) for age in ages_h if age >= 0)
    assert all(births[day] >= 15 for day in range(3)), "the lists of today"
    assert all(births[day] >= 4 for day in range(24))
    still_to_come = [age for age in ages_h if age < 0]
    assert 10 <= len(still_to_come) <= 20
    assert min(still_to_come) > -1
