"""`ranker check` on a Redis that does not tell everything: each thing that it withholds is a note, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.redis import RedisServer
from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.operate import check_redis, generations
from ranker.store import redis_info
from ranker.store.redis_info import store_time_ms
from tests.support.checking import now_ms, of
from tests.support.redis_at import redis_at
from tests.support.redis_proxy import Answer, bulk, redis_proxy, without
from tests.support.shard_writer import activate

UNKNOWN = b"-ERR unknown command 'x', with args beginning with: \r\n"
NOPERM = b"-NOPERM this user has no permissions to run the 'x' command\r\n"
UPSTASH = bulk(
    "# Server\r\nupstash_version:1.10.5\r\nredis_version:6.2.6\r\nredis_git_sha1:a36eec4d\r\n# Memory\r\n"
    "total_allocated:0\r\n\r\n# Data\r\ntotal_size:0\r\n"
)
MAP = b"%2\r\n" + b"".join(map(bulk, ("redis_version", "7.4.1", "maxmemory_policy", "noeviction")))
LIST = b"*4\r\n" + MAP[4:]
POLICY, VERSION, TIME = "does not show its maxmemory-policy", "does not show its version", "does not show its time"

ANSWERS: list[tuple[str, dict[str, Answer], list[str]]] = [
    ("Redis Enterprise: no policy", {"INFO": without("maxmemory_policy"), "CONFIG": UNKNOWN}, [POLICY]),
    ("the policy by CONFIG alone", {"INFO": without("maxmemory_policy")}, []),
    ("an empty policy", {"INFO": bulk("redis_version:7.2.0\r\nmaxmemory_policy:\r\n"), "CONFIG": b"*0\r\n"}, [POLICY]),
    ("no version", {"INFO": without("redis_version", "valkey_version", "server_name")}, [VERSION]),
    ("a word for a version", {"INFO": bulk("redis_version:unstable\r\nmaxmemory_policy:noeviction")}, [VERSION]),
    ("Upstash", {"INFO": UPSTASH, "CONFIG": b"-ERR Command is not available: 'CONFIG'\r\n"}, [POLICY]),
    ("Envoy", {"INFO": UNKNOWN, "CONFIG": UNKNOWN, "HELLO": UNKNOWN, "CLIENT": UNKNOWN}, [POLICY, VERSION]),
    ("no permission", {"INFO": NOPERM, "CONFIG": NOPERM, "TIME": NOPERM}, [POLICY, VERSION, TIME]),
    ("an old proxy", {"INFO": b"-ERR No permission to execute this command\r\n"}, [VERSION]),
    ("a map", {"INFO": MAP, "HELLO": b"%1\r\n" + bulk("role") + bulk("master")}, []),
    ("a list", {"INFO": LIST}, []),
    ("nothing", {"INFO": b"$-1\r\n", "CONFIG": b"*-1\r\n", "TIME": b"*-1\r\n"}, [POLICY, VERSION, TIME]),
    ("empty", {"INFO": b"$0\r\n\r\n", "CONFIG": b"$0\r\n\r\n", "TIME": b"*0\r\n"}, [POLICY, VERSION, TIME]),
    ("a status", {"INFO": b"+OK\r\n", "CONFIG": b"+OK\r\n", "HELLO": b"+OK\r\n"}, [POLICY, VERSION]),
    ("a number", {"INFO": b":1\r\n", "CONFIG": b":1\r\n", "TIME": b":1\r\n", "HELLO": b":1\r\n"}, [POLICY, VERSION, TIME]),
    ("no UTF-8", {"INFO": b"$23\r\nos:\xff\r\nredis_version:7\r\r\r\n"}, []),
    ("Dragonfly", {"INFO": bulk("redis_version:6.2.11\r\ndragonfly_version:df-v1.21.2\r\nmaxmemory_policy:noeviction")}, []),
    ("no MULTI, SCRIPT, ACL, MEMORY", dict.fromkeys(("MULTI", "EXEC", "SCRIPT", "ACL", "MEMORY"), UNKNOWN), []),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "notes"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
async def test_what_a_server_does_not_tell_is_a_note(
    redis_server: RedisServer, redis_url: str, answers: dict[str, Answer], notes: list[str]
) -> None:
    """And nothing else: counting goes on, and the note says what to see to by hand."""
    async with redis_proxy(redis_server.port, answers) as url:
        client = connect(redis_at(url))
        found = await check_redis.findings(client, "url", "abc", now_ms)
        noted: list[str] = []
        assert await check_redis.unfit(client, now_ms, noted.append) == []
        assert (await store_time_ms(client) is None) is (TIME in notes)
        await client.aclose()
    assert of("fault", found) == []
    said = of("note", found)
    assert [any(words in one for one in said) for words in notes] == [True] * len(notes)
    assert len(said) == len(notes) == len(noted)
    assert all(" | " in one and not one.endswith("| ") for one in said)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"INFO": UNKNOWN, "EVAL": b"-ERR Error compiling script: unexpected symbol near '#'\r\n"}, "does not run our scripts (Error compiling"),
        ({"EVAL": NOPERM}, "ACL SETUSER … +@read +@write +eval +evalsha +info +time"),
        ({"INFO": bulk("redis_version:6.3.4\r\nmaxmemory_policy:noeviction")}, "Redis 6.3.4 is too old"),
        ({"INFO": bulk("redis_version:7.4.0\r\ndragonfly_version:df-v1.9.0\r\nmaxmemory_policy:eviction")}, "Dragonfly 1.9.0 has maxmemory-policy eviction"),
        ({"INFO": UNKNOWN, "CONFIG": b"*2\r\n" + bulk("maxmemory-policy") + bulk("volatile-lru")}, "maxmemory-policy volatile-lru"),
    ],
)  # fmt: skip
async def test_what_is_known_to_be_wrong_stays_a_fault(
    redis_server: RedisServer, redis_url: str, answers: dict[str, Answer], said: str
) -> None:
    async with redis_proxy(redis_server.port, answers) as url:
        client = connect(redis_at(url))
        (fault,) = of("fault", await check_redis.findings(client, "url", "abc", now_ms))
        (sentence,) = await check_redis.unfit(client, now_ms)
        await client.aclose()
    assert said in fault
    assert sentence.split(";")[0] in fault


async def test_a_server_that_is_busy_withholds_nothing(redis_server: RedisServer, redis_url: str) -> None:
    """It is not available for now."""
    busy = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"
    async with redis_proxy(redis_server.port, {"INFO": busy}) as url:
        client = connect(redis_at(url))
        (fault,) = of("fault", await check_redis.findings(client, "url", "abc", now_ms))
        await client.aclose()
    assert "does not take writes: BUSY" in fault


@pytest.fixture(scope="module")
def narrow(services_directory: Path) -> Iterator[RedisServer]:
    """A server whose commands for operators have no name."""
    commands = ("INFO", "CONFIG", "ACL", "CLIENT", "WAIT", "SLOWLOG", "MEMORY", "TIME", "SCRIPT", "COMMAND")
    server = RedisServer(
        services_directory / "narrow",
        extra=tuple(word for name in commands for word in ("--rename-command", name, "")),
    )
    server.start()
    yield server
    server.stop()


async def test_a_server_without_the_commands_of_operators(narrow: RedisServer, generation: Generation) -> None:
    """As managed ones are, really: checked with three notes, and the memory of its keys is unknown."""
    client = connect(redis_at(narrow.url))
    said = of("note", await check_redis.findings(client, "url", "abc", now_ms))
    assert [words in one for words, one in zip((POLICY, VERSION, TIME), said, strict=True)] == [True] * 3
    assert "(INFO: unknown command 'INFO'" in said[0]
    await activate(client, generation, 1)
    (row,) = await generations.overview(client)
    assert row.memory_bytes is None
    await client.aclose()


@pytest.mark.parametrize(
    ("rights", "notes"),
    [
        (("+@all", "-@dangerous", "-@admin"), [POLICY, VERSION]),
        (("+@read", "+@write", "+eval", "+evalsha"), [POLICY, VERSION, TIME]),
        (("+@all", "-config", "-acl", "-client", "-hello", "-script"), []),
    ],
)
async def test_a_user_with_few_rights(
    redis_server: RedisServer, redis_url: str, rights: tuple[str, ...], notes: list[str]
) -> None:
    """Reads and writes are enough; what he may not see is noted with Redis' own words."""
    with redis_server.client() as plain:
        plain.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">pw", "~*", *rights)
        opened: Any = connect(redis_at(redis_url.replace("redis://", "redis://narrow:pw@")))
        try:
            found = await check_redis.findings(opened, "url", "abc", now_ms)
        finally:
            await opened.aclose()
            plain.execute_command("ACL", "DELUSER", "narrow")
    assert of("fault", found) == []
    said = of("note", found)
    assert [words in one for words, one in zip(notes, said, strict=True)] == [True] * len(notes)
    assert all("no permissions" in one for one in said)


