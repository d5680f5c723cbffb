"""Metrics of commands that run and end, for node_exporter's textfile collector."""

from __future__ import annotations

from ranker.service.metrics import Metrics, gauge
from ranker.service.runbook import Section


class VerifyMetrics(Metrics):
    """Metrics of one run of `ranker verify --metrics`."""

    last_run = gauge(
        "ranker_verify_last_run_timestamp_seconds",
        "When the last run of `ranker verify` ended.",
        "If it does not move: the timer does not run, or the run is killed before it ends.",
        Section.COUNTS_DIFFER,
    )
    failed = gauge(
        "ranker_verify_failed",
        "1 if the last run ended without a result (Kafka or Redis away, Ctrl-C, wrong options): nothing is known "
        "then, and the next three are NaN.",
        "Nobody knows whether lists are right.",
        Section.COUNTS_DIFFER,
    )
    differences = gauge(
        "ranker_verify_differences",
        "In how many places Redis and the recounted log differed at the last run: 0 is right.",
        "Lists are wrong: something else writes into Redis, or this is a fault of the software.",
        Section.COUNTS_DIFFER,
    )
    records = gauge(
        "ranker_verify_records",
        "Records that the last run recounted.",
        "The run takes longer; low: the log has little of what is counted.",
    )
    unchecked = gauge(
        "ranker_verify_unchecked",
        "Kinds of counts that the log no longer reached at the last run.",
        "The topic's retention is shorter than the longest window.",
        Section.TOPIC_SETTINGS,
    )


class FreezeMetrics(Metrics):
    """Metrics of one run of `ranker freeze --metrics`."""

    last_run = gauge(
        "ranker_freeze_last_run_timestamp_seconds",
        "When the last run of `ranker freeze` ended.",
        "If it does not move: the timer does not run, or the run is killed before it ends.",
        Section.PERIODS_MISSING,
    )
    failed = gauge(
        "ranker_freeze_failed",
        "1 if the last run ended without a result (Kafka or Redis away, Ctrl-C): the next two are NaN.",
        "Days and weeks that have ended are not made; the next run makes them if the log still has them.",
        Section.PERIODS_MISSING,
    )
    made = gauge(
        "ranker_freeze_made",
        "Documents that the last run made.",
        "Runs before it had failed; 0 is normal between two periods.",
    )
    missing = gauge(
        "ranker_freeze_missing",
        "1 if the last run found what it cannot make: periods of which Kafka has deleted records, although earlier "
        "ones have documents, or sites with a board that the active generation lacks.",
        "A day or a week has no document, and no later run will make it.",
        Section.PERIODS_MISSING,
    )
