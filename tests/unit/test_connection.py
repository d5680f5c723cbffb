"""The address of Redis: what is understood, and the message for the rest."""

import pytest
from redis.asyncio import Redis, RedisCluster

from ranker.store.connection import connect


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:1/3",
        "redis://:secret@h:1",
        "rediss://u:p@h:1/0",
        "unix:///tmp/redis.sock",
        "redis://[::1]:1/0",
    ],
)
async def test_single_servers(url: str) -> None:
    """One server, plain, by TLS or by a socket file; nothing is connected yet."""
    client = connect(url)
    assert isinstance(client, Redis)
    await client.aclose()


@pytest.mark.parametrize("url", ["redis+cluster://h:1", "rediss+cluster://u:p@h:1/0"])
async def test_clusters(url: str) -> None:
    """Any one node of a cluster."""
    client = connect(url)
    assert isinstance(client, RedisCluster)
    await client.aclose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h", "must start with one of redis://"),
        ("h:6379", "must start with one of redis://"),
        ("redis://:hush@h:port/0", "port"),
        ("redis://", "names no host"),
        ("redis://h?hush=1", "options"),
        ("redis://h?socket_timeout=hush", "options"),
        ("redis+cluster://h?hush=1", "options"),
        ("redis://:hush@h:1/zero", "database of .* is not a number"),
        ("redis+cluster://:hush@h:1/3", "names a database, which a Redis Cluster does not have"),
    ],
)
def test_addresses_that_cannot_be_read(url: str, said: str) -> None:
    """One sentence with the fix, and never the password."""
    with pytest.raises(ValueError, match=said) as caught:
        connect(url)
    assert "hush" not in str(caught.value)