@pytest.mark.parametrize("missing", redis_info.IN_SCRIPTS)
async def test_a_right_that_scripts_lack_is_a_fault(redis_server: RedisServer, redis_url: str, missing: str) -> None:
    """A script that is refused half way leaves what it wrote, and would count it again: so nothing is begun."""
    with redis_server.client() as plain:
        plain.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">pw", "~ranker:*", "+@all", f"-{missing}")
        opened: Any = connect(redis_at(redis_url.replace("redis://", "redis://narrow:pw@")))
        try:
            (sentence,) = await check_redis.unfit(opened, now_ms)
        finally:
            await opened.aclose()
            plain.execute_command("ACL", "DELUSER", "narrow")
    assert f"(this user may not run {missing})" in sentence


def test_the_commands_of_scripts_are_all_of_theirs() -> None:
    text = "".join(path.read_text() for path in (Path(redis_info.__file__).parent / "scripts").glob("*.lua"))
    used = set(re.findall(r"call\('([A-Z]+)'", text)) | set(re.findall(r"([SH](?:ADD|REM|DEL)) = program", text))
    assert used == set(redis_info.IN_SCRIPTS)


async def test_a_user_without_the_keys_is_a_fault_and_no_traceback(redis_server: RedisServer, redis_url: str) -> None:
    """A right can be granted while a process waits for it."""
    with redis_server.client() as plain:
        plain.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">pw", "~other:*", "+@all")
        opened: Any = connect(redis_at(redis_url.replace("redis://", "redis://narrow:pw@")))
        try:
            faults = of("fault", await check_redis.findings(opened, "url", "abc", now_ms))
        finally:
            await opened.aclose()
            plain.execute_command("ACL", "DELUSER", "narrow")
    assert any("Redis forbids GET ranker:active: this user has no permissions" in fault for fault in faults)
