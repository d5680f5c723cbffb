"""What one client can take of a reader: connections, streams, lists of its own. Others never go without for it."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from ranker.serve.api import streams
from ranker.serve.api.clients import BURST_S, LOOK_UP
from ranker.serve.http.reader_port import reader_port
from ranker.serve.live import lookups
from ranker.serve.live.lookups import MAX_FILTERS
from ranker.service import connections, http_protocol, http_server
from ranker.service.buckets import Buckets
from ranker.service.connections import Connections
from ranker.service.public_port import PublicPort
from tests.support.defaults import LISTS_S, STREAMS
from tests.support.example_site import record, write_articles
from tests.support.http import Answer
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import publish, write
from tests.support.sse_client import listening

PROXY = "127.0.0.1"
SOMEBODY, ANOTHER = "203.0.113.1", "203.0.113.2"
STREAM = f"{LIST}/stream"


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    """Behind a proxy that it knows, at which every test stands: who asks is whom X-Forwarded-For names."""
    async with running_reader(redis_url, {"demo": "Démo"}, proxies=[ipaddress.ip_network(PROXY)]) as running:
        await publish(running.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(running), "readiness")
        yield running


def is_refused(answer: Answer) -> bool:
    """By a 429 that says when to come again."""
    assert answer.status in {200, 429}, answer
    if answer.status == 200:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert "[serve] proxies" in answer.json["detail"]
    return True


async def test_one_client_has_so_many_streams(reader: Reader) -> None:
    """Twenty, filtered or not; then 429. Another client has its own, and who closes one may open one."""
    async with AsyncExitStack() as stack:
        for number in range(STREAMS - 1):
            target = f"{STREAM}?exclude=/{number}" if number % 2 else STREAM
            await stack.enter_async_context(listening(reader, target, X_Forwarded_For=SOMEBODY))
        async with listening(reader, X_Forwarded_For=SOMEBODY):
            assert is_refused(await reader.get(STREAM, X_Forwarded_For=SOMEBODY))
            assert is_refused(await reader.get(f"{STREAM}?exclude=/a", X_Forwarded_For=SOMEBODY))
            assert (await reader.get(LIST, X_Forwarded_For=SOMEBODY)).status == 200
            async with listening(reader, X_Forwarded_For=ANOTHER) as other:
                assert (await other.next()).kind == "list"

        async def room() -> bool:
            return bool(reader.registry.get_sample_value("ranker_streams") == STREAMS - 1)

        await until(room, "end of a stream")
        async with listening(reader, X_Forwarded_For=SOMEBODY) as again:
            assert (await again.next()).kind == "list"


async def test_streams_that_begin_at_one_moment_are_counted(reader: Reader) -> None:
    """Three times as many at once, each of another list: not one more than may be is open."""
    async with AsyncExitStack() as stack:
        opened = (listening(reader, f"{STREAM}?exclude=/{n}", X_Forwarded_For=SOMEBODY) for n in range(3 * STREAMS))
        heads = [each.head for each in await asyncio.gather(*map(stack.enter_async_context, opened))]
        assert sum(head.startswith("HTTP/1.1 200 ") for head in heads) == STREAMS
        assert sum(head.startswith("HTTP/1.1 429 ") for head in heads) == 2 * STREAMS
        assert reader.registry.get_sample_value("ranker_streams") == STREAMS


async def test_filtered_streams_take_no_place_of_plain_ones(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many different filtered lists as may be streamed: one more is answered with when to come again, a plain one opens."""
    monkeypatch.setattr(streams, "MAX_CHANNELS", 1)
    async with listening(reader, f"{STREAM}?exclude=/1", X_Forwarded_For=SOMEBODY):
        assert (await reader.get(f"{STREAM}?exclude=/2", X_Forwarded_For=ANOTHER)).status == 503
        async with listening(reader, X_Forwarded_For=ANOTHER) as plain:
            assert (await plain.next()).kind == "list"


