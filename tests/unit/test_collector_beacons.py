"""Beacons of other analytics: what each script sends, read as a page view or passed over for a reason."""

import ipaddress
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from producers.collector.beacons import goatcounter, matomo, plausible, umami
from producers.collector.beacons.beacon import Beacon, NoView
from producers.collector.http.answers import Answer
from producers.collector.http.refusal import RefusedError
from producers.collector.http.request import Request
from tests.support.beacon_collector import BY_PLAUSIBLE_JS, BY_UMAMI_JS, PAGE, SENT_BY_MATOMO_JS, USUAL, UUID


def request(
    body: Any = b"", query: str = "", method: str = "POST", host: str = "stats.demo.example", **headers: str
) -> Request:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.lower().replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return Request(
        method, "/", query.encode(), {b"host": host.encode(), **named}, ipaddress.IPv4Address("192.0.2.7"), raw
    )


def one(read: Any, *given: Any, **more: Any) -> Beacon | NoView:
    (found,) = read(request(*given, **more)).beacons
    assert isinstance(found, (Beacon, NoView))
    return found


@pytest.mark.parametrize(
    "sent",
    [
        request(query=urlencode(SENT_BY_MATOMO_JS), method="GET"),
        request(query=urlencode(SENT_BY_MATOMO_JS), content_type="application/x-www-form-urlencoded; charset=UTF-8"),
        request(urlencode(SENT_BY_MATOMO_JS).encode(), content_type="application/x-www-form-urlencoded; charset=UTF-8"),
        request(urlencode({**USUAL, "idsite": "9"}).encode(), query="idsite=03"),
        request(query=urlencode({**USUAL, "ping": "0", "ca": "", "search_count": "4", "cdt": ""})),
        request(query="idsite=3&rec=1&url=/elsewhere&" + urlencode({"url": PAGE})),
        request({"requests": ["?" + urlencode(SENT_BY_MATOMO_JS)], "send_image": 0}),
        request({"requests": [f"https://matomo.example/matomo.php?{urlencode(USUAL)}"]}),
        request({"requests": [{"idsite": 3, "rec": 1, "url": PAGE}], "token_auth": "x"}),
        request(query="idsite=3&rec=1", method="GET", referer=PAGE),
    ],
    ids=["image", "beacon", "form", "query-first", "flags-unset", "last-of-two", "bulk", "urls", "objects", "noscript"],
)
def test_matomo_views(sent: Request) -> None:
    """By a query, a form, a bulk or the plain image, whose page is its Referer: the site's number, and the address."""
    assert matomo.read(sent).beacons == [Beacon(("3",), PAGE)]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"ping": "1"}, "no_page_view"),
        ({"ca": "1"}, "no_page_view"),
        ({"e_c": "Video", "e_a": "play"}, "no_page_view"),
        ({"idgoal": "2"}, "no_page_view"),
        ({"idgoal": "0", "revenue": "9", "ec_id": "7"}, "no_page_view"),
        ({"c_n": "Banner", "c_p": "Text"}, "no_page_view"),
        ({"search": "words"}, "no_page_view"),
        ({"download": "https://www.demo.example/a.pdf"}, "no_page_view"),
        ({"link": "https://elsewhere.example/"}, "no_page_view"),
        ({"ma_id": "q1w2e3", "ma_mt": "video"}, "no_page_view"),
        ({"rec": "0"}, "no_page_view"),
        ({"cdt": "2026-11-29 10:00:00"}, "own_time"),
        ({"cdo": "90"}, "own_time"),
        ({"url": "app://com.example/home"}, "no_web_address"),
        ({"url": "file:///C:/saved.html"}, "no_web_address"),
        ({"url": ""}, "malformed"),
        ({"idsite": ""}, "malformed"),
    ],
)
def test_matomo_others(more: dict[str, str], reason: str) -> None:
    """Each of them is a page's beacon with one thing more, or one less; the reason is the metric's."""
    found = one(matomo.read, query=urlencode(SENT_BY_MATOMO_JS | more))
    assert isinstance(found, NoView)
    assert found.reason == reason


def test_matomo_image_whose_referer_is_cut() -> None:
    """Browsers send other origins no path by default: that must not count the home page."""
    for referer in ("https://www.demo.example/", "https://www.demo.example", "http://[", ""):
        found = one(matomo.read, query="idsite=3&rec=1", method="GET", referer=referer)
        assert isinstance(found, NoView)
        assert found.reason == "malformed"


def test_matomo_bulk_keeps_the_good() -> None:
    """What is no request stands for itself; the others are read."""
    bulk = [7, None, "no query", {"idsite": [3]}, "?" + "&".join(["a=b"] * 501), "?" + urlencode(USUAL)]
    *bad, good = matomo.read(request({"requests": bulk})).beacons
    assert {found.reason for found in bad if isinstance(found, NoView)} == {"malformed"}
    assert len(bad) == 5
    assert good == Beacon(("3",), PAGE)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"{"), 400),
        (request({"requests": []}), 400),
        (request({"requests": {"idsite": 3}}), 400),
        (request({"other": 1}), 400),
        (request({"requests": ["?"] * 101}), 413),
        (request(query="&".join(["a=b"] * 501)), 400),
        (request(urlencode(USUAL).encode(), content_encoding="gzip"), 415),
    ],
)
def test_matomo_refused(sent: Request, status: int) -> None:
    """As a whole, with a sentence."""
    with pytest.raises(RefusedError) as refused:
        matomo.read(sent)
    assert refused.value.status == status
    assert refused.value.detail.endswith((".", "once."))


