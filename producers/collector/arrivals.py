"""What the collector itself knows of a request's reader: the kind of agent and, with the day's salt, pseudonyms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from producers import agents
from producers.collector.admission import Bounds
from producers.collector.authorize import Speaker
from producers.collector.http.request import Request
from producers.collector.metrics import CollectorMetrics
from producers.collector.salt import DAY_S, Salts
from producers.collector.settings import RuleNeeds
from producers.collector.validate import Arrival
from producers.event import PageView
from producers.readers import MAX_AGENT, repeat_key, visitor_id
from ranker.service.address import rate_limit_key


class Arrivals:
    """Describes the arrival of each request. `salts` is None if neither a site nor a rule needs any."""

    def __init__(self, salts: Salts | None, needs: RuleNeeds, bounds: Bounds, metrics: CollectorMetrics) -> None:
        self._salts = salts
        self._needs = needs
        self._bounds = bounds
        self._metrics = metrics
        for name, version in agents.LISTS.items():
            metrics.crawler_list_info.labels(list=name, version=version).set(1)

    def of(self, request: Request, speaker: Speaker, now_ms: int) -> Arrival:
        """The address and agent of a server with a key are not those of a reader."""
        if speaker.keyed:
            return Arrival(now_ms, is_bot=False, visitor_id=None, longest_window_ms=self._bounds.longest_window_ms)
        agent = request.headers.get(b"user-agent", b"").decode("latin-1")[:MAX_AGENT]
        visitor = key_of = None
        if self._salts is not None and not request.forbids_linking:
            salt = self._salts.of(now_ms // (DAY_S * 1000))
            if salt is not None:
                if speaker.site.visitors:
                    visitor = visitor_id(salt, speaker.site_id, request.address, agent)
                key_of = partial(repeat_key, salt, speaker.site_id, address=request.address, agent=agent)
        return Arrival(
            now_ms,
            agents.is_bot(agent),
            visitor,
            self._bounds.longest_window_ms,
            rate_limit_key(request.address),
            any(request.address in network for network in self._needs.internal_networks),
            self._needs.repeat_types,
            key_of,
        )

    def count_missing(self, accepted: Sequence[PageView], request: Request, speaker: Speaker) -> None:
        """Counts the accepted events that lack a pseudonym only because there was no salt."""
        if speaker.keyed or request.forbids_linking:
            return
        if speaker.site.visitors:
            self._metrics.visitors_without_salt.inc(sum(view.visitor_id is None for view in accepted))
        keyless = sum(view.repeat_key is None and view.event_type in self._needs.repeat_types for view in accepted)
        self._metrics.repeat_keys_without_salt.inc(keyless)
