"""The collector's metrics. Its declarations are the documentation; docs/metrics.md is made of them.

Labels are bounded: routes, statuses and reasons that this code knows; never an article, a site, an address or a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ranker.service.metrics import Metrics, counter, gauge, histogram, new_registry, show_build
from ranker.service.runbook import Section

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
        "Of 503: the spool is full. Of 4xx: see collector_refused_requests_total.",
        Section.COLLECTOR_REFUSES,
        most=200,
    )
    request_duration_seconds = histogram(
        "collector_request_duration_seconds{route}",
        "Time from the whole request read until its answer. What was accepted is then in Kafka or on the disk.",
        "Kafka or the disk is slow; at 2 s and more events go to the spool.",
        Section.KAFKA_SLOW,
        most=20,
        buckets=REQUEST_S,
    )
    events = counter(
        "collector_events_total{to}",
        "Accepted events, by what had made them durable when they were acknowledged: kafka or spool.",
        "Of spool: Kafka does not acknowledge in time.",
        Section.KAFKA_LOST,
        most=2,
    )
    rejected_events = counter(
        "collector_rejected_events_total{reason}",
        "Single events refused, by reason: invalid, not_public, foreign_site, future, late, new_articles.",
        "A page or a system sends what is no view of its site; of new_articles: somebody invents articles.",
        Section.COLLECTOR_REFUSES,
        most=6,
    )
    refused_requests = counter(
        "collector_refused_requests_total{reason}",
        "Requests refused as a whole, by reason: foreign_origin, unknown_site, cross_site, write_key, "
        "media_type, malformed, too_large, all_rejected, new_articles, head, slow, client_rate, key_rate, "
        "full, connections, http, failed.",
        "Of full: events are being lost. Of write_key: a sender has an old key. Of client_rate: bots, or a proxy that "
        "is not named in collect.proxies.",
        Section.COLLECTOR_REFUSES,
        most=17,
    )
    ignored_events = counter(
        "collector_ignored_events_total{reason}",
        "Events accepted but not passed on, by reason: prefetch (no view), client_article_hour (more than the "
        "setting of that name allows one client).",
        "Of client_article_hour: somebody reads one article again and again, so as to push it.",
        Section.BOT_ATTACK,
        most=2,
    )
    beacons = counter(
        "collector_beacons_total{tracker,read_as}",
        "Beacons of other analytics (matomo, plausible, umami, goatcounter), by what they were read as: view, which is "
        "an event from there on, or what is passed over: no_page_view (events, goals, heartbeats), own_time (not of "
        "now), no_web_address (a page of an app or a file), no_article (the site's rule for ids finds none in the "
        "page's address), unknown_id (no site has this id of theirs), other_site (its page is another site's), "
        "malformed.",
        "Of unknown_id or no_article: pages send beacons that no site of the configuration takes.",
        Section.COLLECTOR_REFUSES,
        most=32,
    )
    spool_events = gauge(
        "collector_spool_events",
        "Events on the disk that wait for Kafka.",
        "They are safe, and not counted yet.",
        Section.SPOOL_FILLS,
    )
    spool_bytes = gauge(
        "collector_spool_bytes",
        "Bytes that the spool's file takes of the limit. It is not 0 without events, because SQLite keeps its "
        "log and pages for a while.",
        "Near the limit: soon events are refused.",
        Section.SPOOL_FILLS,
    )
    spool_limit_bytes = gauge(
        "collector_spool_limit_bytes",
        "The limit (collect.spool_mb). When it is reached, the answer is 503.",
        "It should hold the events of the longest outage of Kafka.",
        Section.SPOOL_FILLS,
    )
    spool_nearly_full = gauge(
        "collector_spool_nearly_full",
        "1 if the spool takes 80 % of the limit or more.",
        "Soon events are refused: bring Kafka back, or raise collect.spool_mb.",
        Section.SPOOL_FILLS,
    )
    spool_oldest_seconds = gauge(
        "collector_spool_oldest_seconds",
        "How long the oldest event in the spool has waited.",
        "Kafka has been away for so long, or takes less than comes.",
        Section.SPOOL_FILLS,
    )
    resent_events = counter(
        "collector_resent_events_total",
        "Events sent again although the log may already have them, after a crash or a late answer.",
        "Duplicates in the log; the rule duplicate drops them.",
        Section.KAFKA_SLOW,
    )
    catalogue_articles = gauge(
        "collector_catalogue_articles",
        "Articles of the catalogue (topic articles) that the collector knows, of all its sites.",
        "0 although articles are published: the collector does not read the topic articles.",
        Section.COLLECTOR_REFUSES,
    )
    new_articles_left = gauge(
        "collector_new_articles_left",
        "Share, from 1 to 0, that is left of what articles that the catalogue does not know may cost, new or "
        "counted again (the lower of both), for the site that has least. At 0 a new one is accepted once two "
        "addresses have named it, and a known one if it has been counted in this minute. Below 0.2, look who "
        "names them.",
        "Low: somebody invents articles, or the catalogue lacks those of a site.",
        Section.BOT_ATTACK,
    )
    kafka_up = gauge(
        "collector_kafka_up",
        "1 while Kafka acknowledges, 0 while events go to the disk.",
        "0: nothing is lost until the spool is full.",
        Section.KAFKA_LOST,
    )
    connections = gauge(
        "collector_connections",
        "Open connections on the public port.",
        "Many readers at once, or clients that hold connections open.",
        Section.COLLECTOR_REFUSES,
    )
    visitors_without_salt = counter(
        "collector_visitors_without_salt_total",
        "Events sent without a visitor_id, because Redis gave no salt of the day.",
        "Redis does not reply to the collector.",
        Section.REDIS_LOST,
    )
    repeat_keys_without_salt = counter(
        "collector_repeat_keys_without_salt_total",
        "Events sent without the repeat_key that a rule needs, because Redis gave no salt of the day: reloads among "
        "them are counted.",
        "Redis does not reply to the collector.",
        Section.REDIS_LOST,
    )
    crawler_list_info = gauge(
        "collector_crawler_list_info{list,version}",
        "1: the lists that crawlers are recognised by, with their versions.",
        "An old version does not know new crawlers.",
        Section.BOT_ATTACK,
        most=2,
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
