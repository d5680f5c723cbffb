"""Made-up page views of one known shape, and what a right count of them must be."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ranker.core.home import home

SITE = "demo"
TYPES = ("view", "share", "comment")
SHARES = (0.97, 0.02, 0.01)
"""Of views, shares and comments among the events."""
ARTICLES = 12_500
EVENTS_PER_MINUTE = 10_000
"""With 12,500 articles by Zipf's law: 4 million events are 1.19 million distinct (article, minute) pairs."""
EVENT_BYTES = 157
CHUNK_EVENTS = 10_000

OWN_FORM = (
    '{"event_id":"%s","event_type":"%s","site_id":"' + SITE + '","article_id":"%s","occurred_at":%s,'
    '"agent_class":"person"}'
)


REAL_FORM = (
    '{"event_id":"%s","event_type":"%s","site_id":"' + SITE + '","article_id":"%s","occurred_at":%s,'
    '"repeat_key":"%016x","producer_id":"%s","sequence":%d}'
)
"""What a collector writes: an id of its own for each event and reader, and the producer's sequence."""


@dataclass
class Backlog:
    """Seeded events, `EVENT_BYTES` long each, in order of time and ending at `end_ms`; what was made is in `known`."""

    events: int
    partitions: int
    end_ms: int
    articles: int = ARTICLES
    per_minute: int = EVENTS_PER_MINUTE
    seed: int = 20150517
    id_length: int = 7
    known: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in TYPES})
    """Event type to article to count."""

    def ids(self) -> list[str]:
        """Article ids of `id_length` characters, 7 at least, the most read first; their order by name says nothing."""
        numbers = list(range(self.articles))
        random.Random(self.seed).shuffle(numbers)
        return [f"a{number:06d}".ljust(self.id_length, "-") for number in numbers]

    def drawn(self) -> Iterator[list[tuple[int, str, str, int]]]:
        """Lists of (number, event type, article, time in milliseconds), some thousands each."""
        rng = random.Random(self.seed)
        ids = self.ids()
        cumulative = list(itertools.accumulate(1 / rank for rank in range(1, self.articles + 1)))
        step_ms = 60_000 / self.per_minute
        start_ms = self.end_ms - self.events * step_ms
        for first in range(0, self.events, CHUNK_EVENTS):
            count = min(CHUNK_EVENTS, self.events - first)
            articles = rng.choices(ids, cum_weights=cumulative, k=count)
            kinds = rng.choices(TYPES, SHARES, k=count)
            for (kind, article), seen in Counter(zip(kinds, articles, strict=True)).items():
                self.known[kind][article] += seen
            yield [
                (number, kind, article, int(start_ms + number * step_ms))
                for number, kind, article in zip(range(first, first + count), kinds, articles, strict=True)
            ]

    def chunks(self) -> Iterator[list[tuple[int, bytes, bytes]]]:
        """Lists of (partition, key, value)."""
        homes, own = self.homes(), form(OWN_FORM, self.end_ms)
        for drawn in self.drawn():
            yield [(*homes[article], own(number, kind, article, time_ms)) for number, kind, article, time_ms in drawn]

    def real_chunks(self) -> Iterator[list[tuple[int, bytes, bytes]]]:
        """As `chunks`, in `REAL_FORM`: each event of another reader, of one producer for each partition."""
        homes, sequences = self.homes(), Counter[int]()
        for drawn in self.drawn():
            made = []
            for number, kind, article, time_ms in drawn:
                partition, key = homes[article]
                sequences[partition] += 1
                event_id = f"{number * 0x9E3779B97F4A7C15 % (1 << 128):032x}"
                named = event_id, kind, article, time_ms, number, f"collector-{partition}", sequences[partition]
                made.append((partition, key, (REAL_FORM % named).encode()))
            yield made

    def homes(self) -> dict[str, tuple[int, bytes]]:
        """Article to its partition and key."""
        keys = {article: f"{SITE}/{article}".encode() for article in self.ids()}
        return {article: (home(key, self.partitions), key) for article, key in keys.items()}


def form(text: str, longest_time: object) -> Callable[[int, str, str, object], bytes]:
    """Makes a record's value, `EVENT_BYTES` long, of a form with places for number, event type, article and time."""
    # What is left of 157 bytes is the event's id: a number filled up with zeros.
    width = {kind: EVENT_BYTES - len(text % ("", kind, "a000000", longest_time)) for kind in TYPES}

    def value(number: int, kind: str, article: str, time: object) -> bytes:
        return (text % (f"{number:0{width[kind]}d}", kind, article, time)).encode()

    return value
