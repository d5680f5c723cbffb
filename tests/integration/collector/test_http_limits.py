"""Limits of the collector: each client, each article in an hour, and articles that strangers invent."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from deploy.local import waiting
from producers.collector import catalogue
from tests.support.collector_limits import BEHIND_PROXY, CRAWLER, FEW_ARTICLES
from tests.support.collector_process import ORIGIN, Collector, collector, records
from tests.support.http import Answer


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
        while hour != (hour := int(time.time() // 3_600)):  # again if the hour has ended meanwhile
            article = f"/{hour}"
            pixel = f"/v1/view.gif?article_id={article}"
            me = {"X_Forwarded_For": "2001:db8::1"}
            answers = [
                running.page([{"article_id": article}] * 27, **me),
                running.page({"article_id": article, "agent_class": "bot"}, **me, User_Agent=CRAWLER),
                running.ask("GET", pixel, **me, Referer=ORIGIN),
                running.page(
                    [{"article_id": article}, {"article_id": "a b"}, {"article_id": article}],
                    X_Forwarded_For="2001:db8::2:1",
                ),
                running.page({"article_id": article}, **me, User_Agent="another"),
                running.page([{"article_id": article}, {"article_id": "a b"}], **me),
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


def test_a_proxy_that_is_not_named_is_reported(running: Collector) -> None:
    """Once, and without an address: else all its readers would be one client, and nobody see why."""
    for forwarded in ("203.0.113.77", "203.0.113.78"):
        assert running.page({"article_id": "/a"}, X_Forwarded_For=forwarded).status == 202
    assert running.log.read_text().count("is not named in collect.proxies") == 1
    assert "203.0.113" not in running.log.read_text()


def test_a_proxy_that_is_named_is_not_reported(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
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
