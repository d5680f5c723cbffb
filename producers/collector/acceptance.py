"""Accepts the events of a request, whichever route they came by: charged to their sender, admitted, stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from producers.collector.admission import Bounds, admit
from producers.collector.arrivals import Arrivals
from producers.collector.authorize import Speaker
from producers.collector.delivery.outbox import Outbox, OutboxFullError
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request
from producers.collector.metrics import CollectorMetrics
from producers.collector.salt import Salts
from producers.collector.settings import RuleNeeds
from producers.event import PageView
from ranker.service.address import rate_limit_key

RETRY_FULL_S = 10


class Acceptance:
    """`salts` is None if neither a site nor a rule needs any."""

    def __init__(
        self,
        bounds: Bounds,
        outbox: Outbox,
        salts: Salts | None,
        metrics: CollectorMetrics,
        needs: RuleNeeds,
        now_ms: Callable[[], int],
    ) -> None:
        self._bounds = bounds
        self._outbox = outbox
        self._metrics = metrics
        self._drops_internal = needs.drops_internal
        self._arrivals = Arrivals(salts, needs, bounds, metrics)
        self._now_ms = now_ms

    def charge(self, request: Request, speaker: Speaker, count: int) -> None:
        """Raises RefusedError if the key, or without one the address, has sent too much."""
        now_s = self._now_ms() / 1000
        if speaker.keyed:
            wait_s, reason, whose = self._bounds.keys.take(speaker.site_id, count, now_s), "key_rate", "with this key"
        else:
            name = rate_limit_key(request.address)
            wait_s, reason, whose = self._bounds.clients.take(name, count, now_s), "client_rate", "from this address"
        if wait_s:
            raise RefusedError(429, reason, f"Too many events {whose}.", retry_s=wait_s)

    async def accept(self, items: list[Any], request: Request, speaker: Speaker) -> dict[str, Any]:
        """The response: how many events are durable now, and the outcomes of the others.

        Raises RefusedError if every event has a fault.
        """
        if request.is_prefetch:
            self._metrics.ignored_events.labels(reason="prefetch").inc(len(items))
            return {"accepted": 0}
        found = admit(items, speaker, self._arrivals.of(request, speaker, self._now_ms()), self._bounds)
        for fault in found.rejected:
            self._metrics.rejected_events.labels(reason=fault["reason"]).inc()
        if len(found.rejected) == len(items):
            if found.wait_s:
                raise RefusedError(
                    429, "new_articles", "Too many new articles.", retry_s=found.wait_s, rejected=found.rejected
                )
            raise RefusedError(400, "all_rejected", "No event was accepted.", rejected=found.rejected)
        if found.accepted:
            await self._store(found.accepted, request, speaker)
        content: dict[str, Any] = {"accepted": len(found.accepted)}
        classes = {view.agent_class for view in found.accepted}
        if classes == {"bot"} or (classes == {"internal"} and self._drops_internal):
            content["counted_as"] = classes.pop()
        if found.rejected:
            content["rejected"] = found.rejected
        if found.not_counted:
            self._metrics.ignored_events.labels(reason="client_article_hour").inc(len(found.not_counted))
            content["not_counted"] = found.not_counted
        return content

    async def _store(self, events: list[PageView], request: Request, speaker: Speaker) -> None:
        try:
            await self._outbox.accept(events)
        except OutboxFullError:
            raise RefusedError(
                503, "full", "Events cannot be stored now; send them again later.", retry_s=RETRY_FULL_S
            ) from None
        self._arrivals.count_missing(events, request, speaker)