async def test_no_client_takes_the_streamed_lists(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many cuts of a list it streams: a share is everybody's, and what others stream already costs none."""
    monkeypatch.setattr(streams, "MAX_CHANNELS", 30)
    cut = f"{STREAM}?limit=1&offset="
    async with AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(listening(reader, f"{cut}{number}", X_Forwarded_For=SOMEBODY))
        assert is_refused(await reader.get(f"{cut}9", X_Forwarded_For=SOMEBODY))
        for number in (0, 1, 2, 3, 4):
            await stack.enter_async_context(listening(reader, f"{cut}{number}", X_Forwarded_For=ANOTHER))
        assert is_refused(await reader.get(f"{cut}9", X_Forwarded_For=ANOTHER))
        assert reader.registry.get_sample_value("ranker_streams") == 8


async def test_plain_streams_do_not_wait_for_filtered_ones(reader: Reader) -> None:
    """While filtered lists have used up their share of the time, for very long here, a plain one goes on."""
    reader.web.streams._filtered._pause = 1e9
    async with (
        listening(reader, f"{STREAM}?exclude=/1", X_Forwarded_For=SOMEBODY) as filtered,
        listening(reader, X_Forwarded_For=ANOTHER) as plain,
    ):
        await asyncio.gather(filtered.next(), plain.next())
        for views in (98, 99):
            await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, ("demo", "/new", "view", views)], T)
            while (await plain.next()).data["items"][0]["count"] != views:
                pass


