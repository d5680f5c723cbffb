"""`producers collect` on a real broker: what is answered, and what stands in Kafka then."""

import asyncio
import contextlib
import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from deploy.local import waiting
from producers.client.batches import Homes
from producers.collector import catalogue
from tests.support.collector_process import (
    KEY,
    ORIGIN,
    OTHER_KEY,
    PARTITIONS,
    SITES,
    Collector,
    collector,
    fields,
    new_topic,
    records,
)
from tests.support.http import Answer
from tests.support.published_scripts import TRACKER

BEHIND_PROXY = (
    SITES + '[collect]\nproxies = ["127.0.0.0/8"]\nclient_events_s = 1\nclient_burst = 500\nkey_events_s = 500\n'
)
HOUR = "[windows]\n1h = { length_s = 3600, grain_s = 60 }\n"
FEW_ARTICLES = SITES + '[collect]\nproxies = ["127.0.0.0/8"]\nnew_articles_per_minute = 1\nnew_articles_burst = 3\n'
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture
def topic(kafka_embedded: str, request: pytest.FixtureRequest) -> str:
    """Of this test's own."""
    return asyncio.run(new_topic(kafka_embedded, request.node.name))


@pytest.fixture
def running(kafka_embedded: str, topic: str, tmp_path: Path) -> Iterator[Collector]:
    with collector(kafka_embedded, topic, tmp_path) as one:
        yield one


async def test_what_stands_in_kafka(running: Collector) -> None:
    """The page view of the contract, in its home, numbered from 0 without a gap; what pages may not say is not there."""
    before = time.time_ns() // 1_000_000
    assert running.page({"article_id": "/a", "hat": "red", "producer_id": "x", "sequence": 77}).status == 202
    assert running.page([{"article_id": "/b", "event_type": "share", "event_id": "mine"}]).json == {"accepted": 1}
    everything = {"article_id": "/c", "event_type": "vote", "value": -3, "occurred_at": before - 5, "visitor_id": "v"}
    assert running.server([everything | {"site_id": "demo", "agent_class": "person"}]).status == 202
    assert running.ask("GET", "/v1/view.gif?article_id=%2F%C3%A9cluse&r=0.5", Host="views.demo.example").status == 200
    after = time.time_ns() // 1_000_000

    found = await records(running.bootstrap, running.topic, 4)
    homes = Homes(PARTITIONS)
    assert all(record.partition == homes[record.key] for record in found)
    assert all(record.key.decode() == f"demo/{record.event['article_id']}" for record in found)
    events = sorted((record.event for record in found), key=lambda event: event["sequence"])
    assert [event["sequence"] for event in events] == [0, 1, 2, 3]
    assert len({event["producer_id"] for event in events}) == 1
    page, share, vote, pixel = events
    assert fields(page, "site_id", "event_type", "value", "visitor_id", "hat") == ("demo", "view", None, None, None)
    assert before <= page["occurred_at"] <= pixel["occurred_at"] <= after
    assert fields(share, "event_type", "event_id") == ("share", "mine")
    assert fields(vote, "event_type", "value", "occurred_at", "visitor_id", "agent_class") == (
        "vote",
        -3,
        before - 5,
        "v",
        "person",
    )
    assert fields(pixel, "article_id", "event_type") == ("/écluse", "view")
    assert running.metric("events_total", to="kafka") == 4


async def test_which_site_and_what_it_may(running: Collector) -> None:
    """Each site its own origins, hosts, types and key; what is foreign is refused and counted, and writes nothing."""
    view, share = {"article_id": "/a"}, {"article_id": "/a", "event_type": "share"}
    assert running.page(view, Origin="https://other.example").json["rejected"][0]["reason"] == "not_public"
    assert running.page(share, Origin="https://other.example").status == 202
    assert running.server(view, OTHER_KEY, Origin=ORIGIN).status == 202
    assert running.server(view | {"site_id": "other"}).json["rejected"][0]["reason"] == "foreign_site"
    assert running.page(view | {"site_id": "other"}).json["rejected"][0]["reason"] == "foreign_site"
    assert running.ask("GET", "/v1/view.gif?article_id=/a", Origin="https://other.example").status == 400
    refused = [
        running.page(view, Origin="https://evil.example"),
        running.page(view, Origin="null"),
        running.post(view, Host="elsewhere.example"),
        running.ask("GET", "/v1/view.gif?article_id=/a", Referer="https://evil.example/", Host="views.demo.example"),
        running.ask("OPTIONS", "/v1/events", Origin="https://evil.example"),
    ]
    assert [answer.status for answer in refused] == [403] * 5
    assert not any("access-control-allow-origin" in answer.headers for answer in refused)
    assert running.server(view, KEY[:-1]).status == running.server(view, KEY + "x").status == 401
    assert running.post(view, Authorization=f"Basic {KEY}").status == 401
    events = [record.event for record in await records(running.bootstrap, running.topic, 2)]
    assert {fields(event, "site_id", "event_type") for event in events} == {("other", "share"), ("other", "view")}
    assert running.metric("refused_requests_total", reason="foreign_origin") == 4
    assert running.log.read_text().count("https://evil.example") == 1
    assert running.metric("refused_requests_total", reason="unknown_site") == 1
    assert running.metric("refused_requests_total", reason="write_key") == 3


