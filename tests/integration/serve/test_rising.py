"""Rising lists, end to end: from Redis and the catalogue to the answer."""

from __future__ import annotations

from ranker.settings import Site
from tests.support.counted_articles import MINUTE_MS, TOKEN, count, refreshed, seal
from tests.support.reader import Reader, T, until
from tests.support.rising_site import BOARDS, EVENTS, RISING, expected, ids, rising, shown
from tests.support.sse_client import listening


async def test_the_list_is_that_of_the_definition(redis_url: str) -> None:
    """Every number; what has just been published, is hidden, unknown, steady or the same every day is not listed."""
    async with rising(redis_url) as (reader, shards):
        answer = await reader.ranking(RISING)
        assert shown(answer) == expected()
        assert ids(answer) == ["/spike", "/here", "/known-by-its-counts", "/small"]
        assert (answer["board"], answer["window"]["name"]) == ("rising", "1h")
        assert (answer["complete"], answer["stale"]) == (True, False)
        first = answer["items"][0]
        assert (first["rank"], first["title"]) == (1, "Titre de /spike")
        assert first["share"] == round(60 / answer["total"], 6)
        assert "history" not in answer
        assert "previous_rank" not in first
        await seal(shards)
        reader.now_ms = T + 2_000
        assert shown(await reader.ranking(RISING)) == expected()


async def test_strays(redis_url: str) -> None:
    """What is counted in two shards is one article's, yesterday too."""
    async with rising(redis_url, EVENTS[2:]) as (reader, shards):
        await count(shards, EVENTS[:2], dict.fromkeys(("/spike",), 0))
        await count(shards, [("/spike", "view", 5 * MINUTE_MS, 7)], {"/spike": 1})
        every = [*EVENTS, ("/spike", "view", 5 * MINUTE_MS, 7)]
        assert shown(await reader.ranking(RISING)) == expected(every)


async def test_thresholds(redis_url: str) -> None:
    """They are the reader's: another board shows other articles of the same counts."""
    thresholds = BOARDS["rising"].thresholds._replace(least=25, sigmas=1.0, times=1.0)
    board = BOARDS["rising"]._replace(thresholds=thresholds)
    async with rising(redis_url, board=board) as (reader, _):
        found = await reader.ranking(RISING)
        assert shown(found) == expected(board=board)
        assert "/small" not in ids(found)


async def test_it_is_read_once_a_minute(redis_url: str) -> None:
    """Not at every refresh, and not for a request; its age is none until a minute is over."""
    async with rising(redis_url) as (reader, shards):
        first = await reader.ranking(RISING)
        more = [("/daily", "view", 1 * MINUTE_MS, 300)]
        await count(shards, more)
        await refreshed(reader)
        reader.now_ms = T + 59_000
        await refreshed(reader)
        same = await reader.ranking(RISING)
        assert shown(same) == shown(first)
        assert (same["stale"], same["complete"]) == (False, True)
        reader.now_ms = T + 60_000
        await until(lambda: listed(reader, "/daily"), "next reading")
        assert shown(await reader.ranking(RISING)) == expected([*EVENTS, *more])


async def listed(reader: Reader, article: str) -> bool:
    return article in ids(await reader.ranking(RISING))


async def test_counts_are_hidden(redis_url: str) -> None:
    """With all that is made of them; the order stays."""
    async with rising(redis_url, site=Site("Le Courrier", show_counts=False, read_token="secret")) as (reader, _):
        answer = await reader.ranking(RISING)
        assert ids(answer) == [line[0] for line in expected()]
        for item in answer["items"]:
            assert {item[name] for name in ("count", "share", "expected", "times", "sigmas")} == {None}
        assert shown((await reader.get(RISING, **TOKEN)).json) == expected()


async def test_filters(redis_url: str) -> None:
    """Before the cut; a least count leaves out what stands between."""
    async with rising(redis_url) as (reader, _):
        assert ids(await reader.ranking(f"{RISING}?section=Sport")) == ["/small"]
        assert ids(await reader.ranking(f"{RISING}?section=-Sport&limit=1")) == ["/spike"]
        assert ids(await reader.ranking(f"{RISING}?min_count=35")) == ["/spike", "/here"]
        assert ids(await reader.ranking(f"{RISING}?exclude=/spike&limit=2")) == ["/here", "/known-by-its-counts"]
        assert ids(await reader.ranking(f"{RISING}?offset=1&limit=1")) == ["/here"]
        filled = await reader.ranking(f"{RISING}?fallback=true&limit=6")
        assert ids(filled)[:4] == [line[0] for line in expected()]
        assert [one["origin"] for one in filled["items"]] == ["1h"] * 4 + ["latest"] * 2
        assert filled["items"][-1]["times"] is None


async def test_what_there_is_not(redis_url: str) -> None:
    """Other windows, and receipts; the fault names what there is."""
    async with rising(redis_url) as (reader, _):
        other = await reader.get("/v1/demo/popular/rising/24h")
        assert other.status == 404
        assert other.json["windows"] == ["1h"]
        unknown = await reader.get("/v1/demo/popular/risen/24h")
        assert unknown.json["boards"] == ["commented", "read", "rising", "shared", "latest"]
        receipt = await reader.get(f"{RISING}?receipt=true")
        assert receipt.status == 400
        assert "board read, which has receipts" in receipt.json["detail"]
        site = await reader.ranking("/v1/demo")
        assert site["rising"] == [
            {"name": "rising", "of": "read", "window": "1h", "before": "4h", "least": 20, "sigmas": 4.0, "times": 1.5}
        ]
        assert "rising" not in site["boards"]


async def test_other_forms(redis_url: str) -> None:
    """Feed and stream have the same list, in the same order."""
    async with rising(redis_url) as (reader, _):
        await reader.ranking(RISING)
        feed = (await reader.get(f"{RISING}/feed.rss")).body.decode()
        named = [article for article, *_ in expected() if article != "/known-by-its-counts"]  # which has no address
        places = [feed.index(f"demo/{article}<") for article in named]
        assert places == sorted(places)
        async with listening(reader, f"{RISING}/stream") as events:
            assert shown((await events.next()).data) == expected()
