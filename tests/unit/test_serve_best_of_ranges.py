"""Days and weeks in words: the issue's examples, and every period of 14 years read back."""

import re
from datetime import date, timedelta

import pytest

from ranker.serve.pages.best_of.rows import best_of_words
from ranker.serve.pages.ranges import last_day, range_words

WORDS = best_of_words()
MONTHS: dict[str, list[str]] = {lang: words["months"].split() for lang, words in WORDS.items()}


@pytest.mark.parametrize(
    ("kind", "first", "french", "english"),
    [
        ("week", date(2026, 11, 21), "du 21 au 27 novembre 2026", "21–27 November 2026"),
        ("week", date(2026, 11, 28), "du 28 novembre au 4 décembre 2026", "28 November – 4 December 2026"),
        ("week", date(2027, 5, 1), "du 1ᵉʳ au 7 mai 2027", "1–7 May 2027"),
        (
            "week",
            date(2026, 12, 26),
            "du 26 décembre 2026 au 1ᵉʳ janvier 2027",
            "26 December 2026 – 1 January 2027",
        ),
        ("week", date(2024, 2, 24), "du 24 février au 1ᵉʳ mars 2024", "24 February – 1 March 2024"),
        ("week", date(2026, 5, 23), "du 23 au 29 mai 2026", "23–29 May 2026"),
        ("day", date(2026, 11, 21), "du samedi 21 novembre 2026", "Saturday 21 November 2026"),
        ("day", date(2026, 8, 1), "du samedi 1ᵉʳ août 2026", "Saturday 1 August 2026"),
    ],
)
def test_words(kind: str, first: date, french: str, english: str) -> None:
    """The month once if it is the same, the first day as an ordinal in French, both years across a New Year."""
    assert range_words(kind, first, WORDS["fr"]) == french
    assert range_words(kind, first, WORDS["en"]) == english


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_without_the_year(lang: str) -> None:
    """Only that of today is left out, and never across a New Year."""
    now = date(2026, 11, 29)
    assert "2026" not in range_words("week", date(2026, 11, 21), WORDS[lang], now=now)
    assert "2026" not in range_words("day", date(2026, 11, 21), WORDS[lang], now=now)
    assert "2025" in range_words("week", date(2025, 11, 21), WORDS[lang], now=now)
    both = range_words("week", date(2026, 12, 26), WORDS[lang], now=now)
    assert re.findall(r"\d{4}", both) == ["2026", "2027"]


def read_back(text: str, lang: str) -> tuple[date, date]:
    """First and last day of a week's words, as a reader understands them."""
    months = "|".join(MONTHS[lang])
    first, last = re.split(" au |–", text.removeprefix("du ").replace(" – ", "–").replace("1ᵉʳ", "1"))
    form = rf"(\d+)(?: ({months}))?(?: (\d+))?"
    begins, ends = re.fullmatch(form, first), re.fullmatch(form, last)
    assert begins is not None
    assert ends is not None

    def month(name: str) -> int:
        return MONTHS[lang].index(name) + 1

    to = date(int(ends[3]), month(ends[2]), int(ends[1]))
    return date(int(begins[3] or to.year), month(begins[2] or ends[2]), int(begins[1])), to


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_every_week_is_read_back(lang: str) -> None:
    """All weeks that begin from 2020 to 2033, on any day: the words name the first and the last day and no others."""
    day = date(2020, 1, 1)
    while day.year < 2034:
        text = range_words("week", day, WORDS[lang])
        assert read_back(text, lang) == (day, day + timedelta(days=6)), text
        if lang == "fr":
            assert not re.search(r"\b1 (?!ᵉʳ)", text), text
        day += timedelta(days=1)


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_every_day_is_read_back(lang: str) -> None:
    """All days of a leap year and the one after, with their weekdays."""
    for n in range(731):
        day = date(2024, 1, 1) + timedelta(days=n)
        words = range_words("day", day, WORDS[lang]).removeprefix("du ").replace("1ᵉʳ", "1").split()
        expected = [WORDS[lang]["weekdays"].split()[day.weekday()], str(day.day), MONTHS[lang][day.month - 1]]
        assert words == [*expected, str(day.year)]
        assert last_day("day", day) == day