def test_matomo_answers() -> None:
    """The image, nothing if it is not wanted, and for a bulk how many were tracked."""

    def answer(sent: Request) -> Answer:
        return matomo.read(sent).answer(2, 1)

    assert answer(request(query=urlencode(USUAL))).body.startswith(b"GIF89a")
    assert answer(request(query=urlencode(SENT_BY_MATOMO_JS))).status == 204
    assert answer(request({"requests": ["?a"], "send_image": 0})).status == 204
    assert json.loads(answer(request({"requests": ["?a"]})).body) == {"status": "success", "tracked": 2, "invalid": 1}


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, ("demo.example",)),
        ({"d": "www.Demo.example, all.demo.example"}, ("demo.example", "all.demo.example")),
        (
            {"d": ",".join(f"{number}.example" for number in range(40))},
            tuple(f"{number}.example" for number in range(20)),
        ),
    ],
)
def test_plausible_views(more: dict[str, Any], ids: tuple[str, ...]) -> None:
    """By the domain as Plausible compares it; several share one beacon, of which twenty are read."""
    assert one(plausible.read, BY_PLAUSIBLE_JS | more) == Beacon(ids, PAGE)


def test_plausible_long_names() -> None:
    """Those of its API."""
    assert one(plausible.read, {"name": "pageview", "url": PAGE, "domain": "demo.example"}) == Beacon(
        ("demo.example",), PAGE
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (BY_PLAUSIBLE_JS | {"n": "engagement", "sd": 40, "e": 5000}, "no_page_view"),
        (BY_PLAUSIBLE_JS | {"n": "Outbound Link: Click"}, "no_page_view"),
        (BY_PLAUSIBLE_JS | {"n": "Pageview"}, "no_page_view"),
        (BY_PLAUSIBLE_JS | {"u": "data:text/html,x"}, "no_web_address"),
        (BY_PLAUSIBLE_JS | {"u": None}, "malformed"),
        (BY_PLAUSIBLE_JS | {"d": ["demo.example"]}, "malformed"),
        (BY_PLAUSIBLE_JS | {"n": 7}, "malformed"),
        ([BY_PLAUSIBLE_JS], "malformed"),
        ("pageview", "malformed"),
    ],
)
def test_plausible_others(given: Any, reason: str) -> None:
    """Only what is called pageview is one."""
    found = one(plausible.read, given)
    assert isinstance(found, NoView)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (PAGE, PAGE),
        ("/soci%25C3%25A9t%25C3%25A9?p=100%2525", "/soci%C3%A9t%C3%A9?p=100%25"),
        ("/home", "/home"),
        ("/100%25 sure", "/100%25 sure"),
    ],
    ids=["whole", "encoded-twice", "given", "percent"],
)
def test_umami_views(url: str, address: str) -> None:
    """Scripts before 2.13 encode paths twice, as this one's server undoes; newer ones send whole addresses."""
    assert one(umami.read, {"type": "event", "payload": BY_UMAMI_JS | {"url": url}}) == Beacon((UUID,), address)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"type": "event", "payload": BY_UMAMI_JS | {"name": "signup"}}, "no_page_view"),
        ({"type": "identify", "payload": BY_UMAMI_JS}, "no_page_view"),
        ({"type": "performance", "payload": BY_UMAMI_JS | {"lcp": 900}}, "no_page_view"),
        ({"type": "event", "payload": {"pixel": UUID}}, "no_page_view"),
        ({"type": "event", "payload": {"link": UUID, "url": "/q"}}, "no_page_view"),
        ({"type": "event", "payload": BY_UMAMI_JS | {"timestamp": 1_790_000_000}}, "own_time"),
        ({"type": "event", "payload": BY_UMAMI_JS | {"url": "chrome-extension://x/y"}}, "no_web_address"),
        ({"type": "event", "payload": BY_UMAMI_JS | {"url": None}}, "malformed"),
        ({"type": "event", "payload": BY_UMAMI_JS | {"website": 3}}, "malformed"),
        ({"type": "event", "payload": [BY_UMAMI_JS]}, "malformed"),
        ({"payload": BY_UMAMI_JS}, "malformed"),
        ([{"type": "event"}], "malformed"),
    ],
)
def test_umami_others(given: Any, reason: str) -> None:
    """An event without a name is a page view."""
    found = one(umami.read, given)
    assert isinstance(found, NoView)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("query", "address", "bot"),
    [
        ("p=%2Fsoci%C3%A9t%C3%A9%3Fid%3D7&t=Soci&s=1920&b=0&q=%3Fid%3D7&rnd=abcde", "/société?id=7", False),
        ("p=%2Fa&b=153", "/a", True),
        ("p=my-own-name&e=false", "/my-own-name", False),
        ("p=https%3A%2F%2Fwww.demo.example%2Fa", "https://www.demo.example/a", False),
    ],
)
def test_goatcounter_views(query: str, address: str, bot: bool) -> None:
    """By the host that it is sent to; the script names browsers that are driven by a program."""
    found = one(goatcounter.read, b"passed over", query=query, host="Stats.demo.example:8443")
    assert found == Beacon(("stats.demo.example",), address, bot)


@pytest.mark.parametrize(
    ("query", "reason"), [("p=click&e=true", "no_page_view"), ("t=Title", "malformed"), ("p=%20", "malformed")]
)
def test_goatcounter_others(query: str, reason: str) -> None:
    """Events, and what names no path."""
    found = one(goatcounter.read, query=query)
    assert isinstance(found, NoView)
    assert found.reason == reason