async def test_what_is_no_view(running: Collector) -> None:
    """Prefetched pages, whichever way the browser says it, and questions by HEAD: answered, counted, not written."""
    for headers in ({"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X_Moz": "Prefetch"}):
        assert running.page([{"article_id": "/a"}] * 2, **headers).json == {"accepted": 0}
    pixel = "/v1/view.gif?article_id=/a"
    assert running.ask("GET", pixel, Referer=ORIGIN, Sec_Purpose="prefetch").status == 200
    head = running.ask("HEAD", pixel, Referer=ORIGIN)
    assert (head.status, head.headers["content-length"], head.body) == (200, "43", b"")
    assert running.page({"article_id": "/seen"}).status == 202
    (record,) = await records(running.bootstrap, running.topic, 1)
    assert record.event["article_id"] == "/seen"
    assert running.metric("ignored_events_total", reason="prefetch") == 7


async def test_crawlers(running: Collector) -> None:
    """Known by their user agent, however long; a server's program is not what read the article."""
    for agent in (
        CRAWLER,
        "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
        "x" * 600 + CRAWLER,
    ):
        assert running.page({"article_id": "/a"}, User_Agent=agent).status == 202
    assert running.page({"article_id": "/a", "agent_class": "bot"}).status == 202
    assert running.server({"article_id": "/a"}, User_Agent=CRAWLER).status == 202
    found = await records(running.bootstrap, running.topic, 5)
    events = sorted((record.event for record in found), key=lambda event: event["sequence"])
    assert [event.get("agent_class") for event in events] == ["bot", None, None, "bot", None]


def test_faults_by_index(running: Collector) -> None:
    """In one answer, each where it stands; what is said is short and repeats no key."""
    events = [7, {"article_id": "/a"}, {"article_id": "x" * 9_000}, {"article_id": KEY * 30}]
    answer = running.server(events)
    assert (answer.status, answer.json["accepted"]) == (207, 1)
    assert [one["index"] for one in answer.json["rejected"]] == [0, 2, 3]
    assert all(len(one["detail"]) <= 200 for one in answer.json["rejected"])
    assert running.server([*events, {"article_id": "/a", "type": "x"}]).json["ignored_fields"] == ["type"]
    assert running.page([{}] * 501).status == 413
    assert running.page(b"").status == 400
    assert running.page({"article_id": "/a"}, Content_Type="text/html").status == 415
    assert running.metric("rejected_events_total", reason="invalid") == 6


def test_so_many_faults_are_told(running: Collector) -> None:
    """Where some events are accepted, each other one by its index; where none is, twenty, and the number of the others."""
    some = running.server([{"article_id": "/a"}, *[{}] * 400])
    assert (some.status, len(some.json["rejected"])) == (207, 400)
    none = running.server([{}] * 400)
    assert (none.status, [one["index"] for one in none.json["rejected"]]) == (400, list(range(20)))
    assert none.json["more_rejected"] == 380
    assert len(none.body) < 5_000
    assert "more_rejected" not in running.server([{}] * 20).json


