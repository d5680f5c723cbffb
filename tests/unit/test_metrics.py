from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from producers.collector.metrics import CollectorMetrics
from ranker.core.loss import Producer, Report
from ranker.metrics import ConsumerMetrics, FreezeMetrics, ReaderMetrics, VerifyMetrics, new_registry
from tests.support.metrics_page import PAGE, declared, page

PLAIN = {
    "ranker_freeze_made",
    "ranker_history_written_total",
    "ranker_step_bytes",
    "ranker_step_increments",
    "ranker_verify_records",
}
"""Facts that no hand changes."""


@pytest.fixture
def consumer() -> tuple[CollectorRegistry, ConsumerMetrics]:
    registry = new_registry()
    return registry, ConsumerMetrics(registry, ["view", "comment"])


def all_processes() -> list[CollectorRegistry]:
    registries = [new_registry() for _ in range(5)]
    ConsumerMetrics(registries[0], ["view"])
    ReaderMetrics(registries[1])
    VerifyMetrics(registries[2])
    FreezeMetrics(registries[3])
    CollectorMetrics(registries[4])
    return registries


def test_labels_of_events_are_bounded(consumer: tuple[CollectorRegistry, ConsumerMetrics]) -> None:
    """Whatever types producers invent, only those that boards weigh become labels; the rest is `other`."""
    registry, metrics = consumer
    metrics.count_events({"view": 3, "!bot": 2, "late": 1, "invented": 5, "dream": 1})
    assert {
        sample.labels["outcome"]: sample.value
        for family in registry.collect()
        if family.name == "ranker_events"
        for sample in family.samples
    } == {"view": 3, "!bot": 2, "late": 1, "other": 6}


def test_a_partition_that_left_has_no_series(consumer: tuple[CollectorRegistry, ConsumerMetrics]) -> None:
    """After a rebalance nobody's last lag stays on a dashboard; forgetting twice is harmless."""
    registry, metrics = consumer
    metrics.lag_records.labels("3").set(10)
    metrics.lag_seconds.labels("4").set(1)
    metrics.forget(3)
    metrics.forget(3)
    text = generate_latest(registry).decode()
    assert 'partition="3"' not in text
    assert 'ranker_lag_seconds{partition="4"}' in text


def test_producers_that_are_not_reported_have_no_series(consumer: tuple[CollectorRegistry, ConsumerMetrics]) -> None:
    """Every report replaces the last one; a producer that is not judged yet is not reported as complete."""
    registry, metrics = consumer
    gone, stays = Producer("gone", 1_000, 3, 2), Producer("stays", 61_000, None, 0)
    metrics.show_producers(Report(121_500, 7, [gone, stays]))

    def told() -> dict[tuple[str, str], float]:
        return {
            (family.name.removeprefix("ranker_producer_"), sample.labels["producer"]): sample.value
            for family in registry.collect()
            if family.name.startswith("ranker_producer_")
            for sample in family.samples
        }

    assert told() == {
        ("missing", "gone"): 3,
        ("repeats", "gone"): 2,
        ("repeats", "stays"): 0,
        ("silent_seconds", "gone"): 120.5,
        ("silent_seconds", "stays"): 60.5,
    }
    assert registry.get_sample_value("ranker_producers_untracked") == 7
    metrics.show_producers(Report(121_500, 0, [stays]))
    assert {name for _, name in told()} == {"stays"}
    metrics.show_producers(None)
    assert told() == {}
    assert registry.get_sample_value("ranker_producers_untracked") is None


def test_no_series_of_birth_dates() -> None:
    """Counters are one series each, without a _created beside it."""
    assert not any(b"_created" in generate_latest(registry) for registry in all_processes())


def test_promtool_finds_nothing() -> None:
    """Names, units and help texts are as Prometheus wants them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    for registry in all_processes():
        done = subprocess.run([promtool, "check", "metrics"], input=generate_latest(registry), capture_output=True)
        assert (done.returncode, done.stderr + done.stdout) == (0, b"")


def test_names_follow_the_rules_without_promtool() -> None:
    """The rules that promtool checks and that matter most: counters end in _total, units are base units, help is there."""
    for registry in all_processes():
        for family in registry.collect():
            assert family.documentation
            assert re.fullmatch(r"(ranker|collector|process)_[a-z_]+", family.name)
            assert not family.name.endswith(("_ms", "_milliseconds", "_kb", "_count", "_sum", "_bucket"))


def test_the_page_is_current() -> None:
    """`python -m tests.support.metrics_page` writes it."""
    assert PAGE.read_text("utf-8") == page()


def test_every_family_says_what_a_high_value_says() -> None:
    """As sentences, which end; labels have a bound; and a family without a place in the runbook needs no hand."""
    plain = set()
    for one in declared():
        assert one.text.endswith("."), one.name
        assert one.high.endswith("."), one.name
        assert one.text != one.high
        assert one.most >= 1, one.name
        assert one.most == 1 or one.labels, one.name
        if one.runbook is None:
            plain.add(one.name)
    assert plain == PLAIN


def test_the_page_has_what_every_process_has() -> None:
    """By the help texts of the library, which are served."""
    text = page()
    for family in new_registry().collect():
        assert f"`{family.name}" in text
        assert f"| {family.documentation} |" in text


def test_the_page_has_every_family_that_is_served() -> None:
    text = page()
    for registry in all_processes():
        for family in registry.collect():
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            assert f"`{name}`" in text


def test_an_optional_gauge_is_absent_until_it_is_known() -> None:
    """And whenever it is not: no last value stands still on a dashboard."""
    registry = new_registry()
    metrics = ConsumerMetrics(registry, [])
    assert registry.get_sample_value("ranker_redis_up") is None
    metrics.show_redis(up=True, clock_offset_s=0.25)
    metrics.lag_records.labels(1).set(5)
    metrics.show_shard(1, strays=0, slices=9, remembered=70)
    assert registry.get_sample_value("ranker_redis_up") == 1
    assert registry.get_sample_value("ranker_clock_offset_seconds") == 0.25
    metrics.show_redis(up=False)
    assert registry.get_sample_value("ranker_redis_up") == 0
    assert registry.get_sample_value("ranker_clock_offset_seconds") is None
    for name in ("lag_records", "strays", "live_slices", "remembered_keys"):
        assert registry.get_sample_value(f"ranker_{name}", {"partition": "1"}) is None, name
