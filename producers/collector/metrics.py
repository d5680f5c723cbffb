"""The collector's metrics. The help texts are the documentation; docs/reference.md repeats them.

Labels are bounded: routes, statuses and reasons that this code knows; never an article, a site, an address or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ranker.service.metrics import Metrics, counter, gauge, histogram, new_registry, show_build

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from producers.collector.catalogue import Catalogue
    from producers.collector.delivery.spool import Spool

__all__ = ["CollectorMetrics", "new_registry"]

REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""A response waits for Kafka or the disk: some milliseconds are normal, beyond 2 s the spool has taken over."""


class CollectorMetrics(Metrics):
    """Metrics of `producers collect`."""

    requests = counter(
        "collector_requests_total{route,status}",
        "Answered requests by route (its template; other if there is no such route) and HTTP status.",
    )
    request_duration_seconds = histogram(
        "collector_request_duration_seconds{route}",
        "Time from the whole request read until its answer. What was accepted is then in Kafka or on the disk.",
        REQUEST_S,
    )
    events = counter(
        "collector_events_total{to}",
        "Accepted events, by what had made them durable when they were acknowledged: kafka or spool.",
    )
    rejected_events = counter(
        "collector_rejected_events_total{reason}",
        "Single events refused, by reason: invalid, not_public, foreign_site, future, late, new_articles.",
    )
    refused_requests = counter(
        "collector_refused_requests_total{reason}",
        "Requests refused as a whole, by reason: foreign_origin, unknown_site, cross_site, write_key, "
        "media_type, malformed, too_large, all_rejected, new_articles, head, slow, client_rate, key_rate, "
        "full, connections, http, failed.",
    )
    ignored_events = counter(
        "collector_ignored_events_total{reason}",
        "Events accepted but not passed on, by reason: prefetch (no view), client_article_hour (more than the "
        "setting of that name allows one client).",
    )
    beacons = counter(
        "collector_beacons_total{tracker,read_as}",
        "Beacons of other analytics (matomo, plausible, umami, goatcounter), by what they were read as: view, which is "
        "an event from there on, or what is passed over: no_page_view (events, goals, heartbeats), own_time (not of "
        "now), no_web_address (a page of an app or a file), no_article (the site's rule for ids finds none in the "
        "page's address), unknown_id (no site has this id of theirs), other_site (its page is another site's), "
        "malformed.",
    )
    spool_events = gauge("collector_spool_events", "Events on the disk that wait for Kafka.")
    spool_bytes = gauge(
        "collector_spool_bytes",
        "Bytes that the spool's file takes of the limit. It is not 0 without events, because SQLite keeps its "
        "log and pages for a while.",
    )
    spool_limit_bytes = gauge(
        "collector_spool_limit_bytes", "The limit (collect.spool_mb). When it is reached, the answer is 503."
    )
    spool_nearly_full = gauge("collector_spool_nearly_full", "1 if the spool takes 80 % of the limit or more.")
    spool_oldest_seconds = gauge("collector_spool_oldest_seconds", "How long the oldest event in the spool has waited.")
    resent_events = counter(
        "collector_resent_events_total",
        "Events sent again although the log may already have them, after a crash or a late answer.",
    )
    catalogue_articles = gauge(
        "collector_catalogue_articles",
        "Articles of the catalogue (topic articles) that the collector knows, of all its sites.",
    )
    new_articles_left = gauge(
        "collector_new_articles_left",
        "Share, from 1 to 0, that is left of what articles that the catalogue does not know may cost, new or "
        "counted again (the lower of both), for the site that has least. At 0 a new one is accepted once two "
        "addresses have named it, and a known one if it has been counted in this minute. Below 0.2, look who "
        "names them.",
    )
    kafka_up = gauge("collector_kafka_up", "1 while Kafka acknowledges, 0 while events go to the disk.")
    connections = gauge("collector_connections", "Open connections on the public port.")
    visitors_without_salt = counter(
        "collector_visitors_without_salt_total",
        "Events sent without a visitor_id, because Redis gave no salt of the day.",
    )
    repeat_keys_without_salt = counter(
        "collector_repeat_keys_without_salt_total",
        "Events sent without the repeat_key that a rule needs, because Redis gave no salt of the day: reloads among "
        "them are counted.",
    )

    crawler_list_info = gauge(
        "collector_crawler_list_info{list,version}",
        "1: the lists that crawlers are recognised by, with their versions.",
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        show_build(registry, "collector", "collect")
        super().__init__(registry)

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