def test_too_late_is_what_ranker_toml_says(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """A window of an hour: a minute ago counts, two hours ago is refused by index, and counted."""
    with collector(kafka_embedded, topic, tmp_path, HOUR + SITES) as running:
        now_ms = time.time_ns() // 1_000_000
        answer = running.server([{"article_id": "/a", "occurred_at": now_ms - ago} for ago in (60_000, 7_200_000)])
        assert (answer.status, answer.json["accepted"]) == (207, 1)
        assert [(one["index"], one["reason"]) for one in answer.json["rejected"]] == [(1, "late")]
        assert running.metric("rejected_events_total", reason="late") == 1


def test_paths_and_methods(running: Collector) -> None:
    """What is not there says so; what is there says which methods it has."""
    for method, target, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/events/", 404),
        ("GET", "//", 404),
        ("POST", "/../v1/events", 404),
        ("GET", "/v1/events", 405),
        ("DELETE", "/v1/events", 405),
        ("POST", "/v1/view.gif", 405),
        ("POST", "/tracker.js", 405),
    ):
        answer = running.ask(method, target)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), target
        assert answer.json["status"] == status
        assert ("allow" in answer.headers) is (status == 405)
    assert running.ask("GET", "/v1/events").json["detail"] == "Use POST here; allowed are POST and OPTIONS."
    assert running.metric("requests_total", route="other", status="404") == 4
    assert b"nothing" not in running.admin("/metrics").body


def test_the_tracker(running: Collector) -> None:
    """Kept for a week, asked for by its tag, packed for who wants it; under the address of its version for ever."""
    plain, packed = running.ask("GET", "/tracker.js"), running.ask("GET", "/tracker.js", Accept_Encoding="br, gzip")
    assert plain.headers["cache-control"] == "public, max-age=604800"
    assert plain.headers["access-control-allow-origin"] == "*"
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < 2_000
    tags = plain.headers["etag"], packed.headers["etag"]
    assert tags[0] != tags[1]
    assert running.ask("GET", "/tracker.js", If_None_Match=f'"x", W/{tags[0]}').status == 304
    assert running.ask("GET", "/tracker.js", If_None_Match=tags[1]).status == 200
    assert running.ask("HEAD", "/tracker.js").body == b""
    version = running.ask("GET", TRACKER.address)
    assert (version.body, version.headers["cache-control"]) == (plain.body, "public, max-age=31536000, immutable")
    assert running.ask("POST", TRACKER.address).status == 405
    assert running.metric("requests_total", route="/tracker.{version}.js", status="200") == 1
    for accepted, encoding in (
        ("gzip;q=0", None),
        ("br, gzip; q=0.000", None),
        ("xgzip", None),
        ("gzip;q=0.001", "gzip"),
        ("GZIP;q=1.0,br", "gzip"),
    ):
        answer = running.ask("GET", "/tracker.js", Accept_Encoding=accepted)
        assert answer.headers.get("content-encoding") == encoding, accepted


def image(running: Collector, **headers: str) -> int:
    return running.ask("GET", "/v1/view.gif?article_id=/a", Referer=ORIGIN, **headers).status


def unreadable(running: Collector, **headers: str) -> int:
    return running.page(b"{", **headers).status


