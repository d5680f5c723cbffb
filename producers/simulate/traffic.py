"""Invented traffic as records: a pure function of seed, articles and the requested times."""

from __future__ import annotations

import itertools
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import orjson

from producers import event
from producers.simulate.popularity import DAY_MS, HOUR_MS, MINUTE_MS, TYPES, ArticleModel, Spike, by_hour

Record = tuple[bytes, bytes]

READERS = 50_000

RECENT = 1_000
"""So many views may be reloaded: those of the last minutes."""

LATE_MS = (7 * DAY_MS + 2 * HOUR_MS, 14 * DAY_MS)
"""Age of a late event at the end of its step: beyond the longest window and one of its slices."""

FUTURE_MS = (10 * MINUTE_MS, DAY_MS)
"""How far a future event lies ahead when it is sent: beyond the 5 minutes that clocks may differ."""

_64_BITS = (1 << 64) - 1

STEP_MS = 10 * MINUTE_MS
"""History is drawn in steps of this length; the interest in each article is constant within one."""


@dataclass(frozen=True)
class Shares:
    """Shares of all records, each from 0 to 1, together at most 1; the rest is plain.

    `duplicate` repeats an earlier record byte for byte; `broken` is no page view of the contract. `reload` is another
    view of a recent one's reader and article. `bot` and `internal` are agent classes.
    """

    late: float = 0.0
    future: float = 0.0
    duplicate: float = 0.0
    broken: float = 0.0
    bot: float = 0.0
    reload: float = 0.0
    internal: float = 0.0


