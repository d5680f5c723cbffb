"""Users of Redis with the rules of deploy/redis-acl: each role does its work, no more, and names a right that it lacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions

from deploy.local.faults import MissingTool
from deploy.local.redis import RedisServer, redis_binary, valkey_binary
from deploy.local.redis_cluster import RedisCluster
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from ranker.store import generations
from ranker.store.errors import StoreUnavailableError, translated
from tests.conftest import without
from tests.support.redis_roles import FLOWS, PASSWORD, Reported, apply, consume, read, rules, set_users

ROLES = tuple(FLOWS)
UNNOTICED = {"+multi", "+exec"}
"""Without them reads go by script."""
SAID = {"+memory|usage": "memory unknown"}


@pytest.fixture(scope="module", params=["redis", pytest.param("valkey", marks=pytest.mark.long)])
def server(services_directory: Path, request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    try:
        binary = redis_binary() if request.param == "redis" else valkey_binary()
    except MissingTool as missing:
        without(missing)
    made = RedisServer(services_directory / f"{request.param}-roles", binary)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def password(services_directory: Path) -> str:
    file = services_directory / "password-of-roles"
    file.write_text(PASSWORD)
    return str(file)


@asynccontextmanager
async def as_role(url: str, role: str, password: str) -> AsyncIterator[Any]:
    client = connect(RedisSettings(url, role, password))
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def as_admin(url: str) -> AsyncIterator[Any]:
    client = connect(RedisSettings(url))
    try:
        yield client
    finally:
        await client.aclose()


async def prepare(server: RedisServer, role: str) -> None:
    server.flush()
    if role == "reader":
        async with as_admin(server.url) as client:
            await consume(client, server)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_does_its_work(server: RedisServer, password: str, tmp_path: Path, role: str) -> None:
    """With a user that users.sh made."""
    await prepare(server, role)
    set_users(server, tmp_path, role)
    async with as_role(server.url, role, password) as client:
        await FLOWS[role](client, server)


OF_OPERATORS = set(rules("operator")) - set(rules("consumer"))
RIGHTS = [(role, right) for role in ROLES for right in rules(role) if role != "operator" or right in OF_OPERATORS]
"""An operator's others are a consumer's, for the same work."""


@pytest.mark.parametrize(("role", "right"), RIGHTS, ids=map(" ".join, RIGHTS))
async def test_a_right_that_is_taken_away_is_named(server: RedisServer, password: str, role: str, right: str) -> None:
    """The command, or a key of that pattern: so each right is needed."""
    await prepare(server, role)
    apply(server, role, [one for one in rules(role) if one != right])
    async with as_role(server.url, role, password) as client:
        reads_when_full = server.name == "Valkey server" and (role, right) == ("reader", "+eval")
        if right in UNNOTICED or reads_when_full:  # Valkey queues reads although it has no memory
            await FLOWS[role](client, server)
            return
        with pytest.raises((StoreUnavailableError, Reported)) as caught, translated():
            await FLOWS[role](client, server)
    said = str(caught.value).lower()
    named = SAID.get(right, right[1:].removesuffix("*"))
    assert named in said.replace(" usage", "|usage") or named.partition("|")[0] in said, said


FORBIDDEN = {
    "reader": (
        ("SET", "ranker:active", "x"), ("DEL", "ranker:active"), ("HSET", "ranker:{x}:meta", "a", "b"), ("FLUSHALL",), ("EXPIRE", "ranker:active", 1),
        ("EVAL", "return redis.call('SET', KEYS[1], 'x')", 1, "ranker:active"), ("GET", "ranker:collect:salt:2026-11-30"), ("GET", "other"),
        ("CONFIG", "SET", "maxmemory", "1"), ("ACL", "LIST"), ("KEYS", "*"), ("SCAN", 0), ("SHUTDOWN",), ("PUBLISH", "a", "b"),
    ),
    "collector": (
        ("GET", "ranker:active"), ("SET", "ranker:active", "x"), ("DEL", "ranker:collect:salt:2026-11-30"), ("EVAL", "return 1", 0), ("KEYS", "*"), ("SCAN", 0), ("INFO",),
    ),
    "consumer": (("GET", "ranker:collect:salt:2026-11-30"), ("SET", "other", "x"), ("KEYS", "*"), ("SCAN", 0), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "WHOAMI")),
    "operator": (("GET", "ranker:collect:salt:2026-11-30"), ("SET", "other", "x"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "SET", "maxmemory", "1"), ("ACL", "LIST")),
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
async def test_what_a_role_may_not_do(server: RedisServer, password: str, role: str) -> None:
    """A reader cannot write, not even by a script; a collector touches its salts only; nobody else reads those."""
    server.flush()
    apply(server, role, rules(role))
    with server.client() as plain:
        plain.mset({"ranker:active": "a", "ranker:collect:salt:2026-11-30": "s", "other": "o"})
        async with as_role(server.url, role, password) as client:
            for command in FORBIDDEN[role]:
                with pytest.raises(exceptions.ResponseError, match=r"permissions|can't run this command"):
                    await client.execute_command(*command)
        assert plain.mget("ranker:active", "ranker:collect:salt:2026-11-30", "other") == [b"a", b"s", b"o"]
        assert plain.dbsize() == 3


@pytest.mark.parametrize("missing", ["", *rules("cluster")])
async def test_a_cluster(
    redis_cluster: RedisCluster, redis_cluster_url: str, password: str, tmp_path: Path, missing: str
) -> None:
    """What redis-py needs beside the roles; PING only after a pause, so its absence goes unnoticed here."""
    for node in redis_cluster.nodes:
        set_users(node, tmp_path, "cluster", "reader")
        if missing:
            apply(node, "reader", [one for one in rules("reader", "cluster") if one != missing])
    async with as_admin(redis_cluster_url) as admin, as_role(redis_cluster_url, "reader", password) as client:
        await consume(admin, redis_cluster.nodes[0])
        if missing in ("", "+ping"):
            await read(client, redis_cluster.nodes[0])
        else:
            with pytest.raises(StoreUnavailableError) as caught:
                await generations.read_active(client)
            assert missing[1:].replace("|", " ") in str(caught.value).lower()


@pytest.mark.parametrize("has_right", [True, False])
async def test_sentinels_with_a_login(
    redis_form: Callable[[str], tuple[Any, str]], password: str, tmp_path: Path, *, has_right: bool
) -> None:
    """Of their own, and the default user off: one right is enough there."""
    by_sentinel, url = redis_form("sentinel")
    (sentinel,) = by_sentinel.sentinels
    set_users(sentinel, tmp_path, "sentinel")
    if not has_right:
        apply(sentinel, "sentinel", [])
    client = connect(RedisSettings(url, sentinel_username="sentinel", sentinel_password_file=password))
    try:
        if has_right:
            assert await generations.read_active(client) is None
        else:
            with pytest.raises(StoreUnavailableError, match=r"\+sentinel\|get-master-addr-by-name"):
                await generations.read_active(client)
    finally:
        await client.aclose()
