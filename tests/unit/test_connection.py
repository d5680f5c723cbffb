"""The address of Redis: which client is made of it, and the message for the rest."""

from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster

from ranker.connect.redis import connect
from ranker.connect.redis_address import Address, parsed
from ranker.connect.redis_settings import RedisSettings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address("redis", (("h", 6379),))),
        ("redis://h:1/3", Address("redis", (("h", 1),), database=3)),
        ("redis://:s%2Fp@h:1", Address("redis", (("h", 1),), password="s/p")),
        ("rediss://u:p@h:1/0", Address("rediss", (("h", 1),), username="u", password="p")),
        ("redis://[::1]:1/0?client_name=a", Address("redis", (("::1", 1),), options={"client_name": "a"})),
        ("unix:///tmp/redis.sock", Address("unix", path="/tmp/redis.sock")),
        ("unix://u:p@/tmp/r.sock?db=2", Address("unix", path="/tmp/r.sock", username="u", password="p", options={"db": "2"})),
        ("redis+sentinel://h/main", Address("redis+sentinel", (("h", 26379),), "main")),
        ("rediss+sentinel://u:p@h,i:7,[::1]/main/4", Address("rediss+sentinel", (("h", 26379), ("i", 7), ("::1", 26379)), "main", "", 4, "u", "p")),
    ],
)  # fmt: skip
async def test_one_server(url: str, address: Address) -> None:
    """Plain, by TLS, by a socket file, or the one that Sentinels call primary; nothing is connected yet."""
    assert parsed(url) == address
    client = connect(RedisSettings(url))
    assert isinstance(client, Redis)
    await client.aclose()


@pytest.mark.parametrize("form", ["rediss://h", "rediss+sentinel://h/main", "rediss+cluster://127.0.0.1"])
async def test_options_of_tls(form: str) -> None:
    """Behind the ?, as redis-py has them: taken since version 0.1."""
    client = connect(RedisSettings(f"{form}?ssl_check_hostname=false&ssl_ca_certs=/ca.pem"))
    nodes = client.startup_nodes if isinstance(client, RedisCluster) else [client.connection_pool]
    made: Any = nodes[0].connection_class(**nodes[0].connection_kwargs)
    assert (made.ca_certs, made.check_hostname, made.has_tls) == ("/ca.pem", False, True)
    await client.aclose()


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("redis+cluster://h:1", (("h", 1),)),
        ("rediss+cluster://u:p@h:1/0", (("h", 1),)),
        ("redis+cluster://127.0.0.1,127.0.0.2:7", (("127.0.0.1", 6379), ("127.0.0.2", 7))),
    ],
)
async def test_clusters(url: str, servers: tuple[tuple[str, int], ...]) -> None:
    """Any nodes of a cluster."""
    client = connect(RedisSettings(url))
    assert isinstance(client, RedisCluster)
    assert tuple((node.host, node.port) for node in client.startup_nodes) == servers
    await client.aclose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://h", "must start with one of redis://"),
        ("h:6379", "must start with one of redis://"),
        ("redis-sentinel://h:1,i:1/main", r"for redis-sentinel:// write redis\+sentinel://$"),
        ("valkeys://h:1", "for valkeys:// write rediss://$"),
        ("redis://:hush@h:port/0", "as to host and port"),
        ("redis://h:0", "as to host and port"),
        ("redis://h:70000", "as to host and port"),
        ("redis+cluster://h,,i", "as to host and port"),
        ("redis://:hush@h ", "has a space"),
        ("redis://", "names no host"),
        ("redis://:hush@/0", "names no host"),
        ("redis://h:1#hush", "has a # behind it"),
        ("redis://h?hush=1", "options"),
        ("redis://h?hush", "options"),
        ("redis://h?socket_timeout=hush", "options"),
        ("redis+cluster://h?hush=1", "options"),
        ("redis+sentinel://h/main?hush=1", "options"),
        ("redis://:hush@h:1/zero", "database of .* is not a number; write redis://host"),
        ("redis+sentinel://:hush@h:1/main/zero", "database of .* is not a number; write redis.sentinel://"),
        ("redis+cluster://:hush@h:1/3", "names a database, which a Redis Cluster does not have"),
        ("redis://:hush@h:1,i:1", r"several servers, and redis:// leads to one; write redis\+sentinel:// or redis\+cluster://"),
        ("redis+sentinel://:hush@h:1,i:1", "does not name the primary"),
        ("redis+sentinel://:hush@h/0?sentinelService=main", "does not name the primary"),
        ("redis+sentinel://h/0#main", "has a # behind it"),
        ("unix://tmp/redis.sock", "names no socket file"),
        ("unix:///", "names no socket file"),
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_read(url: str, said: str) -> None:
    """One sentence with the fix, and never the password."""
    with pytest.raises(ValueError, match=said) as caught:
        connect(RedisSettings(url))
    assert "hush" not in str(caught.value)