class Traffic:
    """A stream of records. The same arguments and the same calls give the same bytes.

    `run` begins every event id: give each run another one. With a `producer_id` events carry it, and their number as
    sequence: without gaps, except for broken records. `kinds` counts the records by kind. As from a collector, a reader
    has another repeat_key on each article; readers come back.
    """

    def __init__(
        self,
        seed: int,
        site: str,
        articles: Sequence[ArticleModel],
        *,
        run: str,
        shares: Shares | None = None,
        spikes: Sequence[Spike] = (),
        weigh_every_ms: int = STEP_MS,
        producer_id: str | None = None,
    ) -> None:
        self.kinds: Counter[str] = Counter()
        self._rng = random.Random(f"{seed}:{run}")  # noqa: S311 - traffic, not secrets
        self._articles = articles
        self._spikes = [
            (article, one) for one in spikes for article in articles if article.article_id == one.article_id
        ]
        self._shares = asdict(shares or Shares())
        self._owed = dict.fromkeys(self._shares, 0.0)
        self._weigh_every_ms = weigh_every_ms
        self._weighed: tuple[int, list[int], list[float]] | None = None
        self._number = itertools.count()
        self._readers = [self._rng.getrandbits(64) for _ in range(READERS)]
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT)
        self._factors = [self._rng.getrandbits(64) | 1 for _ in articles for _ in TYPES]
        self._keys = [event.key(site, article.article_id) for article in articles for _ in TYPES]
        self._templates = [
            _template(run, kind, site, article.article_id, producer_id) for article in articles for kind in TYPES
        ]
        self._is_numbered = producer_id is not None

    def history(self, from_ms: int, to_ms: int, count: int) -> Iterator[tuple[int, list[Record]]]:
        """About `count` records between the two times, in order, spread by the time of day: (end, records) by step.

        Late and future events are so whether they are appended at their step's end or when they are sent, at `to_ms`.
        """
        steps = range(from_ms, to_ms, STEP_MS)
        curve = [by_hour(step) for step in steps]
        total = sum(curve)
        owed = 0.0
        for step, height in zip(steps, curve, strict=True):
            owed += count * height / total
            whole = round(owed)
            owed -= whole
            end = min(step + STEP_MS, to_ms)
            yield end, self.burst(step, end, whole, to_ms)

    def burst(self, from_ms: int, to_ms: int, count: int, now_ms: int) -> list[Record]:
        """`count` records of [from_ms, to_ms), in order, sent at `now_ms`; none while no article is published."""
        columns, cumulated = self._weigh(from_ms)
        if not columns or count <= 0:
            return []
        rng = self._rng
        drawn = rng.choices(columns, cum_weights=cumulated, k=count)
        times = sorted(rng.choices(range(from_ms, max(to_ms, from_ms + 1)), k=count))
        special = self._special(count)
        for place, kind in special.items():
            if kind == "late":
                times[place] = to_ms - rng.randrange(*LATE_MS)
            elif kind == "future":
                times[place] = now_ms + rng.randrange(*FUTURE_MS)
        readers = rng.choices(self._readers, k=count)
        self._reload(drawn, readers, special)
        keys, templates, factors = self._keys, self._templates, self._factors
        marks = [reader * factors[n] & _64_BITS for n, reader in zip(drawn, readers, strict=True)]
        repeats = self._repeats(special)
        # A repeat has the number of the record that it repeats, and uses none.
        numbers = [0 if place in repeats else next(self._number) for place in range(count)] if repeats else self._number
        rows = zip(drawn, times, marks, numbers, strict=False)
        if self._is_numbered:
            records = [(keys[n], templates[n] % (number, at, mark, number)) for n, at, mark, number in rows]
        else:
            records = [(keys[n], templates[n] % (number, at, mark)) for n, at, mark, number in rows]
        self._spoil(records, special)
        for place, earlier in repeats.items():
            records[place] = records[earlier]
        return records

    def _weigh(self, at_ms: int) -> tuple[list[int], list[float]]:
        """The columns (an article and a type each) with events at a moment, and their cumulated weights."""
        turn = at_ms // self._weigh_every_ms
        if self._weighed is not None and self._weighed[0] == turn:
            return self._weighed[1], self._weighed[2]
        interests = [article.interest(at_ms) for article in self._articles]
        plain = sum(interests)
        for article, one in self._spikes:
            share = one.share(at_ms)
            interests[self._articles.index(article)] += plain * share / (1.0 - share)
        columns: list[int] = []
        weights: list[float] = []
        for place, (article, interest) in enumerate(zip(self._articles, interests, strict=True)):
            if interest > 0.0:
                columns += range(place * len(TYPES), (place + 1) * len(TYPES))
                weights += [interest * share for share in article.by_type()]
        self._weighed = turn, columns, list(itertools.accumulate(weights))
        return self._weighed[1], self._weighed[2]

    def _special(self, count: int) -> dict[int, str]:
        """Place to kind of the records that are not plain. Shares are exact: rests are carried to the next call."""
        kinds: list[str] = []
        for kind, share in self._shares.items():
            self._owed[kind] += share * count
            whole = min(int(self._owed[kind]), count - len(kinds))
            self._owed[kind] -= whole
            kinds += [kind] * whole
        self.kinds["plain"] += count - len(kinds)
        self.kinds.update(kinds)
        return dict(zip(self._rng.sample(range(count), len(kinds)), kinds, strict=True)) if kinds else {}

    def _repeats(self, special: dict[int, str]) -> dict[int, int]:
        """Place of each duplicate to the place before it, in the same burst, that it repeats."""
        repeats: dict[int, int] = {}
        for place in [place for place in sorted(special) if special[place] == "duplicate"]:
            earlier = next((back for back in range(place - 1, -1, -1) if back not in special), None)
            if earlier is None:
                self._take_back(place, special)
            else:
                repeats[place] = earlier
        return repeats

    def _reload(self, drawn: list[int], readers: list[int], special: dict[int, str]) -> None:
        """Makes the views that are reloads those of recent readers, and remembers the latest others."""
        for place in [place for place, kind in special.items() if kind == "reload"]:
            if self._recent:
                drawn[place], readers[place] = self._rng.choice(self._recent)
            else:
                self._take_back(place, special)
        latest = zip(drawn[-RECENT:], readers[-RECENT:], strict=True)
        self._recent.extend((n, reader) for n, reader in latest if n % len(TYPES) == 0)

    def _take_back(self, place: int, special: dict[int, str]) -> None:
        """Makes a record plain that cannot be what it should; the share is made up later."""
        kind = special.pop(place)
        self.kinds.update({kind: -1, "plain": 1})
        self._owed[kind] += 1

    def _spoil(self, records: list[Record], special: dict[int, str]) -> None:
        """Changes bot and broken records in place."""
        for place in sorted(special):
            key, value = records[place]
            if special[place] in ("bot", "internal"):
                records[place] = key, value.replace(b'"unknown"', b'"%b"' % special[place].encode())
            elif special[place] == "broken":
                records[place] = key, _broken(self._rng, value)


def _template(run: str, event_type: str, site: str, article_id: str, producer_id: str | None) -> bytes:
    """A value as JSON with places for number (hexadecimal), time, reader and, with a producer, number again.

    0.5 µs instead of 1.5 for encoding.
    """
    head = f'{{"event_id":"{run}-'.encode()
    named = b'","event_type":"%b","site_id":%b,"article_id":%b' % (
        event_type.encode(),
        orjson.dumps(site),
        orjson.dumps(article_id),
    )
    tail = b',"occurred_at":%d,"repeat_key":"%016x","agent_class":"unknown"'
    if producer_id is not None:
        tail += b',"producer_id":' + orjson.dumps(producer_id).replace(b"%", b"%%") + b',"sequence":%d'
    return head.replace(b"%", b"%%") + b"%x" + named.replace(b"%", b"%%") + tail + b"}"


def _broken(rng: random.Random, value: bytes) -> bytes:
    """One of the faults that producers really have."""
    return rng.choice(
        (
            value[: len(value) // 2],
            value.replace(b'"event_id"', b'"id"'),
            value.replace(b'"occurred_at":', b'"occurred_at":-'),
            value.replace(b'"event_type":"', b'"event_type":"Page '),
            value.replace(b'"article_id":"', b'"article_id":"not an id '),
            b"\xff" + value,
            b"",
        )
    )
