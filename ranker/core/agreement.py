"""How far two rankings of the same articles agree: Kendall's tau-b, over the first places of both.

The articles compared are those among the first places of either ranking, each with its count in both (0 if it has
none). Two articles are a concordant pair if both rankings have them in the same order, discordant if in opposite
orders, and tied in a ranking that counts them alike. With n pairs in all, t1 and t2 of them tied in the first and in
the second ranking: tau-b = (concordant - discordant) / sqrt((n - t1) (n - t2)). 1 is the same order, -1 the reverse.

Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945), 239-251. Discordant pairs are counted while
the second ranking is sorted: Knight, "A computer method for calculating Kendall's tau with ungrouped data", Journal of
the American Statistical Association 61 (1966), 436-439.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Agreement(NamedTuple):
    """`common` of the `articles` are among the first places of both. `tau_b` is None if a ranking is all ties."""

    articles: int
    common: int
    tau_b: float | None


def first_places(counts: Mapping[str, int], places: int) -> list[tuple[str, int]]:
    """The first articles above zero in the order of every list: count descending, then article descending by bytes."""
    listed = ((count, article) for article, count in counts.items() if count > 0)
    return [(article, count) for count, article in heapq.nlargest(places, listed)]  # UTF-8 sorts as its code points do


def ranks_of(counts: Mapping[str, int], articles: Iterable[str]) -> dict[str, int | None]:
    """The place of each of these articles, from 1 on; None for one that is not above zero."""
    listed = sorted((count, article) for article, count in counts.items() if count > 0)
    found: dict[str, int | None] = {}
    for article in articles:
        count = counts.get(article, 0)
        found[article] = len(listed) - bisect_left(listed, (count, article)) if count > 0 else None
    return found


def agreement(first: Mapping[str, int], second: Mapping[str, int], places: int) -> Agreement:
    """Of two rankings, by the counts of the articles that are among the first `places` of either."""
    heads = [{article for article, _ in first_places(counts, places)} for counts in (first, second)]
    articles = heads[0] | heads[1]
    pairs = [(first.get(article, 0), second.get(article, 0)) for article in articles]
    return Agreement(len(articles), len(heads[0] & heads[1]), tau_b(pairs))


def tau_b(counts: Sequence[tuple[int, int]]) -> float | None:
    """Kendall's tau-b of each article's two counts; None if a ranking orders no pair."""
    every = _pairs([len(counts)])
    tied_first, tied_second = (_pairs(Counter(count[side] for count in counts).values()) for side in (0, 1))
    tied_both = _pairs(Counter(counts).values())
    if every in (tied_first, tied_second):
        return None
    discordant = 0
    before: list[int] = []
    for _, count in sorted(counts):  # of those tied in the first the smaller comes first: no pair of them is discordant
        discordant += len(before) - bisect_right(before, count)
        insort(before, count)
    concordant = every - tied_first - tied_second + tied_both - discordant
    return (concordant - discordant) / math.sqrt((every - tied_first) * (every - tied_second))


def _pairs(sizes: Iterable[int]) -> int:
    """The number of pairs within groups of these sizes."""
    return sum(size * (size - 1) // 2 for size in sizes)
