"""Streams: the whole list on connect, then what changed and nothing else, for as many as listen."""

import asyncio

import pytest

from ranker.core.generation import Generation, Window
from ranker.serve.api import query, streams
from ranker.service import http_protocol
from tests.support.example_site import record, write_articles
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, until
from tests.support.shard_writer import activate, publish, write
from tests.support.sse_client import listening

STREAM = f"{LIST}/stream"
WIDE = [("demo", f"/{i}", "view", i + 1) for i in range(1_000)]


@pytest.fixture
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEAT_S", 0.05)


async def count(reader: Reader, article: str, views: int, watermark_ms: int = T) -> None:
    """Another list: one article with so many views, then the others."""
    others = [view for view in VIEWS if view[1] != article]
    await write(reader.client, GENERATION, PARTITIONS, [*others, ("demo", article, "view", views)], watermark_ms)


async def open_streams(reader: Reader, number: int) -> None:
    async def so_many() -> bool:
        return bool(reader.registry.get_sample_value("ranker_streams") == number)

    await until(so_many, f"gauge of {number} streams")


async def test_the_list_then_its_changes(reader: Reader) -> None:
    """What the list says at connect; no event while only its clock moves; one, with another id, when a place does."""
    async with listening(reader) as events:
        assert "text/event-stream" in events.head
        first = await events.next()
        assert (first.kind, first.data) == ("list", await reader.ranking())
        await write(reader.client, GENERATION, PARTITIONS, VIEWS, T + 1)

        async def later() -> bool:
            return bool((await reader.ranking())["as_of"] != first.data["as_of"])

        await until(later, "list with another clock")
        await count(reader, "/3", 99, T + 1)
        second = await events.next()
        assert (second.kind, second.data["items"][0]["article_id"]) == ("list", "/3")
        assert second.id != first.id
        await write_articles(reader.client, [record("demo", "/3", title="Trois")])
        third = await events.next()
        assert third.data["items"][0]["title"] == "Trois"
        assert len({first.id, second.id, third.id}) == 3