def test_clients_are_limited_one_by_one(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """By the address that the proxy tells, a /64 as one; a key has a bucket of its own."""
    with collector(kafka_embedded, topic, tmp_path, BEHIND_PROXY) as running:
        many = [{"article_id": "/a"}] * 400
        assert running.page(many, X_Forwarded_For="203.0.113.9").status == 202
        refused = running.page(many, X_Forwarded_For="1.1.1.1, 203.0.113.9, 127.0.0.5")
        assert refused.status == 429
        assert 250 <= int(refused.headers["retry-after"]) <= 300
        assert refused.headers["access-control-allow-origin"] == ORIGIN
        assert running.page(many[:99], X_Forwarded_For="203.0.113.9").status == 202
        assert running.page(many, X_Forwarded_For="203.0.113.8").status == 202
        assert running.page(many, X_Forwarded_For="2001:db8::1").status == 202
        assert running.page(many, X_Forwarded_For="2001:db8::2:1").status == 429
        assert (
            running.ask("GET", "/v1/view.gif?article_id=/a", Referer=ORIGIN, X_Forwarded_For="2001:db8::9").status
            == 200
        )
        assert running.server(many, X_Forwarded_For="203.0.113.9").status == 202
        statuses = [running.server(many + many[:100]).status for _ in range(20)]
        assert 429 in statuses
        assert running.metric("refused_requests_total", reason="client_rate") == 2
        # Of a bucket of 500 a few are left; an image takes one, and so does a body that cannot be read.
        for number, ask in enumerate((image, unreadable)):
            client = f"203.0.113.{20 + number}"
            assert running.page([{"article_id": "/a"}] * 490, X_Forwarded_For=client).status == 202
            statuses_of_one = [ask(running, X_Forwarded_For=client) for _ in range(20)]
            assert (statuses_of_one[0] < 429, statuses_of_one[-1]) == (True, 429)
        assert running.metric("refused_requests_total", reason="key_rate") == statuses.count(429)


async def test_one_client_buys_no_place(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """30 views of an article in a clock hour, by whichever door, agent and address of a /64; what is beyond is named."""
    with collector(kafka_embedded, topic, tmp_path, BEHIND_PROXY) as running:
        hour, answers = None, list[Answer]()
        while hour != (hour := int(time.time() // 3_600)):  # again where the hour has ended meanwhile
            article = f"/{hour}"
            pixel = f"/v1/view.gif?article_id={article}"
            me = {"X_Forwarded_For": "2001:db8::1"}
            answers = [
                running.page([{"article_id": article}] * 27, **me),
                running.page({"article_id": article, "agent_class": "bot"}, **me, User_Agent=CRAWLER),
                running.ask("GET", pixel, **me, Referer=ORIGIN),
                running.page(
                    [{"article_id": article}, {"article_id": "/a b"}, {"article_id": article}],
                    X_Forwarded_For="2001:db8::2:1",
                ),
                running.page({"article_id": article}, **me, User_Agent="another"),
                running.page([{"article_id": article}, {"article_id": "/a b"}], **me),
                running.ask("GET", pixel, **me, Host="views.demo.example"),
                running.page({"article_id": article, "event_type": "share"}, **me),
                running.page({"article_id": article}, X_Forwarded_For="2001:db8:0:1::1"),
                running.server([{"article_id": article}] * 40, **me),
            ]
        assert [answer.status for answer in answers] == [202, 202, 200, 207, 202, 207, 200, 202, 202, 202]
        said = [answer.json.get("not_counted", []) for answer in (answers[3], answers[4], answers[5])]
        assert [[(one["index"], one["reason"]) for one in each] for each in said] == [
            [(2, "client_article_hour")],
            [(0, "client_article_hour")],
            [(0, "client_article_hour")],
        ]
        assert [answers[at].json["accepted"] for at in (3, 4, 5, 7, 8, 9)] == [1, 0, 0, 1, 1, 40]
        beyond = running.metric("ignored_events_total", reason="client_article_hour")
    found = [record.event for record in await records(kafka_embedded, topic, 30 + 1 + 1 + 40, at_least=True)]
    mine = [event for event in found if event["article_id"] == article]
    assert (len(mine), beyond >= 4) == (30 + 1 + 1 + 40, True)


def test_a_proxy_that_is_not_named_is_told_of(running: Collector) -> None:
    """Once, and without an address: else all its readers would be one client, and nobody see why."""
    for forwarded in ("203.0.113.77", "203.0.113.78"):
        assert running.page({"article_id": "/a"}, X_Forwarded_For=forwarded).status == 202
    assert running.log.read_text().count("is not named in collect.proxies") == 1
    assert "203.0.113" not in running.log.read_text()


def test_a_proxy_that_is_named_is_not_told_of(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """Nor is a reader in the same network behind it."""
    with collector(kafka_embedded, topic, tmp_path, BEHIND_PROXY) as running:
        for forwarded in ("203.0.113.77", "10.1.2.3"):
            assert running.page({"article_id": "/a"}, X_Forwarded_For=forwarded).status == 202
        assert "collect.proxies" not in running.log.read_text()


def test_strangers_cannot_invent_articles_without_end(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """With a budget of 4 of the longest ids for those that one address names, 1 for the others, 1 for each address.

    Servers are not bounded; what was taken is taken again, also after a restart.
    """

    invented = [f"/{number:0511}" for number in range(9)]
    with collector(kafka_embedded, topic, tmp_path, FEW_ARTICLES) as running:

        def send(article: str, client: int, **fields: str) -> Answer:
            return running.page({"article_id": article} | fields, X_Forwarded_For=f"203.0.113.{client}")

        answer = running.page([{"article_id": one} for one in invented[:2]], X_Forwarded_For="203.0.113.1")
        assert (answer.status, answer.json["accepted"]) == (207, 1)
        assert [(one["index"], one["reason"]) for one in answer.json["rejected"]] == [(1, "new_articles")]
        refused = send(invented[1], 1)
        assert (refused.status, refused.json["rejected"][0]["reason"]) == (429, "new_articles")
        assert 86_000 <= int(refused.headers["retry-after"]) <= 86_400
        assert running.metric("new_articles_left") > 0.7
        assert [send(invented[client], client).status for client in (2, 3, 4)] == [202] * 3
        assert running.metric("new_articles_left") < 0.2
        refused = send(invented[5], 5)
        assert (refused.status, 1 <= int(refused.headers["retry-after"]) <= 30) == (429, True)
        pixel = f"/v1/view.gif?article_id={invented[5]}"
        assert running.ask("GET", pixel, Referer=ORIGIN, X_Forwarded_For="203.0.113.5").status == 429
        assert send(invented[5], 6).status == 202
        assert send(invented[5], 7).status == 202
        assert send(invented[8], 8, event_type="share", agent_class="bot").status == 429
        assert running.server([{"article_id": f"/from-the-server/{i}"} for i in range(100)]).status == 202
        assert send("/from-the-server/7", 9).status == 202
        assert (
            running.page({"article_id": invented[8], "event_type": "share"}, Origin="https://other.example").status
            == 202
        )
        assert running.metric("rejected_events_total", reason="new_articles") == 5
        running.child.stop()
        assert running.child.returncode() == 0, running.child.tail()
        running.start(FEW_ARTICLES)
        known = [(invented[at], at) for at in (0, 2, 3, 4, 5)] + [
            (f"/from-the-server/{i}", 100 + i) for i in range(100)
        ]
        assert {send(article, 10 + client).status for article, client in known} == {202}
        assert running.metric("new_articles_left") > 0.98


async def test_the_catalogues_articles_are_free(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """As soon as it names one, whatever has been used up."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_embedded)
    await admin.start()
    with contextlib.suppress(TopicAlreadyExistsError):
        await admin.create_topics([NewTopic(catalogue.TOPIC, 1, 1)])
    await admin.close()
    article = f"/{os.urandom(4).hex()}"
    with collector(kafka_embedded, topic, tmp_path, FEW_ARTICLES) as running:
        for number in range(9):
            last = running.page({"article_id": f"/{number:0511}"})
        assert last.status == 429
        assert running.page({"article_id": article}).status == 429
        before = running.metric("catalogue_articles")
        async with AIOKafkaProducer(bootstrap_servers=kafka_embedded) as producer:
            value = orjson.dumps({"site_id": "demo", "article_id": article, "status": "published"})
            await producer.send_and_wait(catalogue.TOPIC, value, f"demo/{article}".encode())
        await asyncio.to_thread(
            waiting.until, "The catalogue", lambda: running.metric("catalogue_articles") > before, 30.0
        )
        assert running.page({"article_id": article}).status == 202


async def test_many_at_once(running: Collector) -> None:
    """Side by side on connections that stay open: each event once, numbered without a gap."""

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        for turn in range(20):
            body = f'{{"article_id":"/{turn}","event_id":"{number}.{turn}"}}'.encode()
            head = f"POST /v1/events HTTP/1.1\r\nHost: t\r\nOrigin: {ORIGIN}\r\nContent-Type: text/plain\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
            assert await reader.readexactly(14) == b'{"accepted":1}'
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*map(client, range(20)))
    events = [record.event for record in await records(running.bootstrap, running.topic, 400)]
    assert {event["event_id"] for event in events} == {f"{n}.{t}" for n, t in itertools.product(range(20), range(20))}
    assert sorted(event["sequence"] for event in events) == list(range(400))


def test_the_readme_is_right(running: Collector) -> None:
    """Its example for servers is taken as it stands."""
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"curl https://views\.example/v1/events .*\\\n +-d '(\{.*\})'", readme)
    assert running.server(shown).json == {"accepted": 1}


def test_the_example_of_the_producers_is_right(running: Collector) -> None:
    """As a shell makes it of docs/producers: its time is today's."""
    text = (Path(__file__).parents[3] / "docs" / "producers" / "README.md").read_text("utf-8")
    shown = re.findall(r"-d ('[{\[].*?')\n(?:\n|```)", text, re.DOTALL)
    bodies = [subprocess.check_output(["sh", "-c", f"printf %s {one}"]) for one in shown]
    assert [running.server(one).json for one in bodies] == [{"accepted": 1}, {"accepted": 2}]
