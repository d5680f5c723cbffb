"""Who read is nowhere: not in Kafka, Redis, the spool or a log; and what a site may have instead, a name for a day."""

import asyncio
import re
import sqlite3
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from deploy.local import waiting
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from producers.collector import salt
from producers.collector.salt import AHEAD_S, DAY_S, KEPT_S, Salts
from tests.support.collector_process import KEY, Collector, collector, new_topic, records
from tests.support.redis_at import redis_at
from tests.support.redis_proxy import redis_proxy
from tests.support.redis_switch import redis_pair

DOCS = Path(__file__).parents[3] / "docs"
SITES = """
[sites.demo]
origins = ["https://www.demo.example"]
visitors = true
[sites.other]
origins = ["https://other.example"]
visitors = true
[sites.quiet]
origins = ["https://quiet.example"]
[collect]
proxies = ["127.0.0.0/8"]
[rules]
preset = "press"
internal_networks = ["198.51.100.0/24"]
"""
ADDRESS, AGENT = "203.0.113.77", "Needle/47.11 (haystack)"
READER = {"X_Forwarded_For": ADDRESS, "User_Agent": AGENT}
TRACES = [ADDRESS.encode(), bytes([203, 0, 113, 77]), b"cb00714d", b"Needle", b"47.11", b"haystack", KEY.encode()]
"""What must be nowhere: address (also packed, also in hexadecimal), agent, key."""
NO_KEY = SITES + "[sites.server]\n"


@pytest.fixture
def topic(kafka_embedded: str, request: pytest.FixtureRequest) -> str:
    return asyncio.run(new_topic(kafka_embedded, request.node.name))


@pytest.fixture
def two(kafka_embedded: str, topic: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[Collector, Collector]]:
    """Two collectors with one Redis."""
    with (
        collector(kafka_embedded, topic, tmp_path / "1", NO_KEY, redis_url=redis_url) as first,
        collector(kafka_embedded, topic, tmp_path / "2", NO_KEY, redis_url=redis_url) as second,
    ):
        yield first, second


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    async with Redis.from_url(redis_url) as found:
        yield found