async def test_a_list_that_comes_back_has_its_id_again(reader: Reader) -> None:
    """An id names what a list holds, in this process and in any other."""
    async with listening(reader) as events:
        ids = [(await events.next()).id]
        await count(reader, "/3", 99)
        ids.append((await events.next()).id)
        await write(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        ids.append((await events.next()).id)
    assert ids[0] == ids[2] != ids[1]


async def test_a_list_that_another_generation_lacks_ends_no_reader(reader: Reader) -> None:
    """Streams of a window that is gone fall silent; the lists of the new generation are served."""
    hours = Generation("page-views", (Window("6h", 21_600_000, 60_000),), {"read": {"view": 1}})
    async with (
        listening(reader, "/v1/demo/popular/latest/24h/stream") as newest,
        listening(reader, f"{STREAM}?fallback=true") as filled,
    ):
        await newest.next()
        await filled.next()
        await write(reader.client, hours, 1, [("demo", "/new", "view", 1)], T)
        await activate(reader.client, hours, 1, seq=2)

        async def followed() -> bool:
            return (await reader.get("/v1/demo/popular/read/6h")).status == 200

        await until(followed, "list of the new generation")
        assert (await reader.get(LIST)).status == 404
        await write(reader.client, hours, 1, [("demo", "/newer", "view", 2)], T + 1)

        async def refreshed() -> bool:
            return bool((await reader.ranking("/v1/demo/popular/read/6h"))["items"][0]["article_id"] == "/newer")

        await until(refreshed, "refresh of the new generation")


async def test_a_stream_is_no_longer_than_so_many_places(reader: Reader) -> None:
    """It is made anew at every refresh."""
    assert (await reader.get(f"{STREAM}?limit=101")).status == 400
    assert (await reader.get(f"{STREAM}?limit=60&offset=60")).status == 400


@pytest.mark.usefixtures("quick_beats")
async def test_beats(reader: Reader) -> None:
    """While nothing changes, how current the list is; staleness counts as a change of the list."""
    async with listening(reader) as events:
        assert (await events.next()).kind == "list"
        beat = await events.next()
        wanted = {name: (await reader.ranking())[name] for name in ("as_of", "complete", "stale")}
        assert (beat.kind, beat.data, beat.id) == ("beat", wanted, "")
        reader.now_ms = T + 30_001
        while (event := await events.next()).kind == "beat":
            pass
        assert event.data["stale"] is True


@pytest.mark.usefixtures("quick_beats")
@pytest.mark.parametrize("how", ["header", "query"])
async def test_resumption(reader: Reader, how: str) -> None:
    """Who has the current list hears nothing of it before it changes; who has another one gets it at once."""
    async with listening(reader) as events:
        known = (await events.next()).id
    target, header = (STREAM, known) if how == "header" else (f"{STREAM}?last_event_id={known}", "")
    async with listening(reader, target, Last_Event_ID=header) as events:
        assert (await events.next()).kind == "beat"
        await count(reader, "/3", 99)
        while (event := await events.next()).kind == "beat":
            pass
        assert event.id != known
    async with listening(reader, target, Last_Event_ID=header) as events:
        missed = await events.next()
        assert (missed.kind, missed.id) == ("list", event.id)


async def test_queries_are_streams_of_their_own(reader: Reader) -> None:
    """Filters and pages as on the list; those who ask the same share one channel."""
    async with (
        listening(reader, f"{STREAM}?limit=2&offset=1") as page,
        listening(reader, f"{STREAM}?offset=1&limit=2") as same,
        listening(reader, f"{STREAM}?exclude=/29&limit=1") as filtered,
        listening(reader, "/v1/demo/popular/latest/24h/stream") as latest,
    ):
        for events, items in ((page, ["/28", "/27"]), (same, ["/28", "/27"]), (filtered, ["/28"]), (latest, [])):
            data = (await events.next()).data
            assert [item["article_id"] for item in data["items"]] == items
        plain, filtered_ones = reader.web.streams._plain.channels, reader.web.streams._filtered.channels
        assert (len(plain), len(filtered_ones)) == (2, 1)
        await open_streams(reader, 4)
    await open_streams(reader, 0)
    assert plain == filtered_ones == {}


async def test_a_list_that_only_streams_request_stays_in_use(reader: Reader) -> None:
    """Beyond the minute after which lists that nobody requested are dropped."""
    async with listening(reader) as events:
        await events.next()
        for minutes in (2, 4):
            reader.now_ms = T + minutes * 60_000
            await count(reader, f"/{minutes}", 99, reader.now_ms)
            first = (await events.next()).data["items"][0]["article_id"]
            if first != f"/{minutes}":  # the list of the new time, before the count came
                first = (await events.next()).data["items"][0]["article_id"]
            assert first == f"/{minutes}"


@pytest.mark.long
async def test_a_client_that_does_not_read(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds up nobody, and when it reads again goes on with the latest list, not with all that it missed."""
    monkeypatch.setattr(query, "MAX_STREAMED", 1_000)  # more than the system's buffers hold of so many changes
    # Or it is cut off, should the changes take longer on a busy machine.
    monkeypatch.setattr(http_protocol.Protocol, "cut_off_untaken", lambda _: None)
    await publish(reader.client, GENERATION, PARTITIONS, WIDE, T)
    target = f"{STREAM}?limit=1000"
    changes = 60
    async with listening(reader, target, receive_bytes=4096) as slow, listening(reader, target) as quick:
        while len((await quick.next()).data["items"]) < 1000:
            pass
        for change in range(changes):
            await write(reader.client, GENERATION, PARTITIONS, [*WIDE, ("demo", "/first", "view", 2_000 + change)], T)
            while (last := await quick.next()).data["items"][0]["count"] != 2_000 + change:
                pass
        heard = [await slow.next()]
        while heard[-1].id != last.id:
            heard.append(await slow.next())
        assert len(heard) < changes
        assert heard[-1].data == last.data


async def test_the_end(reader: Reader) -> None:
    """When the process ends every stream does, whether or not anything changes."""
    async with listening(reader) as first, listening(reader, f"{STREAM}?limit=3") as second:
        for events in (first, second):
            await events.next()
        reader.web.streams.close()
        for events in (first, second):
            with pytest.raises(EOFError):
                await events.next()
    await open_streams(reader, 0)


@pytest.mark.parametrize("bound", ["MAX_STREAMS", "MAX_CHANNELS"])
async def test_streams_are_bounded(reader: Reader, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """503 with when to come back, for one more than may be open; those that are go on."""
    monkeypatch.setattr(streams, bound, 1)
    async with listening(reader) as events:
        await events.next()
        refused = await reader.get(f"{STREAM}?limit=3")
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        await count(reader, "/3", 99)
        assert (await events.next()).data["items"][0]["article_id"] == "/3"
    await open_streams(reader, 0)
    async with listening(reader, f"{STREAM}?limit=3") as events:
        await events.next()


async def test_many_listeners_one_channel(reader: Reader) -> None:
    """All hear the same change."""
    async with listening(reader) as a, listening(reader) as b, listening(reader) as c:
        everybody = (a, b, c)
        await asyncio.gather(*(events.next() for events in everybody))
        await count(reader, "/3", 99)
        heard = await asyncio.gather(*(events.next() for events in everybody))
    assert heard[0] == heard[1] == heard[2]


async def test_what_is_not_a_stream(reader: Reader) -> None:
    """HEAD says what GET would be; faults are reported as on the list."""
    head = await reader.get(STREAM, "HEAD")
    assert (head.status, head.headers["content-type"], head.body) == (200, "text/event-stream; charset=utf-8", b"")
    assert (await reader.get(f"{STREAM}?limit=0&render=html")).status == 400
    assert (await reader.get("/v1/nobody/popular/read/24h/stream")).status == 404
