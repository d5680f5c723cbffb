"""Events of a known load: rate, articles, lengths of ids, sites, shares; as `ranker size` is told of them."""

from __future__ import annotations

import itertools
import random

from producers.event import PageView, stamped
from ranker.core.sizing.load import Load
from tests.bench import ids

PRODUCER = "collector-1/0123456789ab"


class Drawn:
    """A stream of records; the same arguments give the same articles."""

    def __init__(self, load: Load, seed: int) -> None:
        self._load = load
        self.partitions = load.partitions
        self._rng = random.Random(seed)
        self.ids = article_ids(load.articles, load.id_bytes, load.ids, seed)
        self.sites = [f"site-{number:04d}" if load.sites > 1 else "demo" for number in range(load.sites)]
        self._cumulative = list(itertools.accumulate(rank**-load.zipf for rank in range(1, load.articles + 1)))
        self._types, self._shares = zip(*load.types.items(), strict=True)
        self._last: list[tuple[int, str]] = []
        self.number = 0

    def event(self, at_ms: int) -> tuple[bytes, bytes]:
        """The key and value of the next record, as a collector writes them."""
        rng, load = self._rng, self._load
        kind = rng.choices(self._types, self._shares)[0]
        rank = rng.choices(range(load.articles), cum_weights=self._cumulative)[0]
        reader = f"{rng.getrandbits(64):016x}"
        if self._last and rng.random() < load.repeats:
            rank, reader = rng.choice(self._last)
            kind = "view"
        elif kind == "view":
            self._last = [*self._last[-50:], (rank, reader)]
        self.number += 1
        view = PageView(
            event_id=f"{rng.getrandbits(128):032x}",
            event_type=kind,
            site_id=self.sites[rank % load.sites],
            article_id=self.ids[rank],
            occurred_at=at_ms,
            repeat_key=reader,
            agent_class="bot" if rng.random() < load.bots else "person",
        )
        return stamped(view, PRODUCER, self.number)


def article_ids(count: int, length: int, kind: str, seed: int) -> list[str]:
    """`count` different ids of `length` bytes, the most read first: words of titles, or hexadecimal digits."""
    rng = random.Random(seed)
    words = ids.words()
    made = [_id(rng, words, number, length, kind) for number in range(count)]
    rng.shuffle(made)
    return made


def _id(rng: random.Random, words: list[str], number: int, length: int, kind: str) -> str:
    if kind == "random":
        return "/" + f"{rng.getrandbits(4 * length):0{length}x}"[: length - 1]
    if length <= 10:
        return f"a{number:0{length - 1}d}"
    head = f"/{rng.randrange(2020, 2027)}/{rng.randrange(1, 13):02d}/" if length >= 24 else "/"
    tail = f"-{number:06d}"
    slug = "-".join(rng.choices(words, k=length // 3))
    return head + slug[: length - len(head) - len(tail)] + tail
