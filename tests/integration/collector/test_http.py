"""`producers collect` on a real broker: what is answered, and what stands in Kafka then."""

import asyncio
import itertools
import re
import subprocess
import time
from pathlib import Path

from producers.client.batches import Homes
from tests.support.collector_limits import CRAWLER
from tests.support.collector_process import (
    KEY,
    ORIGIN,
    OTHER_KEY,
    PARTITIONS,
    SITES,
    Collector,
    collector,
    fields,
    records,
)
from tests.support.published_scripts import TRACKER

HOUR = "[windows]\n1h = { length_s = 3600, grain_s = 60 }\n"


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
    """Known by their user agent, however long; a server's program is not what read the article. The answer says it."""
    view, bot = {"article_id": "/a"}, {"article_id": "/a", "agent_class": "bot"}
    as_bot = {"accepted": 1, "counted_as": "bot"}
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
    for agent, said in ((CRAWLER, as_bot), (firefox, {"accepted": 1}), ("x" * 600 + CRAWLER, {"accepted": 1})):
        assert running.page(view, User_Agent=agent).json == said
    assert running.page(bot).json == as_bot
    assert running.server(view, User_Agent=CRAWLER).json == {"accepted": 1}
    found = await records(running.bootstrap, running.topic, 5)
    events = sorted((record.event for record in found), key=lambda event: event["sequence"])
    assert [event.get("agent_class") for event in events] == ["bot", None, None, "bot", None]
    curl = {"Host": "views.demo.example", "User_Agent": "curl/8.14.1"}
    assert running.post([view, {}], **curl).json["counted_as"] == "bot"
    assert running.page([view, bot], User_Agent=CRAWLER).json == {"accepted": 2, "counted_as": "bot"}
    assert "counted_as" not in running.page([view, bot]).json
    assert running.server([bot, bot]).json == {"accepted": 2, "counted_as": "bot"}
    assert "counted_as" not in running.server([bot, view], User_Agent=CRAWLER).json
    assert running.page(view, User_Agent=CRAWLER, Sec_Purpose="prefetch").json == {"accepted": 0}
    image = "/v1/view.gif?article_id=/a"
    assert running.ask("GET", image, **curl).headers["counted-as"] == "bot"
    assert "counted-as" not in running.ask("GET", image, Host="views.demo.example").headers


def test_faults_by_index(running: Collector) -> None:
    """In one answer, each where it stands; the message is short and repeats no key."""
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


def test_so_many_faults_are_named(running: Collector) -> None:
    """If some events are accepted, each other one by its index; if none is, twenty, and the number of the others."""
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
    """Kept for a week, requested by its tag, packed for those who accept it; under the address of its version for ever."""
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