async def test_a_name_for_a_day(two: tuple[Collector, Collector], client: Any) -> None:
    """One reader has one name at every collector, another one on another site, and none if it is not wanted."""
    first, second = two
    sent = {
        "a": (first, READER),
        "b": (second, READER),
        "agent": (first, READER | {"User_Agent": AGENT + " "}),
        "address": (first, READER | {"X_Forwarded_For": "203.0.113.78"}),
        "site": (first, READER | {"Origin": "https://other.example"}),
        "gpc": (first, READER | {"Sec_GPC": "1"}),
        "quiet": (first, READER | {"Origin": "https://quiet.example"}),
        "forged": (first, READER | {"X_Forwarded_For": f"198.51.100.1, {ADDRESS}"}),
    }
    for name, (one, headers) in sent.items():
        assert one.page({"article_id": f"/{name}"}, **headers).status == 202
    assert first.server({"article_id": "/server"}, **READER).status == 202
    found = await records(first.bootstrap, first.topic, len(sent) + 1)
    visitor: dict[str, Any] = {record.event["article_id"][1:]: record.event.get("visitor_id") for record in found}
    assert visitor["a"] == visitor["b"] == visitor["forged"]
    assert len(visitor["a"]) == 32
    assert len({visitor[name] for name in ("a", "agent", "address", "site")}) == 4
    assert [visitor[name] for name in ("gpc", "quiet", "server")] == [None, None, None]

    day = int(time.time() // DAY_S)
    keys = {key.decode() for key in await client.keys("*")}
    assert salt.key(day) in keys <= {salt.key(day), salt.key(day + 1)}
    for key in keys:
        assert len(await client.get(key)) == 32
        assert time.time() + DAY_S - AHEAD_S - 5 < await client.expiretime(key) <= (day + 1) * DAY_S + KEPT_S


async def test_a_key_for_an_article_and_a_day(two: tuple[Collector, Collector]) -> None:
    """On a site that may not follow its readers: one key at every collector, another for each article, no visitor_id."""
    first, second = two
    quiet = READER | {"Origin": "https://quiet.example"}
    mine = {"repeat_key": "mine", "agent_class": "internal"}
    sent: list[tuple[Collector, dict[str, str], dict[str, str]]] = [
        (first, {"event_id": "a", "article_id": "/café"}, quiet),
        (second, {"event_id": "a again", "article_id": "/caf%c3%a9/?utm_source=x"}, quiet),
        (first, {"event_id": "other article", "article_id": "/b"}, quiet),
        (first, {"event_id": "other agent", "article_id": "/café"}, quiet | {"User_Agent": AGENT + " "}),
        (first, {"event_id": "other address", "article_id": "/café"}, quiet | {"X_Forwarded_For": "203.0.113.78"}),
        (first, {"event_id": "visitors", "article_id": "/café"}, READER),
        (first, {"event_id": "share", "article_id": "/café", "event_type": "share"}, quiet),
        (first, {"event_id": "gpc", "article_id": "/café"}, quiet | {"Sec_GPC": "1"}),
    ]
    for one, event, headers in sent:
        assert one.page(event, **headers).status == 202
    assert first.server({"event_id": "server", "article_id": "/café"} | mine, **READER).json["counted_as"] == "internal"
    own = quiet | {"X_Forwarded_For": "198.51.100.7"}
    assert first.page({"event_id": "own", "article_id": "/b"}, **own).json == {"accepted": 1, "counted_as": "internal"}
    crawler = own | {"User_Agent": "curl/8.14.1"}
    assert first.page({"event_id": "curl", "article_id": "/b"}, **crawler).json["counted_as"] == "bot"
    image = first.ask("GET", "/v1/view.gif?article_id=/image", **own)
    assert image.headers["counted-as"] == "internal"
    found = await records(first.bootstrap, first.topic, len(sent) + 4)
    events: dict[str, dict[str, Any]] = {record.event["event_id"]: record.event for record in found}
    keys = {name: event.get("repeat_key") for name, event in events.items()}
    assert keys["a"] == keys["a again"]
    names = ("a", "other article", "other agent", "other address", "visitors", "own")
    assert all(re.fullmatch("[0-9a-f]{16}", str(keys[name])) for name in names)
    assert len({keys[name] for name in names}) == len(names)
    assert (keys["share"], keys["gpc"], keys["server"]) == (None, None, "mine")
    assert [name for name, event in events.items() if event.get("visitor_id")] == ["visitors"]
    assert [events[name].get("agent_class") for name in ("a", "own", "curl", "server")] == [
        None, "internal", "bot", "internal",
    ]  # fmt: skip


async def test_nothing_is_left_of_a_reader(two: tuple[Collector, Collector], client: Any) -> None:
    """Not in the log, not in Redis, not in the metrics, not on standard error: whatever was accepted or refused."""
    running, _ = two
    assert running.page([{"article_id": "/a"}, {"article_id": "a b"}], **READER).status == 207
    assert running.server({"article_id": "/a"}, **READER).status == 202
    assert running.server({"article_id": "/a"}, KEY + "x", **READER).status == 401
    assert (
        running.ask("GET", f"/v1/view.gif?article_id=/a&ip={ADDRESS}", Origin="https://quiet.example", **READER).status
        == 200
    )
    assert running.page(b'{"Needle": NaN}', **READER).status == 400
    assert running.page({"article_id": "/a"}, Cookie="x" * 20_000, **READER).status == 431
    assert running.page({"article_id": "/a"}, **(READER | {"Origin": "https://evil.example"})).status == 403
    await asyncio.to_thread(waiting.until, "Answers", lambda: running.metric("connections") == 0)
    places = {
        "Kafka": b"".join(record.key + record.value for record in await records(running.bootstrap, running.topic, 3)),
        "Redis": b"".join([key + await client.get(key) for key in await client.keys("*")]),
        "metrics": running.admin("/metrics").body,
    }
    running.child.stop()
    places["standard error"] = running.log.read_bytes()
    places["files"] = b"".join(file.read_bytes() for file in running.spool.rglob("*"))
    for place, content in places.items():
        assert content or place == "files"
        assert [trace for trace in TRACES if trace in content] == [], place


async def test_nothing_is_left_in_the_spool(redis_url: str, tmp_path: Path) -> None:
    """Kafka away: what waits on disk, unpacked, has the event and nothing of who sent it."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path, NO_KEY, redis_url=redis_url) as running:
        assert running.page({"article_id": "/waits"}, **READER).status == 202
        assert running.server({"article_id": "/waits"}, **READER).status == 202
        running.child.kill()
        raw = b"".join(file.read_bytes() for file in running.spool.rglob("*") if file.is_file())
        with sqlite3.connect(running.spool / "spool.sqlite3") as database:
            rows = [zlib.decompress(body) for (body,) in database.execute("SELECT body FROM queue")]
        database.close()
    content = raw + b"".join(rows) + running.log.read_bytes()
    assert content.count(b"/waits") >= 2
    assert b"visitor_id" in content
    assert [trace for trace in TRACES if trace in content] == []
    modes = {file.stat().st_mode & 0o077 for file in (running.spool, *running.spool.rglob("*"))}
    assert modes == {0}


async def test_without_a_salt_there_is_no_name(
    kafka_embedded: str, topic: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Redis hangs: events are taken as ever, and counted as nameless; when it goes on, names come by themselves."""
    redis_server.flush()
    redis_server.suspend()
    with collector(kafka_embedded, topic, tmp_path, NO_KEY, redis_url=redis_server.url) as running:
        begun = time.monotonic()
        assert running.page({"article_id": "/a"}, **READER).status == 202
        assert time.monotonic() - begun < 1
        assert running.admin("/readyz").status == 200
        assert running.metric("visitors_without_salt_total") == 1
        assert running.metric("repeat_keys_without_salt_total") == 1
        three = [{"article_id": "/a"}, {"article_id": "/a"}, {"article_id": "a b"}]
        assert running.page(three, **READER).status == 207
        assert running.metric("visitors_without_salt_total") == 3
        share = {"article_id": "/a", "event_type": "share"}
        assert running.page(share, **READER | {"Origin": "https://quiet.example"}).status == 202
        assert running.page(share, **READER | {"Sec_GPC": "1"}).status == 202
        assert running.metric("repeat_keys_without_salt_total") == 3
        redis_server.resume()

        def named() -> bool:
            before = running.metric("visitors_without_salt_total")
            assert running.page({"article_id": "/b"}, **READER).status == 202
            return running.metric("visitors_without_salt_total") == before

        await asyncio.to_thread(waiting.until, "A salt", named, pause_s=0.2)
    events = [record.event for record in await records(kafka_embedded, topic, 2, at_least=True)]
    assert {len(event.get("visitor_id") or "") for event in events} == {0, 32}
    assert {len(event.get("repeat_key") or "") for event in events} == {0, 16}
    assert running.log.read_text().count("Redis") == 2


async def test_a_cluster_that_is_away(tmp_path: Path) -> None:
    """What its client raises then is no RedisError: the collector starts, takes events and goes on asking."""
    url = f"redis+cluster://{HOST}:{free_port()}/0"
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path, NO_KEY, redis_url=url) as running:
        assert running.page({"article_id": "/a"}, **READER).status == 202
        assert running.metric("visitors_without_salt_total") == 1
    async with salt.open_salts(redis_at(url)) as salts:
        assert salts.of(int(time.time() // DAY_S)) is None
        await salts.refresh()
        (looking,) = (task for task in asyncio.all_tasks() if task.get_name() == "salts")
        assert not looking.done()


async def test_salts_by_the_day(client: Any) -> None:
    """
    23:30   │ today's, and tomorrow's ahead   ──▶ the same at every collector
    midnight│ tomorrow's is today's; the old one is forgotten here, and by Redis a day later
    lost    │ Redis came back empty: the salt that is in use is put back, and the other collector takes it over
    """
    start = (int(time.time()) // DAY_S) * DAY_S
    now = [start + DAY_S - 1_800.0]
    one, other = Salts(client, lambda: now[0]), Salts(client, lambda: now[0])
    day = start // DAY_S
    assert one.of(day) is None
    await one.fetch()
    await other.fetch()
    today, tomorrow = one.of(day), one.of(day + 1)
    assert today != tomorrow
    assert (other.of(day), other.of(day + 1)) == (today, tomorrow)
    assert await client.expiretime(salt.key(day)) == start + KEPT_S
    now[0] = start + DAY_S + 1
    await one.fetch()
    assert (one.of(day), one.of(day + 1), one.of(day + 2)) == (None, tomorrow, None)
    await client.flushall()
    await one.fetch()
    await other.fetch()
    assert one.of(day + 1) == other.of(day + 1) == tomorrow


def test_the_documented_life_of_a_salt_is_the_true_one() -> None:
    """In both languages: from the day's beginning and from its end."""
    begun, ended = KEPT_S // 3_600, (KEPT_S - DAY_S) // 3_600
    english, french = (
        re.sub(r"\s+", " ", (DOCS / name).read_text("utf-8")) for name in ("privacy.en.md", "privacy.md")
    )
    assert f"until {begun} hours after that day began" in english
    assert f"forgotten by Redis {ended} hours after that day has ended" in english
    assert f"jusqu’à {begun} heures après le début de ce jour" in french
    assert f"oublié par Redis {ended} heures après la fin de ce jour" in french


async def test_salts_of_a_cluster(redis_cluster_url: str) -> None:
    """Addresses are as for the ranker, a cluster's too."""
    async with salt.open_salts(redis_at(redis_cluster_url)) as salts:
        assert len(salts.of(int(time.time() // DAY_S)) or b"") == 32


async def test_salts_need_no_more_than_get_and_set(redis_server: RedisServer, redis_url: str) -> None:
    """As deploy/README.md says of the user's rights; proxies have little else."""
    unknown = b"-ERR unknown command 'x', with args beginning with: \r\n"
    others = dict.fromkeys(("HELLO", "CLIENT", "INFO", "COMMAND", "PING", "TIME", "CONFIG"), unknown)
    async with redis_proxy(redis_server.port, others) as url, salt.open_salts(redis_at(url)) as salts:
        assert len(salts.of(int(time.time() // DAY_S)) or b"") == 32


async def test_salts_follow_the_primary(tmp_path: Path) -> None:
    """The old primary keeps its connections after a switch, and refuses what is set: the next look connects anew."""
    async with redis_pair(tmp_path) as pair, salt.open_salts(redis_at(pair.url)) as salts:
        today = int(time.time() // DAY_S)
        before = salts.of(today)
        await pair.follow()
        pair.switch()
        await salts.refresh()
        await salts.refresh()
        with pair.primary.client() as client:
            client.delete(salt.key(today))
            await salts.refresh()
            assert client.get(salt.key(today)) == before
