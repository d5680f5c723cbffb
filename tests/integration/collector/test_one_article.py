"""One address is one article, whatever its spelling and its sender."""

import asyncio
from collections import Counter
from pathlib import Path
from urllib.parse import quote

from tests.support.collector_process import ORIGIN, Collector, collector, records
from tests.support.http import raw
from tests.unit.test_article_id import SAME

ALL = [(form, spelling.strip()) for form, spellings in SAME.items() for spelling in [*spellings, form]]
CACHE = "https://www-demo-example.cdn.ampproject.org"
IN_UNICODE = "https://www.Soci\u00e9t\u00e9.example:443"
AS_SENT = "https://www.xn--socit-esab.example"
UNUSUAL = f"""
[sites.demo]
origins = ["{IN_UNICODE}", "{CACHE}"]
hosts = ["vues.D\u00e9mo.example"]
ids.from = "query:p"
[sites.other]
origins = ["https://other.example"]
ids.trailing_slash = "keep"
[sites.server]
[collect]
client_article_hour = 4
"""


async def test_every_spelling_through_each_door(running: Collector) -> None:
    """A page's events, a server's and the image's."""
    in_json = [(form, spelling) for form, spelling in ALL if not any("\ud800" <= char <= "\udfff" for char in spelling)]
    events = [{"article_id": spelling} for _, spelling in in_json]
    assert (await asyncio.to_thread(running.page, events)).json["accepted"] == len(events)
    answer = await asyncio.to_thread(running.server, events)
    assert answer.json == {"accepted": len(events), "ignored_parameters": ["utm_source", "p"]}
    for _, spelling in ALL:
        errors = "surrogatepass" if "\ud800" in spelling else "surrogateescape"
        target = f"/v1/view.gif?article_id={quote(spelling, errors=errors)}"
        assert (await asyncio.to_thread(running.ask, "GET", target, Origin=ORIGIN)).status == 200, ascii(spelling)
    # Bytes that are not encoded are no HTTP.
    as_it_is = b"GET /v1/view.gif?article_id=/caf\xc3\xa9 HTTP/1.1\r\nHost: views.demo.example\r\n\r\n"
    assert (await raw(running.port, as_it_is)).status == 400
    found = await records(running.bootstrap, running.topic, 2 * len(in_json) + len(ALL))
    expected = Counter(form for form, _ in [*in_json, *in_json, *ALL])
    assert Counter(record.event["article_id"] for record in found) == expected
    assert {record.key.decode() for record in found} == {f"demo/{form}" for form in expected}


async def test_rules_origins_and_limits_of_a_site(kafka_embedded: str, topic: str, tmp_path: Path) -> None:
    """Articles in the query, and trailing slashes that are kept; hosts in Unicode; another spelling evades no limit."""
    with collector(kafka_embedded, topic, tmp_path, UNUSUAL) as running:
        views = ["/?p=caf%c3%a9&utm_source=x", f"{IN_UNICODE}/?a=1&p=caf%C3%A9#x", "/about/?q=1"]
        answer = running.page([{"article_id": one} for one in views], Origin=AS_SENT)
        assert answer.json == {"accepted": 3, "ignored_parameters": ["utm_source", "a", "q"]}
        assert answer.headers["access-control-allow-origin"] == AS_SENT
        image = "/v1/view.gif?article_id=" + quote("/?p=cafe\u0301")
        assert running.ask("GET", image, Host="vues.xn--dmo-bma.example:8081").status == 200
        assert running.ask("GET", image, Referer="https://www-demo-example.translate.goog/").status == 403
        assert running.ask("GET", image, Referer=f"{CACHE}/").status == 200
        (beyond,) = running.page({"article_id": "café"}, Origin=AS_SENT).json["not_counted"]
        assert beyond["reason"] == "client_article_hour"
        shares = [{"article_id": f"https://other.example/{one}", "event_type": "share"} for one in ("a/", "a")]
        assert running.page(shares, Origin="https://other.example").json == {"accepted": 2}
        (refused,) = running.page({"article_id": f"/{'%C3%A9' * 256}"}, Origin=AS_SENT).json["rejected"]
        assert refused["reason"] == "invalid"
        assert refused["detail"] == "article_id is an address without an article: the id is longer than 512 bytes."
    found = await records(kafka_embedded, topic, 7)
    counts = Counter(record.key.decode() for record in found)
    assert counts == {"demo/café": 4, "demo//about": 1, "other//a/": 1, "other//a": 1}
