"""The routes of foreign beacons: whose they are, what is answered, what is counted."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from producers.collector.beacons.beacon_routes import MAX_LOGGED, TRACKERS
from schemas.article_id import IdRule
from tests.support.beacon_collector import (
    BY_PLAUSIBLE_JS,
    BY_UMAMI_JS,
    IDS,
    ORIGIN,
    SENT_BY_MATOMO_JS,
    USUAL,
    Collector,
    dumps,
)


@pytest.fixture
def running(tmp_path: Path) -> Collector:
    return Collector(tmp_path)


async def test_each_is_counted_and_answered_as_its_script_expects(running: Collector) -> None:
    """By the site's rules for ids; the answer may be read by the page's script, with credentials."""
    matomo = await running.ask("POST", f"/piwik.php?{urlencode(SENT_BY_MATOMO_JS)}")
    image = await running.ask("GET", f"/matomo.php?{urlencode(USUAL)}", origin="", referer=f"{ORIGIN}/")
    plausible = await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS), content_type="text/plain")
    umami = await running.ask("POST", "/api/send", dumps({"type": "event", "payload": BY_UMAMI_JS}))
    goatcounter = await running.ask("POST", "/count?p=%2Fsoci%C3%A9t%C3%A9%2F&b=150")
    assert [one[0] for one in (matomo, image, plausible, umami, goatcounter)] == [204, 200, 202, 200, 200]
    assert (plausible[2], umami[2]) == (b"ok", b"{}")
    assert image[2] == goatcounter[2] != b""
    for _, headers, _ in (matomo, plausible, umami, goatcounter):
        assert headers["access-control-allow-origin"] == ORIGIN
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["vary"] == "origin"
        assert "not-counted" not in headers
    assert running.articles == [("demo", "/société")] * 5
    assert [one.agent_class for one in running.outbox.events] == ["unknown"] * 4 + ["bot"]
    assert goatcounter[1]["counted-as"] == "bot"
    assert {one.event_type for one in running.outbox.events} == {"view"}
    assert {one.occurred_at for one in running.outbox.events} == {7}
    assert running.read_as("matomo", "view") == 2


async def test_what_is_kept_of_a_beacon(running: Collector) -> None:
    """The page's article: no title, referrer, screen, visitor or property of theirs."""
    await running.ask("POST", f"/matomo.php?{urlencode(SENT_BY_MATOMO_JS)}", cookie="_pk_id.3=0123456789abcdef")
    await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS))
    await running.ask("POST", "/api/send", dumps({"type": "event", "payload": BY_UMAMI_JS}))
    for event in running.outbox.events:
        said = {name: getattr(event, name) for name in event.__struct_fields__}
        ours = {"event_id", "event_type", "site_id", "article_id", "occurred_at", "agent_class", "value"}
        assert {name for name, value in said.items() if value is not None} == ours


async def test_what_is_passed_over(running: Collector) -> None:
    """Answered as if it were counted, so that no page shows an error, with the reason in a header and a metric."""
    ping = await running.ask("POST", f"/matomo.php?{urlencode(SENT_BY_MATOMO_JS | {'ping': '1'})}")
    unknown = await running.ask("GET", f"/matomo.php?{urlencode(USUAL | {'idsite': '77'})}")
    other = await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS | {"d": "other.example"}))
    event = await running.ask("POST", "/count?p=click&e=true")
    prefetched = await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS), sec_purpose="prefetch;prerender")
    assert [one[0] for one in (ping, unknown, other, event, prefetched)] == [204, 200, 202, 200, 202]
    said = [one[1]["not-counted"] for one in (ping, unknown, other, event, prefetched)]
    assert said == ["no_page_view", "unknown_id", "other_site", "no_page_view", "prefetch"]
    assert running.articles == []
    assert running.read_as("matomo", "no_page_view") == running.read_as("matomo", "unknown_id") == 1
    assert running.read_as("plausible", "other_site") == running.read_as("goatcounter", "no_page_view") == 1


async def test_one_of_several_domains(running: Collector) -> None:
    """A rollup's beacon is the page's site's, if one of its domains is."""
    await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS | {"d": "all.example,other.example,demo.example"}))
    assert running.articles == [("demo", "/société")]


def beacons_of(page: str) -> dict[str, tuple[str, bytes]]:
    """What each script sends of a page, as target and body, by the analytics' name."""
    umami = {"type": "event", "payload": BY_UMAMI_JS | {"url": page}}
    return {
        "matomo": (f"/matomo.php?{urlencode(SENT_BY_MATOMO_JS | {'url': page})}", b""),
        "plausible": ("/api/event", dumps(BY_PLAUSIBLE_JS | {"u": page})),
        "umami": ("/api/send", dumps(umami)),
        "goatcounter": (f"/count?{urlencode({'p': page})}", b""),
    }


@pytest.mark.parametrize("tracker", IDS)
@pytest.mark.parametrize(
    ("source", "article", "found", "others"),
    [
        (r"^/news/([0-9]+)", "/news/12-a?utm_source=x", "12", ["/", "/about", "/news/", "/?p=12"]),
        ("query:p", "/?p=12&x=1", "12", ["/", "/about?page=12", "/?p="]),
        ("path", "/news/12", "/news/12", [f"/{'a' * 600}"]),
    ],
)
async def test_pages_without_an_article(
    tmp_path: Path, tracker: str, source: str, article: str, found: str, others: list[str]
) -> None:
    """A beacon carries a page's address, and never an id: a page in which the rule finds no article counts nothing."""
    running = Collector(tmp_path, rule=IdRule(source))
    for page in others:
        for address in (page, f"{ORIGIN}{page}"):
            status, headers, _ = await running.ask("POST", *beacons_of(address)[tracker])
            assert (status < 300, headers["not-counted"]) == (True, "no_article"), address
    assert running.articles == []
    assert running.read_as(tracker, "no_article") == 2 * len(others)
    for address in (article, f"{ORIGIN}{article}"):
        await running.ask("POST", *beacons_of(address)[tracker])
    assert running.articles == [("demo", found)] * 2


