"""Addresses of servers in the environment: which are taken, which are refused, and what is printed of them."""

from __future__ import annotations

import pytest

from ranker import settings
from ranker.service import endpoints
from tests.unit.test_settings import refused


@pytest.mark.parametrize(
    "bootstrap", ["h:9092", "a:1,b:2", "kafka-0.kafka.svc:9092, kafka-1.kafka.svc:9092", "[::1]:9092"]
)
def test_brokers(bootstrap: str) -> None:
    """One broker or several, by name or address."""
    assert settings.load(None, {"RANKER_KAFKA_BOOTSTRAP": bootstrap}).kafka.bootstrap == bootstrap


@pytest.mark.parametrize("bootstrap", ["h", "h:", "h:x", "h:70000", "h:0", "a:1,,b:2", "http://h:1", ":9092"])
def test_broken_brokers(bootstrap: str) -> None:
    """An address that no client could use is a fault of the settings, not of a connection later."""
    assert "HOST:PORT" in refused(None, {"RANKER_KAFKA_BOOTSTRAP": bootstrap})[0]


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://u:p@h:1/2",
        "redis+cluster://h:1",
        "rediss+cluster://h,i:2",
        "redis+sentinel://h,i/main/1",
        "rediss+sentinel://h/main",
        "unix:///run/redis.sock",
    ],
)
def test_redis_addresses(url: str) -> None:
    """Plain, TLS, cluster and socket addresses."""
    assert settings.load(None, {"RANKER_REDIS_URL": url}).redis.url == url


@pytest.mark.parametrize(
    "url",
    [
        "h:6379", "redis://", "redis://h:port", "redis://h:99999", "http://h", "redis://[h", "redis://:a/b@h", "redis://u:1/b@h",
        "redis://u:1?b@h", "redis://u:1#b=@h", "redis://h/zero", "redis+cluster://h/1",
    ],
)  # fmt: skip
def test_broken_redis_addresses(url: str) -> None:
    """As for the brokers."""
    assert len(refused(None, {"RANKER_REDIS_URL": url})) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://user:s3cret@h:1/0", "redis://***@h:1/0"),
        ("redis://:s3cret@h", "redis://***@h"),
        ("redis://:s3:c@ret@h", "redis://***@h"),
        ("rediss://h/?password=s3cret&db=1", "rediss://h/?***"),
        ("rediss://h/?ssl_password=s3cret", "rediss://h/?***"),
    ],
)
def test_secrets_are_masked(url: str, shown: str) -> None:
    """What is printed never holds a password, wherever in the address it stands."""
    assert endpoints.shown(url) == shown
