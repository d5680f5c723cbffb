"""How much may come: buckets of events, and articles never seen before."""

from pathlib import Path

import pytest

from producers.collect import known
from producers.collect.known import Known
from producers.collect.limits import NewArticles
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
    assert buckets.take("a", 10, 60) == 0
    assert buckets.take("a", 1, 60) == 1


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


async def test_articles_known_before_a_restart_are_no_new_ones(tmp_path: Path) -> None:
    """10,000 living articles lose no view; the next invention after the burst waits half a second (120 a minute)."""
    async with Known.open(tmp_path, ["demo", "other"]) as first:
        articles = NewArticles(first, per_minute=120, burst=10_000)
        assert not any(articles.admit("demo", f"/{i}", 0, trusted=False) for i in range(10_000))
        assert articles.admit("demo", "/new", 0, trusted=False) == 1
        assert articles.admit("other", "/new", 0, trusted=False) == 0
        assert articles.admit("demo", "/from-the-server", 0, trusted=True) == 0
    async with Known.open(tmp_path, ["demo", "other"]) as second:
        articles = NewArticles(second, per_minute=120, burst=1)
        assert not any(articles.admit("demo", f"/{i}", 0, trusted=False) for i in range(10_000))
        assert articles.admit("demo", "/from-the-server", 0, trusted=False) == 0
        assert articles.admit("demo", "/new", 0, trusted=False) == 0
        assert articles.admit("demo", "/newer", 0, trusted=False) == 1
        assert articles.admit("demo", "/newer", 1, trusted=False) == 0


async def test_what_is_known_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The article read last stays, also over a restart, whatever strangers invent."""
    monkeypatch.setattr(known, "MAX_ARTICLES", 10)
    async with Known.open(tmp_path, ["demo"]) as first:
        first.add("demo", "/read")
        for number in range(50):
            assert first.has("demo", "/read")
            first.add("demo", f"/{number}")
        assert not first.has("demo", "/30")
    second = Known(tmp_path, ["demo"])
    assert second.has("demo", "/read")
    assert second.has("demo", "/49")
    assert (tmp_path / "demo.articles").stat().st_size == 80
    assert (tmp_path / "demo.articles").stat().st_mode & 0o077 == 0


async def test_a_disk_that_fails_stops_nothing(tmp_path: Path) -> None:
    """Known articles are a courtesy: they are saved later, or not."""
    (tmp_path / "demo.articles").mkdir()
    async with Known.open(tmp_path, ["demo"]) as articles:
        articles.add("demo", "/a")
        await articles.save()
        assert articles.has("demo", "/a")