async def test_whose_page(running: Collector) -> None:
    """Origins and hosts rule as for our own events: a stranger's page counts nothing, whatever ids it names."""
    target = f"/matomo.php?{urlencode(USUAL)}"
    strangers = [
        await running.ask("POST", target, origin="https://evil.example"),
        await running.ask("GET", target, origin="", referer="https://evil.example/a"),
        await running.ask("GET", target, origin="", sec_fetch_site="cross-site"),
        await running.ask("POST", target, origin="null"),
        await running.ask("POST", target, origin="", host="elsewhere.example"),
        await running.ask("OPTIONS", target, origin="https://evil.example"),
        await running.ask("POST", target, authorization="Bearer no-key-of-anybody"),
    ]
    assert [one[0] for one in strangers] == [403] * 6 + [401]
    assert running.articles == []
    assert (await running.ask("GET", target, origin=""))[0] == 200  # by its Host alone, as a mirror's may be
    assert running.articles == [("demo", "/société")]


async def test_preflights(running: Collector) -> None:
    """Umami's script sends headers of its own, and JSON by that name; a later one may send more."""
    status, headers, _ = await running.ask("OPTIONS", "/api/send", access_control_request_headers="x-umami-cache")
    assert status == 204
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in headers["access-control-allow-methods"]
    assert set(headers["access-control-allow-headers"].split(", ")) >= {"content-type", "x-umami-cache", "*"}
    assert (await running.ask("OPTIONS", "/count"))[0] == 405
    assert (await running.ask("GET", "/api/event"))[0] == 405


async def test_heads_count_nothing(running: Collector) -> None:
    """Somebody looks whether it is there."""
    assert (await running.ask("HEAD", f"/matomo.php?{urlencode(USUAL)}"))[0] == 200
    assert running.articles == []


async def test_a_bulk(running: Collector) -> None:
    """What is bad in it does not stop the others; each costs its sender, counted or not."""
    bulk = {
        "requests": [
            "?" + urlencode(USUAL),
            7,
            "?" + urlencode(USUAL | {"ping": "1"}),
            "?" + urlencode(USUAL | {"url": "/b"}),
        ]
    }
    status, headers, body = await running.ask("POST", "/matomo.php", dumps(bulk))
    assert (status, json.loads(body)) == (200, {"status": "success", "tracked": 2, "invalid": 2})
    assert "not-counted" not in headers
    assert running.articles == [("demo", "/société"), ("demo", "/b")]
    assert running.read_as("matomo", "malformed") == 1


async def test_malformed(running: Collector) -> None:
    """A sentence on what is expected, and nothing of what was sent."""
    for target, body in (
        ("/matomo.php?idsite=3&rec=1", b""),
        ("/api/event", b"needle"),
        ("/api/send", dumps({"type": "event", "payload": {"website": "needle"}})),
        ("/count?t=needle", b""),
    ):
        status, headers, answer = await running.ask("POST", target, body, content_type="text/plain")
        assert status == 400, target
        assert headers["access-control-allow-origin"] == ORIGIN
        assert json.loads(answer)["detail"].endswith(".")
        assert b"needle" not in answer
    for tracker in IDS:
        assert running.read_as(tracker, "malformed") == 1


async def test_senders_are_limited(tmp_path: Path) -> None:
    """Pings and unknown ids cost like views; so does what cannot be read."""
    running = Collector(tmp_path, client_burst=501)
    bulk = dumps({"requests": ["?" + urlencode(USUAL | {"ping": "1"})] * 100})
    for _ in range(5):
        assert (await running.ask("POST", "/matomo.php", bulk))[0] == 200
    assert (await running.ask("POST", "/matomo.php", b"{"))[0] == 400
    assert (await running.ask("POST", f"/matomo.php?{urlencode(USUAL)}"))[0] == 429


async def test_unknown_ids_are_logged_with_a_bound(running: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """Each once, the first hundred, and none that could be anything else than an id."""
    for number in [*range(100, 100 + MAX_LOGGED + 20), *range(100, 110)]:
        await running.ask("POST", f"/matomo.php?{urlencode(USUAL | {'idsite': str(number)})}")
    await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS | {"d": "somebody@mail.example"}))
    assert len(caplog.records) == MAX_LOGGED
    assert getattr(caplog.records[0], "matomo") == "100"  # noqa: B009 - an extra of the record
    assert running.read_as("matomo", "unknown_id") == MAX_LOGGED + 30


async def test_only_what_is_configured_is_served(tmp_path: Path) -> None:
    """Without their ids in ranker.toml the routes are not there."""
    without = Collector(tmp_path, {})
    for path in TRACKERS:
        assert (await without.ask("POST", path))[0] == 404
    plausible_alone = Collector(tmp_path, {"plausible": "demo.example"})
    assert (await plausible_alone.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS)))[0] == 202
    assert (await plausible_alone.ask("POST", "/count?p=/a"))[0] == 404
