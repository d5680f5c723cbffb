"""Article ids of the lengths that are measured, and how often each is read."""

from __future__ import annotations

import itertools
import json
import random
import re
import unicodedata
from collections import Counter
from importlib import resources

SEED = 20150517
KINDS = {
    "7": "ids of 7 characters",
    "80": "ids of 80 characters",
    "80 hex": "ids of 80 characters, 64 of them hexadecimal digits",
}
"""80: a path with the words of a title, drawn from the demonstration's headlines. Hexadecimal: no zlib can help."""
ZIPF_DRAWS = {"view": 0.97, "share": 0.02, "comment": 0.01}
"""Outcome to its share of the events."""


def article_ids(count: int, kind: str) -> list[str]:
    """`count` different ids, the most read first; their order by name says nothing about it."""
    numbers = list(range(count))
    random.Random(SEED).shuffle(numbers)
    if kind == "7":
        return [f"a{number:06d}" for number in numbers]
    rng = random.Random(SEED)
    if kind == "80 hex":
        return [f"/{rng.randrange(2020, 2027)}/{number:06d}/---{rng.getrandbits(256):064x}" for number in numbers]
    known = words()
    return [_path(rng, known, number) for number in numbers]


def drawn(rng: random.Random, articles: int, events: int) -> dict[str, Counter[int]]:
    """Outcome to rank to count: `events` over `articles` by Zipf's law."""
    cumulative = list(itertools.accumulate(1 / rank for rank in range(1, articles + 1)))
    return {
        outcome: Counter(rng.choices(range(articles), cum_weights=cumulative, k=int(events * share)))
        for outcome, share in ZIPF_DRAWS.items()
    }


def expected(articles: int, events: int) -> dict[str, list[int]]:
    """Outcome to the count of each rank, at least 1: what so many events come to on the average."""
    whole = sum(1 / rank for rank in range(1, articles + 1))
    return {
        outcome: [max(1, round(events * share / rank / whole)) for rank in range(1, articles + 1)]
        for outcome, share in ZIPF_DRAWS.items()
    }


def _path(rng: random.Random, words: list[str], number: int) -> str:
    head = f"/{rng.randrange(2020, 2027)}/{rng.randrange(1, 13):02d}/"
    slug = "-".join(rng.choices(words, k=20))
    return f"{head}{slug[: 80 - len(head) - 7]}-{number:06d}"


def words() -> list[str]:
    """Every word of the demonstration's titles as it would stand in a path."""
    text = resources.files("producers.simulate.demo").joinpath("catalogue.json").read_text("utf-8")
    titles = " ".join(article["title"] for article in json.loads(text))
    plain = unicodedata.normalize("NFKD", titles).encode("ascii", "ignore").decode()
    return sorted(set(re.findall("[a-z0-9]+", plain.lower())))
