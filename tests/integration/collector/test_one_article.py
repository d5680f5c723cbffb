"""One address is one article, whatever its spelling and whoever sends it."""

import asyncio
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from tests.support.collector_process import ORIGIN, SITES, Collector, collector, records
from tests.support.http import raw
from tests.unit.test_article_id import SAME

ALL = [(form, spelling.strip()) for form, spellings in SAME.items() for spelling in [*spellings, form]]
OF_QUERIES = SITES.replace("[sites.other]", 'ids.from = "query:p"\n[sites.other]\nids.trailing_slash = "keep"', 1)


async def test_every_spelling_through_each_door(running: Collector) -> None:
    """A page's events, a server's and the image's."""
    in_json = [(form, spelling) for form, spelling in ALL if not any("\ud800" <= char <= "\udfff" for char in spelling)]
    events = [{"article_id": spelling} for _, spelling in in_json]
    assert (await asyncio.to_thread(running.page, events)).json["accepted"] == len(events)
    assert (await asyncio.to_thread(running.server, events)).json == {"accepted": len(events)}
    for _, spelling in ALL:
        target = "/v1/view.gif?article_id=" + quote(
            spelling, errors="surrogatepass" if "\ud800" in spelling else "surrogateescape"
        )
        assert (await asyncio.to_thread(running.ask, "GET", target, Origin=ORIGIN)).status == 200, ascii(spelling)
    found = await records(running.bootstrap, running.topic, 2 * len(in_json) + len(ALL))
    expected = Counter(form for form, _ in [*in_json, *in_json, *ALL])
    assert Counter(record.event["article_id"] for record in found) == expected
    assert {record.key.decode() for record in found} == {f"demo/{form}" for form in expected}


async def test_rules_of_the_site(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """An article in the query; another site keeps its trailing slashes; an address too long names none, and says so."""
    with collector(kafka_embedded, topic, tmp_path, OF_QUERIES) as running:
        spellings = [
            "/?p=caf%c3%a9&utm_source=x",
            "https://www.demo.example/?a=1&p=caf%C3%A9#x",
            "/?p=cafe%CC%81",
            "café",
        ]
        views = [{"article_id": one} for one in [*spellings, "/about/?q=1"]]
        assert running.page(views).json == {"accepted": 5}
        assert running.ask("GET", f"/v1/view.gif?article_id={quote('/?p=café')}", Origin=ORIGIN).status == 200
        shares = [{"article_id": f"https://other.example/{one}", "event_type": "share"} for one in ("a/", "a")]
        assert running.page(shares, Origin="https://other.example").json == {"accepted": 2}
        (refused,) = running.page({"article_id": f"/{'%C3%A9' * 256}"}).json["rejected"]
        assert refused["reason"] == "invalid"
        assert refused["detail"] == "article_id is an address without an article: the id is longer than 512 bytes."
    found = await records(kafka_embedded, topic, 8)
    counts = Counter(record.key.decode() for record in found)
    assert counts == {"demo/café": 5, "demo//about": 1, "other//a/": 1, "other//a": 1}


def test_origins_in_unicode_and_of_caches(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """As the file has them, and as browsers send them; of a cache, if it is named."""
    named = ["https://www.Soci\u00e9t\u00e9.example:443", "https://www-demo-example.cdn.ampproject.org"]
    config = SITES.replace("www.demo.example", '", "'.join(named)[8:]).replace("views.demo", "vues.d\u00e9mo")
    with collector(kafka_embedded, topic, tmp_path, config) as running:
        sent, cache = "https://www.xn--socit-esab.example", named[1]
        answer = running.page({"article_id": "/a"}, Origin=sent)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, sent)
        image = "/v1/view.gif?article_id=%2Fa"
        assert running.ask("GET", image, Referer=f"{cache}/").status == 200
        assert running.ask("GET", image, Host="vues.xn--dmo-bma.example:8081").status == 200
        assert running.ask("GET", image, Referer="https://www-demo-example.translate.goog/").status == 403


async def test_an_image_of_encoded_bytes(running: Collector) -> None:
    """Latin-1 stays what it is; bytes that are not encoded are no HTTP, and refused."""
    assert running.ask("GET", "/v1/view.gif?article_id=/caf%e9/", Host="views.demo.example").status == 200
    as_it_is = b"GET /v1/view.gif?article_id=/caf\xc3\xa9 HTTP/1.1\r\nHost: views.demo.example\r\n\r\n"
    assert (await raw(running.port, as_it_is)).status == 400
    (found,) = await records(running.bootstrap, running.topic, 1)
    assert found.event["article_id"] == "/caf%E9"


async def test_limits_are_of_the_article(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """Another spelling evades neither the hour of a client nor the budget."""
    spellings = [
        "/soci%C3%A9t%C3%A9",
        "/soci%c3%a9t%c3%a9/",
        "/société",
        "/x/../société",
        "https://a.example/société?q",
    ]
    with collector(kafka_embedded, topic, tmp_path, SITES + "[collect]\nclient_article_hour = 2\n") as running:
        answer = running.page([{"article_id": one} for one in spellings])
        assert [one["index"] for one in answer.json["not_counted"]] == [2, 3, 4]
