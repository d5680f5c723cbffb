"""What caches and browsers go by: forms of an answer, tags, lifetimes, origins; from the framework and from memory."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from ranker.serve.app import LIST_ROUTE
from ranker.serve.http.body import Body
from ranker.serve.http.response_cache import Entry
from ranker.settings import Caching, Site
from tests.support.http import Answer
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import publish

SITES = {
    "demo": Site("Ouvert"),
    "some": Site("Certaines", cors=("https://a.example", "https://b.example:8443")),
    "one": Site("Une", cors=("https://a.example",)),
    "none": Site("Aucune", cors=()),
}
SHORT = f"{LIST}?limit=1&section=none"
CORS = "access-control-allow-origin"


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """Refreshes so seldom that what is in memory stays there."""
    async with running_reader(redis_url, SITES, caching=Caching(7, 8, 9), refresh_ms=600_000) as running:
        await publish(running.client, GENERATION, PARTITIONS, VIEWS, T)
        await running.refresh.refresh()
        await until(lambda: ready(running), "readiness")
        yield running


async def both(reader: Reader, target: str = LIST, method: str = "GET", **headers: str) -> Answer:
    """The framework's answer; and the same again from memory, by both ways that lead there."""
    reader.web.app._entries.clear()
    first = await reader.get(target, method, **headers)
    answers = [first, await reader.get(target, method, **headers)]
    if method == "GET":
        answers.append(await kept_alive(reader, target, **headers))
        assert bool(reader.web.app._entries) == target.startswith("/v1/")
    for answer in answers:
        for name in ("date", "connection"):
            answer.headers.pop(name, None)
        assert answer == first
    return first


