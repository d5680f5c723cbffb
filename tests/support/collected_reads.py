"""Requests of made-up readers, through the collector's own code from a request to the record, without a server."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from producers.collector.arrivals import Arrivals
from producers.collector.authorize import Speaker
from producers.collector.http.request import Request
from producers.collector.metrics import CollectorMetrics
from producers.collector.settings import RuleNeeds
from producers.collector.validate import FaultError, views
from producers.event import stamped
from ranker.service.address import Address
from tests.support.defaults import LONGEST_WINDOW_MS, collector_site
from tests.support.raw_records import Given

NEEDS = RuleNeeds(frozenset({"view"}))


class Reader(NamedTuple):
    address: Address
    agent: str


class Read(NamedTuple):
    """A request of its own for one event."""

    at_ms: int
    reader: Reader
    site: str
    article: str
    event_id: str


class DaySalts:
    """A salt for every day; no salt at all for `seed` None."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def of(self, day: int) -> bytes | None:
        return None if self._seed is None else random.Random(f"{self._seed} {day}").randbytes(32)


class _Bounds:
    longest_window_ms = LONGEST_WINDOW_MS


def random_readers(count: int, rng: random.Random) -> list[Reader]:
    """Different ones, who share addresses and agents: one in four by IPv6, each in a network of its own."""
    agents = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{one}.0) Gecko/20100101 Firefox/{one}.0" for one in range(90, 146)]
    found: dict[Reader, None] = {}
    while len(found) < count:
        network = rng.getrandbits(64) >> 3 | 1 << 61  # 2000::/3
        v6: Address = ipaddress.IPv6Address(network << 64 | rng.getrandbits(64))
        v4 = ipaddress.IPv4Address(rng.getrandbits(32))
        address = v6 if rng.random() < 0.25 else v4
        for agent in rng.sample(agents, rng.choice((1, 1, 2))):
            found[Reader(address, agent)] = None
    return list(found)[:count]


class Collected:
    """One collector. `visitors` is that of each site; `salts` by default a fixed one for each day."""

    def __init__(self, needs: RuleNeeds = NEEDS, *, visitors: bool = False, seed: int | None = 1) -> None:
        self.registry = CollectorRegistry()
        unreal: Any = DaySalts(seed), _Bounds()
        self._arrivals = Arrivals(unreal[0], needs, unreal[1], CollectorMetrics(self.registry))
        self._site = replace(collector_site(), visitors=visitors)

    def records(self, reads: Iterable[Read], **headers: str) -> list[Given]:
        """A record for each, in this order, appended when it was read."""
        more = {name.lower().replace("_", "-").encode(): text.encode() for name, text in headers.items()}
        found = []
        for number, read in enumerate(reads):
            agent = {b"user-agent": read.reader.agent.encode()}
            request = Request("POST", "/v1/events", b"", agent | more, read.reader.address, b"")
            speaker = Speaker(read.site, self._site, keyed=False)
            arrival = self._arrivals.of(request, speaker, read.at_ms)
            (view,) = views([{"article_id": read.article, "event_id": read.event_id}], speaker, arrival)
            assert not isinstance(view, FaultError)
            self._arrivals.count_missing([view], request, speaker)
            found.append(Given(number, read.at_ms, *stamped(view, "collector/1", number)))
        return found

    def without_salt(self) -> tuple[float | None, float | None]:
        """What the metrics say: of repeat_keys, of visitor_ids."""
        names = (f"collector_{one}_without_salt_total" for one in ("repeat_keys", "visitors"))
        keys, visitors = map(self.registry.get_sample_value, names)
        return keys, visitors
