"""The reader's metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from ranker.metrics.generation_shown import generation_info
from ranker.service.metrics import Metrics, counter, gauge, histogram, optional_gauge, show_build
from ranker.service.runbook import Section

LIST_FRESHNESS_S = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60, 300, 1800, 7200)
"""2 s is the objective's threshold. From one flush and one refresh to the age at which lists are not served."""
REQUEST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Lists are served from memory: below a millisecond is normal."""
REFRESH_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ReaderMetrics(Metrics):
    """Metrics of `ranker serve`."""

    list_freshness_seconds = histogram(
        "ranker_list_freshness_seconds",
        "How long an event that becomes visible has waited at most: at each refresh that is due, the time since when "
        "the oldest published list, which is about to be replaced, lacks events. Also while refreshes fail or take "
        "long. Nothing is observed while no list is in use.",
        "Lists are old: beyond 2 s more often than one time in a hundred misses the objective.",
        Section.LISTS_OLD,
        buckets=LIST_FRESHNESS_S,
    )
    list_age_seconds = optional_gauge(
        "ranker_list_age_seconds",
        "Age of the oldest published list: wall clock minus its as_of. If it is negative, a list's as_of is "
        "ahead of the clock, which is a fault. Absent while no list is in use.",
        "Readers see a list of that time; from serve.stale_after_s on it is marked as stale.",
        Section.LISTS_OLD,
    )
    redis_up = optional_gauge(
        "ranker_redis_up",
        "1 if the last refresh was answered by Redis, 0 if it was not.",
        "0: the last lists are served, and grow old.",
        Section.REDIS_LOST,
    )
    generation = generation_info("shows")
    lists = gauge(
        "ranker_lists",
        "Published lists: (site, board, window) in use.",
        "Many lists make a refresh long; 2,000 are the most.",
        Section.VIRAL_NIGHT,
    )
    streams = gauge(
        "ranker_streams",
        "Open connections that receive a list as server-sent events.",
        "Many pages are open; each costs a file descriptor and a write for each change.",
        Section.VIRAL_NIGHT,
    )
    connections = gauge(
        "ranker_connections",
        "Open connections on the public port.",
        "Near 8,000: further ones are refused.",
        Section.VIRAL_NIGHT,
    )
    refused_connections = counter(
        "ranker_refused_connections_total",
        "Connections answered with 503 and closed, because 1,000 of one client (address or /64) or 8,000 in "
        "all were open.",
        "More readers are needed, or a proxy is not named in serve.proxies, so that all its clients are one.",
        Section.LISTS_NOT_ANSWERED,
    )
    requests = counter(
        "ranker_requests_total{route,status}",
        "Answered requests by route (its template, never its parameters; other if there is none) and HTTP status.",
        "Of 5xx: lists are not answered, 503 with the reason in the problem's detail. Of 429: one client asks too "
        "often. Of 404: links to sites or lists that do not exist.",
        Section.LISTS_NOT_ANSWERED,
        most=500,
    )
    request_duration_seconds = histogram(
        "ranker_request_duration_seconds{route}",
        "Time from the request read until the answer is handed to the server, by route.",
        "The reader is busy, or answers wait for lists that are read for the first time.",
        Section.LISTS_NOT_ANSWERED,
        most=40,
        buckets=REQUEST_S,
    )
    refresh_duration_seconds = histogram(
        "ranker_refresh_duration_seconds",
        "Duration of one refresh: every shard is read, and lists are merged, rendered and published.",
        "Near serve.refresh_ms: lists are refreshed less often. Too many lists or shards for one reader, or Redis is "
        "slow.",
        Section.LISTS_OLD,
        buckets=REFRESH_S,
    )
    refresh_failures = counter(
        "ranker_refresh_failures_total",
        "Refreshes that published nothing because Redis could not be read. The last lists stay.",
        "Redis does not reply to this reader, or no consumer has counted yet.",
        Section.REDIS_LOST,
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        show_build(registry, "ranker", "serve")
        super().__init__(registry)
