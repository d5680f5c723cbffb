"""Beacons of other analytics at a collector as it runs: kept as our own events are, with our own rules, and no more."""

import json
import sqlite3
import zlib
from pathlib import Path
from urllib.parse import urlencode

from deploy.local.ports import HOST, free_port
from tests.support.beacon_collector import BY_PLAUSIBLE_JS, BY_UMAMI_JS, SENT_BY_MATOMO_JS, UUID
from tests.support.collector_process import ORIGIN, Collector, collector, records

SITES = f"""
[sites.demo]
origins = ["{ORIGIN}"]
hosts = ["stats.demo.example"]
[sites.demo.ids]
from = "query:id"
[sites.demo.beacons]
matomo = 3
plausible = "demo.example"
umami = "{UUID}"
goatcounter = "stats.demo.example"
[sites.other]
[sites.server]
[rules]
preset = "press"
[collect]
proxies = ["127.0.0.0/8"]
"""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
READER = {
    "Origin": ORIGIN, "User_Agent": FIREFOX, "X_Forwarded_For": "203.0.113.77", "Accept_Language": "needle",
    "Cookie": "_pk_id.3=needle", "X_Umami_Cache": "needle", "Referer": f"{ORIGIN}/?id=needle",
}  # fmt: skip
NEEDLES = {
    "title": "needle",
    "action_name": "needle",
    "urlref": "https://needle.example/",
    "_id": "needle",
    "uid": "needle",
}


def send_all(running: Collector, page: str) -> None:
    """A view of `page` by each of them, with much more that is nobody's business."""
    matomo = SENT_BY_MATOMO_JS | NEEDLES | {"url": page}
    plausible = BY_PLAUSIBLE_JS | {"u": page, "r": "https://needle.example/", "p": {"author": "needle"}}
    umami = {"type": "event", "payload": BY_UMAMI_JS | NEEDLES | {"url": page, "id": "needle", "referrer": "needle"}}
    assert running.ask("POST", f"/matomo.php?{urlencode(matomo)}", b"", **READER).status == 204
    assert running.ask("POST", "/api/event", json.dumps(plausible), **READER).status == 202
    assert running.ask("POST", "/api/send", json.dumps(umami), **READER).status == 200
    goatcounter = f"/count?{urlencode({'p': page.removeprefix(ORIGIN), 't': 'needle', 'r': 'needle', 'q': 'needle'})}"
    assert running.ask("POST", goatcounter, b"", Host="stats.demo.example", **READER).status == 200


async def test_a_beacon_is_an_event_like_our_own(
    kafka_embedded: str, topic: str, redis_url: str, tmp_path: Path
) -> None:
    """By the site's rule for ids, with the key of the rule `repeat`: a reader who is counted by both counts once."""
    with collector(kafka_embedded, topic, tmp_path, SITES, redis_url=redis_url) as running:
        send_all(running, f"{ORIGIN}/article.php?utm_source=needle&id=17")
        assert running.page({"article_id": "/article.php?id=17"}, **READER).json["accepted"] == 1
        found = [record.value for record in await records(kafka_embedded, topic, 5)]
        log = running.log.read_bytes()
    events = [json.loads(value) for value in found]
    assert {event["article_id"] for event in events} == {"17"}
    assert len({event["repeat_key"] for event in events}) == 1
    assert len({frozenset(event) for event in events}) == 1  # the same fields
    assert not any(b"needle" in value for value in [*found, log])


def test_kafka_is_away(tmp_path: Path, redis_url: str) -> None:
    """The spool takes beacons too, and of each no more than Kafka would get."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path, SITES, redis_url=redis_url) as running:
        send_all(running, f"{ORIGIN}/?id=kept")
        assert running.metric("spool_events") == running.metric("events_total", to="spool") == 4
        running.child.kill()
        with sqlite3.connect(running.spool / "spool.sqlite3") as database:
            rows = [zlib.decompress(body) for (body,) in database.execute("SELECT body FROM queue")]
        database.close()
    assert b"".join(rows).count(b'"kept"') == 4
    assert not any(b"needle" in row for row in rows)


def test_what_a_mirror_may_do_wrong(running: Collector) -> None:
    """A proxy that is not named: all readers are one client, which is logged; a body that is too long is refused."""
    send = {"Origin": ORIGIN, "X_Forwarded_For": "203.0.113.77"}
    assert running.ask("POST", "/api/event", json.dumps(BY_PLAUSIBLE_JS), **send).status == 202
    assert "is not named in collect.proxies" in running.log.read_text()
    long = json.dumps(BY_PLAUSIBLE_JS | {"p": {"x": "x" * 65_536}})
    assert running.ask("POST", "/api/event", long, **send).status == 413
    assert running.metric("refused_requests_total", reason="too_large") == 1