async def test_one_client_has_so_many_lists_of_its_own(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """With filters, receipts, or beyond 100 places; then 429 for these, on every route. Plain lists and other clients go on."""
    monkeypatch.setattr(reader.web._clients, "_now_s", lambda: 0.0)
    routes = ("", "/feed.rss", "/stream")
    own = ("?exclude=/a{}", "/feed.rss?exclude=/a{}", "?limit=101&offset={}", "?receipt=true&offset={}")
    wanted = [LIST + own[n % 4].format(n) for n in range(120)]
    refused = [is_refused(await reader.get(target, X_Forwarded_For=SOMEBODY)) for target in wanted]
    assert refused == [n >= LISTS_S * BURST_S for n in range(120)]
    for route in routes:
        assert is_refused(await reader.get(f"{LIST}{route}?exclude=/b", X_Forwarded_For=SOMEBODY))
    assert is_refused(await reader.get("/?section=Sport", X_Forwarded_For=SOMEBODY))
    assert is_refused(await reader.get("/v1/demo/article?id=/1", X_Forwarded_For=SOMEBODY))
    for target in (LIST, f"{LIST}?limit=100", "/"):
        assert (await reader.get(target, X_Forwarded_For=SOMEBODY)).status == 200
    assert (await reader.get(f"{LIST}?exclude=/b", X_Forwarded_For=ANOTHER)).status == 200


async def test_one_client_has_so_few_look_ups(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of filters that nobody has looked up: a list without says that it is not whole. It is served all the same."""
    monkeypatch.setattr(reader.web._clients, "_now_s", lambda: 0.0)
    allowed = LISTS_S * BURST_S // LOOK_UP
    wide = [("demo", f"/{number}", "view", number + 1) for number in range(2_100)]
    await publish(reader.client, GENERATION, PARTITIONS, wide, T)
    await write_articles(reader.client, [record("demo", f"/{n}", section=f"s{n}", title="x") for n in range(20)])

    async def known() -> bool:
        return len((await reader.get("/v1/demo")).json["sections"]) == 20

    await until(known, "catalogue")

    async def complete(number: int, client: str, limit: int = 10) -> bool:
        target = f"{LIST}?section=s{number}&limit={limit}"
        content = (await reader.get(target, X_Forwarded_For=client)).json
        assert [item["article_id"] for item in content["items"]] == [f"/{number}"] * content["complete"]
        return bool(content["complete"])

    assert [await complete(n, SOMEBODY) for n in range(allowed + 2)] == [True] * allowed + [False] * 2
    assert await complete(allowed, ANOTHER, limit=11)
    assert await complete(allowed, SOMEBODY, limit=12)


async def test_one_client_leaves_others_their_look_ups(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly it takes them, and however often it asks again: another one's filter is looked up, and its list too."""
    monkeypatch.setattr(reader.web._clients, "_look_ups", Buckets(1, 1_000))
    monkeypatch.setattr(lookups, "MAX_LISTS", 2)
    sites = ("demo", "other")
    wide = [(site, f"/{number}", "view", number + 1) for site in sites for number in range(2_100)]
    await publish(reader.client, GENERATION, PARTITIONS, wide, T)
    entries = [record(site, f"/{n}", section=f"s{n}", title="x") for site in sites for n in range(50)]
    await write_articles(reader.client, entries)

    async def known() -> bool:
        return [len((await reader.get(f"/v1/{site}")).json["sections"]) for site in sites] == [50, 50]

    await until(known, "catalogue")

    async def complete(list_: str, number: int, client: str) -> bool:
        target = f"/v1/{list_}?section=s{number}"
        return bool((await reader.get(target, X_Forwarded_For=client)).json["complete"])

    first, second, third = "demo/popular/read/24h", "demo/popular/read/7d", "other/popular/read/24h"
    taken = [(list_, number) for list_ in (first, second) for number in range(MAX_FILTERS)]
    assert all([await complete(*each, SOMEBODY) for each in taken])
    assert not await complete(first, MAX_FILTERS, SOMEBODY)
    assert await complete(first, MAX_FILTERS + 1, ANOTHER)
    assert await complete(third, MAX_FILTERS + 2, ANOTHER)


async def test_what_stands_ready_is_free(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same filtered list, however often: it is made once."""
    async with running_reader(redis_url, {"demo": "Démo"}, refresh_ms=600_000) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await reader.refresh.refresh()
        monkeypatch.setattr(reader.web._clients, "_now_s", lambda: 0.0)
        for _ in range(LISTS_S * BURST_S + 20):
            assert (await reader.get(f"{LIST}?exclude=/a")).status == 200


@asynccontextmanager
async def connected(port: int, source: str) -> AsyncIterator[asyncio.StreamReader]:
    stream, writer = await asyncio.open_connection(PROXY, port, local_addr=(source, 0))
    try:
        writer.write(f"GET {LIST} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        yield stream
    finally:
        writer.close()
        await writer.wait_closed()


async def status(stream: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        head = (await stream.readuntil(b"\r\n\r\n")).lower()
    if b" 503 " in head.partition(b"\r\n")[0]:
        assert b"retry-after: 10\r\n" in head
        assert b"content-type: application/problem+json\r\n" in head
    return head.split()[1]


@pytest.mark.parametrize(
    ("bound", "of_one", "of_another", "of_proxy"),
    [("MAX_PER_CLIENT", b"503", b"200", b"200"), ("MAX_CONNECTIONS", b"503", b"503", b"503")],
)
async def test_connections(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, bound: str, of_one: bytes, of_another: bytes, of_proxy: bytes
) -> None:
    """So many of one client that is no proxy, and in all: the next is answered with when to come again, and a client that leaves makes room."""
    monkeypatch.setattr(connections, bound, 3)
    places, refused = Connections(lambda address: str(address) == PROXY), []
    public = reader_port(reader.web.app.at_once, places, asyncio.Event(), lambda: refused.append(1))
    async with http_server.serving(reader.web.app, PROXY, 0, public) as port:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                opened = await stack.enter_async_context(connected(port, "127.0.0.9"))
                assert await status(opened) == b"200"
            for source, wanted in (("127.0.0.9", of_one), ("127.0.0.8", of_another), (PROXY, of_proxy)):
                async with connected(port, source) as one:
                    assert await status(one) == wanted
        assert len(refused) == [of_one, of_another, of_proxy].count(b"503")

        async def room() -> bool:
            return places.open == 0

        await until(room, "end of every connection")
        assert not places._per_client
        async with connected(port, "127.0.0.9") as one:
            assert await status(one) == b"200"


def test_a_network_of_64_bits_is_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6 gives a client more addresses than there are connections."""
    monkeypatch.setattr(connections, "MAX_PER_CLIENT", 2)
    places = Connections()
    assert [places.enter(f"2001:db8::{n}") is None for n in range(3)] == [False, False, True]
    assert places.enter("2001:db8:0:1::1") is not None


async def test_refused_connections_take_nobodys_place(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client begins far more than there are, and keeps each open for as long as it may: another one is served."""
    for bound, most in (("MAX_PER_CLIENT", 3), ("MAX_CONNECTIONS", 5), ("MAX_REFUSED", 4)):
        monkeypatch.setattr(connections, bound, most)
    monkeypatch.setattr(http_protocol, "LINGER_S", 3600)
    places = Connections()
    public = PublicPort(connections=places)
    async with http_server.serving(reader.web.app, PROXY, 0, public) as port, AsyncExitStack() as stack:
        begun = [await stack.enter_async_context(connected(port, "127.0.0.9")) for _ in range(3 + 4)]
        assert [await status(one) for one in begun] == [b"200"] * 3 + [b"503"] * 4
        for _ in range(3):  # there is no room for an answer either
            async with connected(port, "127.0.0.9") as one:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await status(one)
        async with connected(port, "127.0.0.8") as one:
            assert await status(one) == b"200"
