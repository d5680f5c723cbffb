"""The processes themselves, with a user each: they count and serve; a right or a password that goes is said, and is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.redis import RedisServer, redis_binary
from ranker.connect.redis_settings import RedisSettings
from tests.integration.consume.engine import Engine
from tests.support.reader_process import ReaderProcess, reader_process
from tests.support.redis_at import SECURED
from tests.support.redis_forms import FORMS
from tests.support.redis_roles import PASSWORD, apply, rules, set_users
from tests.support.served_lists import ServedLists

LONG = [form for form in FORMS if form != "sentinel_tls"]
LIST = "/v1/demo/popular/read/long"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis", redis_binary())
    made.start()
    yield made
    SECURED.pop(made.url, None)
    made.stop()


async def _logs(reader: ReaderProcess, words: str) -> bool:
    """It goes on serving what it has, so it stays ready."""
    return words in reader.log.read_text()


@pytest.mark.long
async def test_each_process_as_its_user(new_engine: Callable[..., Engine], server: RedisServer, tmp_path: Path) -> None:
    """Counts equal the recount; operators' commands end with 0; what is forbidden later is named until it is allowed."""
    password = tmp_path / "password"
    engine = new_engine(redis_url=server.url)  # its own look at the keys is the default user's
    set_users(server, tmp_path, "consumer", "reader", "operator")
    password.write_text(f"{PASSWORD}\n")
    at = {role: RedisSettings(server.url, role, str(password)) for role in ("consumer", "reader", "operator")}
    await engine.create_topic(2)
    SECURED[server.url] = at["consumer"]
    consumer = engine.consume()
    await engine.traffic.send(1_000)
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    await engine.check()
    SECURED[server.url] = at["reader"]
    with reader_process(server.url, tmp_path) as reader:
        await asyncio.to_thread(reader.until_ready)
        answer = await asyncio.to_thread(reader.get, LIST)
        assert answer.json["items"]
        SECURED[server.url] = at["operator"]
        checked = await asyncio.to_thread(
            engine.ranker, "check"
        )  # the topics are the test's, and not as they should be
        assert "ok     Redis: " in checked.stdout
        assert "fault  Redis" not in checked.stdout
        for words in (("generations",), ("top", "--once"), ("verify",)):
            ended = await asyncio.to_thread(engine.ranker, *words)
            assert ended.returncode == 0, ended.stdout + ended.stderr

        apply(server, "consumer", [right for right in rules("consumer") if right != "+evalsha"])
        apply(server, "reader", [right for right in rules("reader") if right != "+hmget"])
        await engine.traffic.send(100)
        await engine.until("word of evalsha", lambda: consumer.says("'evalsha' command"))
        await engine.until("word of hmget", lambda: _logs(reader, "HMGET ranker:"))
        apply(server, "consumer", rules("consumer"))
        apply(server, "reader", rules("reader"))
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
        await asyncio.to_thread(reader.until_ready)

        with server.client() as plain:
            for role in ("consumer", "reader"):
                plain.execute_command("ACL", "SETUSER", role, "resetpass", ">another")
                plain.client_kill_filter(user=role)
        await engine.until("word of the password", lambda: consumer.says("RANKER_REDIS_PASSWORD_FILE"))
        await engine.until("word of the password", lambda: _logs(reader, "RANKER_REDIS_PASSWORD_FILE"))
        password.write_text("another")
        await engine.traffic.send(100)
        await engine.until_counted()
        await engine.until("readiness", consumer.ready)
        await asyncio.to_thread(reader.until_ready)
    await engine.check()
    for text in (consumer.child.log.read_text(), reader.log.read_text()):
        assert "RANKER_REDIS_PASSWORD_FILE" in text
        assert PASSWORD not in text


@pytest.mark.parametrize("form", ["sentinel_tls", *(pytest.param(form, marks=pytest.mark.long) for form in LONG)])
@pytest.mark.long
async def test_each_form(
    new_engine: Callable[..., Engine], redis_form: Callable[[str], tuple[Any, str]], tmp_path: Path, form: str
) -> None:
    """Counted and served by processes, in their own loop, and equal to the recount."""
    engine = new_engine(redis_url=redis_form(form)[1])
    await engine.create_topic(3)
    consumer = engine.consume()
    await engine.traffic.send(2_000)
    await engine.until_counted()
    await engine.until("readiness", consumer.ready)
    with reader_process(engine.redis_url, tmp_path) as reader:
        async with ServedLists.of(reader) as lists:
            await lists.until_next("the beginning", 10.0)
        listed = await asyncio.to_thread(engine.ranker, "top", "--once")
        assert listed.returncode == 0, listed.stderr
    await engine.check()
    await lists.check(engine.recount)
