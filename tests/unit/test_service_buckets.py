"""Buckets of events: how they fill, what they refuse, what they forget."""

import pytest

from ranker.service.buckets import Buckets


def test_a_bucket_fills_with_time() -> None:
    """
    s  0: ten at once, and none more     ▓▓▓▓▓▓▓▓▓▓
    s  3: six have come, five are taken  ▓▓▓▓▓▓
    s 60: full again, no fuller          ▓▓▓▓▓▓▓▓▓▓
    """
    buckets = Buckets(rate_s=2, burst=10)
    assert buckets.take("a", 10, 0) == 0
    assert buckets.take("a", 1, 0) == 1
    assert buckets.take("a", 5, 0) == 3
    assert buckets.take("b", 10, 0) == 0
    assert buckets.take("a", 5, 3) == 0
    assert buckets.take("a", 2, 3) == 1
    assert buckets.left("a", 60) == buckets.left("c", 60) == 1
    assert buckets.take("a", 10, 60) == 0
    assert buckets.take("a", 1, 60) == 1
    assert [buckets.left("a", now) for now in (60, 62, 99)] == [0, 0.4, 1]


def test_the_wait_is_enough_and_not_too_long() -> None:
    """Who comes again after Retry-After is taken, and who comes a second before is not."""
    buckets = Buckets(rate_s=0.3, burst=20)
    buckets.take("a", 20, 0)
    wait_s = buckets.take("a", 2, 0)
    assert buckets.take("a", 2, wait_s - 1) > 0
    assert buckets.take("a", 2, wait_s) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    """Nor does it take."""
    buckets = Buckets(rate_s=1, burst=1)
    buckets.take("a", 1, 100)
    assert buckets.take("a", 1, 50) == 1
    assert buckets.take("a", 1, 51) == 0


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has been silent longest is forgotten, not who is busy."""
    monkeypatch.setattr("ranker.service.buckets.MAX_BUCKETS", 3)
    buckets = Buckets(rate_s=1, burst=1)
    for number in range(10):
        buckets.take("busy", 1, number / 100)
        buckets.take(number, 1, number / 100)
    assert len(buckets._state) == 3
    assert buckets.take("busy", 1, 0.1) == 1
    assert buckets.take(0, 1, 0.1) == 0


def test_a_name_is_forgotten_once_its_bucket_is_full() -> None:
    buckets = Buckets(rate_s=2, burst=20)
    buckets.take("192.0.2.1", 20, 100.0)
    buckets.take("192.0.2.2", 1, 109.9)
    assert "192.0.2.1" in buckets._state
    buckets.take("192.0.2.2", 1, 110.0)
    assert list(buckets._state) == ["192.0.2.2"]
