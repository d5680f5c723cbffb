"""The address of Redis: which client is made of it, and the message for the rest."""

import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster

from ranker.connect import redis_options
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
        ("unix://u:p@/tmp/r.sock?db=2", Address("unix", path="/tmp/r.sock", database=2, username="u", password="p")),
        ("redis://h?db=3&username=u&password=p%40", Address("redis", (("h", 6379),), database=3, username="u", password="p@")),
        ("redis+sentinel://h/main?db=3", Address("redis+sentinel", (("h", 26379),), "main", database=3)),
        ("redis://h?max_connections=3&socket_timeout=0.5", Address("redis", (("h", 6379),), options={"max_connections": 3, "socket_timeout": 0.5})),
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


DOCS = Path(__file__).parents[2] / "docs"
REFUSED = [
    ("redis+cluster://h?read_from_replicas=true", "read_from_replicas behind its [?], which is not supported; leave it out"),
    ("redis://h?decode_responses=hush", "decode_responses behind"),
    ("redis://h?protocol=3", "protocol behind"),
    ("redis://h?host=hush", "host behind"),
    ("redis+sentinel://h/main?retry_on_timeout=1", "retry_on_timeout behind"),
    ("redis://h?socket_timout=1", r"socket_timout behind .* \(supported: username, .*, socket_connect_timeout\)"),
    ("rediss://h?ssl=1", "ssl behind .*, ssl_check_hostname"),
    ("redis://h?hush", "an unknown option behind"),
    ("redis://u:12?hush=w@h", "an unknown option behind"),
    ("redis://h?password=x&hush=y", "an unknown option behind"),
    ("redis://h?ssl_cert_reqs=none", "ssl_cert_reqs behind its [?], which has no effect without TLS; write rediss"),
    ("unix:///r.sock?ssl_ca_certs=/ca", "ssl_ca_certs behind"),
    ("rediss://h?ssl_cert_reqs=hush", "whose value is not none, optional or required; correct it"),
    ("rediss://h?ssl_check_hostname=hush", "whose value is not true or false"),
    ("redis://h?socket_timeout=0", "socket_timeout behind its [?], whose value is not a number of seconds above 0"),
    ("redis://h?socket_connect_timeout=inf", "a number of seconds above 0"),
    ("redis://h?socket_timeout=hush", "a number of seconds above 0"),
    ("redis://h?max_connections=0", "max_connections behind its [?], whose value is not a number above 0"),
    ("redis://h?password=", "password behind its [?], whose value is not a text"),
    ("redis://h?client_name=hush&client_name=hush", "client_name behind its [?] twice; keep one"),
    ("redis://h/2?db=5", "db behind its [?], and the same before it; keep one"),
    ("redis://:hush@h?password=hush", "password behind its [?], and the same before it"),
    ("redis://u@h?username=v", "username behind its [?], and the same before it"),
    ("unix:///r.sock?db=hush", "database of .* is not a number; write [?]db=0"),
    ("redis+cluster://h?db=1", "names a database, which a Redis Cluster does not have"),
]  # fmt: skip


@pytest.mark.parametrize("page", ["reference.md", "ways-in/redis.md", "ways-in/redis.fr.md"])
def test_the_options_are_documented(page: str) -> None:
    """Each one, and none besides."""
    listed = [one for one in re.split(r"\n\n|\n\|", (DOCS / page).read_text()) if "`socket_connect_timeout`" in one]
    named = set(re.findall(r"`([a-z]+_[a-z_]+|db|username|password)`", "".join(listed)))
    assert named == set(redis_options.ALWAYS) | set(redis_options.OF_TLS)


@pytest.mark.parametrize(("url", "said"), REFUSED)
def test_options_that_are_refused(url: str, said: str) -> None:
    """By name and never by value: what has no effect, or one that lists must not have, is not dropped in silence."""
    (fault,) = RedisSettings(url).faults()
    assert fault.startswith("RANKER_REDIS_URL: ")
    assert re.search(said, fault)
    assert "hush" not in fault


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