async def kept_alive(reader: Reader, target: str, **headers: str) -> Answer:
    """On a connection that stays open, when the server itself answers from memory."""
    stream, writer = await asyncio.open_connection("127.0.0.1", reader.port)
    lines = [f"GET {target} HTTP/1.1", "Host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(20):
        status, *told = (await stream.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        answered = {name.lower(): value for name, value in (line.split(": ", 1) for line in told)}
        body = await stream.readexactly(int(answered.get("content-length", 0)))
    writer.close()
    await writer.wait_closed()
    return Answer(int(status.split()[1]), answered, body)


async def test_gzip(reader: Reader) -> None:
    """The same content in fewer bytes, under another tag, made once; not for who does not take it, nor for little."""
    plain = await both(reader)
    packed = await both(reader, Accept_Encoding="br;q=1.0, gzip;q=0.8")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) == int(packed.headers["content-length"]) < len(plain.body) / 3
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gz"'
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    for refused in ("gzip;q=0", "gzip; q=0.000", "identity", "br", ""):
        assert (await both(reader, Accept_Encoding=refused)).body == plain.body, refused
    short = await both(reader, SHORT, Accept_Encoding="gzip")
    assert ("content-encoding" in short.headers, short.json["items"]) == (False, [])


async def test_a_compressed_form_is_made_once(reader: Reader) -> None:
    """However often it is requested, and by whom."""
    await reader.get(LIST, Accept_Encoding="gzip")
    (entry,) = reader.web.app._entries.values()
    form = entry._forms[True, False, None]
    await reader.get(LIST, Accept_Encoding="gzip", Connection="keep-alive")
    assert entry._forms[True, False, None] is form
    assert len(entry._forms) == 1


async def test_tags_of_both_forms(reader: Reader) -> None:
    """304 for the form that the client has, 200 for the other."""
    tag = (await both(reader)).headers["etag"]
    packed = (await both(reader, Accept_Encoding="gzip")).headers["etag"]
    for asked, encoding, status in ((tag, "", 304), (packed, "gzip", 304), (tag, "gzip", 200), (packed, "", 200)):
        answer = await both(reader, Accept_Encoding=encoding, If_None_Match=asked)
        assert answer.status == status, (asked, encoding)
        assert answer.headers["vary"] == "accept-encoding"
        assert answer.headers["etag"] == (packed if encoding else tag)
        if status == 304:
            assert not {"content-type", "content-encoding", "content-length"} & answer.headers.keys()


async def test_lifetimes_are_configured(reader: Reader) -> None:
    """On 200 and 304, of lists and feeds; faults are not kept."""
    wanted = "public, max-age=7, stale-while-revalidate=8, stale-if-error=9"
    for target in (LIST, f"{LIST}/feed.rss"):
        assert (await both(reader, target)).headers["cache-control"] == wanted
        assert (await both(reader, target, If_None_Match="*")).headers["cache-control"] == wanted
    for target in (f"{LIST}?x=1", "/v1/nobody/popular/read/24h", "/nothing", f"{LIST}/stream"):
        assert (await reader.get(target, "HEAD")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", [LIST, f"{LIST}/feed.rss", "/v1/some/popular/read/24h", "/", "/docs"])
async def test_head(reader: Reader, target: str) -> None:
    """The headers of GET and no body."""
    for headers in ({}, {"Accept_Encoding": "gzip"}, {"If_None_Match": "*"}, {"Origin": "https://a.example"}):
        whole, head = await both(reader, target, **headers), await both(reader, target, "HEAD", **headers)
        for answer in (whole, head):
            answer.headers.pop("server-timing", None)
        assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")


async def test_requests_that_met_are_counted_all(reader: Reader) -> None:
    """Two request at once what nobody has requested: the answer of one takes the other's place, and not its hits."""
    await reader.get(LIST)
    (first,) = reader.web.app._entries.values()
    for tags in ({}, {}, {"If_None_Match": "*"}):
        await reader.get(LIST, **tags)
    second = Entry(Body(b"{}"), b"", ("*",))
    endpoint = next(route.endpoint for route in reader.web.routes if route.path == LIST_ROUTE)
    reader.web.app.put({"endpoint": endpoint, "raw_path": LIST.encode(), "query_string": b""}, second)
    assert list(reader.web.app._entries.values()) == [second] != [first]
    await reader.get(LIST)
    reader.web.app.tidy()
    counted = {
        status: reader.registry.get_sample_value("ranker_requests_total", {"route": LIST_ROUTE, "status": status})
        for status in ("200", "304")
    }
    assert counted == {"200": 4, "304": 1}


async def test_server_timing(reader: Reader) -> None:
    """What the answer took to make, which memory does not make shorter."""
    for headers in ({}, {"If_None_Match": "*"}):
        name, _, ms = (await both(reader, **headers)).headers["server-timing"].partition(";dur=")
        assert (name, 0 <= float(ms) < 10_000) == ("render", True)


@pytest.mark.parametrize(
    ("site", "origin", "allowed", "vary"),
    [
        ("demo", "https://any.example", "*", "accept-encoding"),
        ("demo", None, "*", "accept-encoding"),
        ("some", "https://a.example", "https://a.example", "accept-encoding, origin"),
        ("some", "https://b.example:8443", "https://b.example:8443", "accept-encoding, origin"),
        ("some", "https://b.example", None, "accept-encoding, origin"),
        ("some", "null", None, "accept-encoding, origin"),
        ("some", None, None, "accept-encoding, origin"),
        ("one", "https://a.example", "https://a.example", "accept-encoding"),
        ("one", "https://b.example", "https://a.example", "accept-encoding"),
        ("one", None, "https://a.example", "accept-encoding"),
        ("none", "https://a.example", None, "accept-encoding"),
    ],
)
async def test_origins(reader: Reader, site: str, origin: str | None, allowed: str | None, vary: str) -> None:
    """Who may read a site's lists in a browser: list, 304, feed, stream and preflight say the same.

    If one origin may, or every one, that depends on nobody's Origin, and a cache needs one answer for all.
    """
    headers = {} if origin is None else {"Origin": origin}
    target = f"/v1/{site}/popular/read/24h"
    for asked in (target, f"{target}/feed.rss"):
        for more in ({}, {"If_None_Match": "*"}):
            answer = await both(reader, asked, **headers, **more)
            assert (answer.headers.get(CORS), answer.headers["vary"]) == (allowed, vary)
    assert (await reader.get(f"{target}/stream", "HEAD", **headers)).headers.get(CORS) == allowed
    preflight = await reader.get(target, "OPTIONS", Access_Control_Request_Method="GET", **headers)
    assert (preflight.status, preflight.body, preflight.headers.get(CORS)) == (204, b"", allowed)
    told = {
        "access-control-allow-methods": "GET, HEAD",
        "access-control-allow-headers": "authorization, if-none-match, last-event-id",
    }
    assert told.items() <= preflight.headers.items() if allowed else not told.keys() & preflight.headers.keys()
    assert preflight.headers.get("vary") == ("origin" if "origin" in vary else None)


async def test_origins_one_after_another_from_memory(reader: Reader) -> None:
    """What was answered to one origin is not answered to the next."""
    target = "/v1/some/popular/read/24h"
    for origin in ("https://a.example", "https://b.example:8443", "https://evil.example", "https://a.example"):
        allowed = (await reader.get(target, Origin=origin)).headers.get(CORS)
        assert allowed == (None if "evil" in origin else origin)
