"""The collector's metrics. The help texts are the documentation; docs/reference.md repeats them.

Labels are bounded: routes, statuses and reasons that this code knows; never an article, a site, an address or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ranker.service.metrics import Metrics, counter, gauge, histogram, new_registry

if TYPE_CHECKING:
    from producers.collector.catalogue import Catalogue
    from producers.collector.delivery.spool import Spool

__all__ = ["CollectorMetrics", "new_registry"]

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""A response waits for Kafka or the disk: some milliseconds are normal, beyond 2 s the spool has taken over."""


class CollectorMetrics(Metrics):
    """Metrics of `producers collect`."""

    requests = counter(
        "collector_requests_total{route,status}",
        "Requests answered, by route (its template, other for what is not served) and HTTP status.",
    )
    request_duration_seconds = histogram(
        "collector_request_duration_seconds{route}",
        "From the whole request read to its answer: what was accepted is then in Kafka or on the disk.",
        REQUEST_S,
    )
    events = counter(
        "collector_events_total{to}",
        "Events accepted, by what had made them durable when they were acknowledged: kafka or spool.",
    )
    rejected_events = counter(
        "collector_rejected_events_total{reason}",
        "Events refused by their place in the request: invalid, not_public, foreign_site, future, late, new_articles.",
    )
    refused_requests = counter(
        "collector_refused_requests_total{reason}",
        "Requests refused as a whole: foreign_origin, unknown_site, cross_site, write_key, media_type, malformed, "
        "too_large, all_rejected, new_articles, head, slow, client_rate, key_rate, full, connections, http, failed.",
    )
    ignored_events = counter(
        "collector_ignored_events_total{reason}",
        "Events accepted and not passed on: prefetch (no view), client_article_hour (more than the setting of that "
        "name from one client).",
    )
    spool_events = gauge("collector_spool_events", "Events on the disk that wait for Kafka.")
    spool_bytes = gauge(
        "collector_spool_bytes",
        "What the spool's file takes of the limit, in bytes; also without events, as SQLite's log and pages stay for a "
        "while.",
    )
    spool_limit_bytes = gauge("collector_spool_limit_bytes", "The limit (collect.spool_mb); at it the answer is 503.")
    spool_nearly_full = gauge("collector_spool_nearly_full", "1 from 80 % of the limit on.")
    spool_oldest_seconds = gauge("collector_spool_oldest_seconds", "How long the oldest of these events has waited.")
    resent_events = counter(
        "collector_resent_events_total",
        "Events sent although the log may have them already: after a crash or a late answer.",
    )
    catalogue_articles = gauge(
        "collector_catalogue_articles",
        "Articles of the catalogue (topic articles) that the collector knows, of all its sites.",
    )
    new_articles_left = gauge(
        "collector_new_articles_left",
        "What is left, from 1 to 0, of what articles that the catalogue does not know may cost, new or counted again "
        "(the lesser), on the site that has least; at 0 a new one is taken once two addresses have named it, and a "
        "known one if it has been counted in this minute. Below 0.2 look who names them.",
    )
    kafka_up = gauge("collector_kafka_up", "1 while Kafka acknowledges, 0 while events go to the disk.")
    connections = gauge("collector_connections", "Connections open on the public port.")
    visitors_without_salt = counter(
        "collector_visitors_without_salt_total",
        "Events that went without a visitor_id since Redis gave no salt of the day.",
    )

    def watch_articles(self, catalogue: Catalogue, left: Callable[[], float]) -> None:
        """Reads these at each scrape."""
        self.catalogue_articles.set_function(lambda: len(catalogue))
        self.new_articles_left.set_function(left)

    def watch(self, spool: Spool) -> None:
        """Reads `spool` at each scrape."""

        def oldest_s() -> float:
            return 0.0 if spool.oldest_ms is None else max(0.0, time.time() - spool.oldest_ms / 1000)

        self.spool_events.set_function(lambda: spool.events)
        self.spool_bytes.set_function(lambda: spool.bytes)
        self.spool_limit_bytes.set_function(lambda: spool.limit_bytes)
        self.spool_nearly_full.set_function(lambda: spool.nearly_full)
        self.spool_oldest_seconds.set_function(oldest_s)
