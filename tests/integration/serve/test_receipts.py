"""Receipts: the hash is that of what the shards hold, and positions and rows are those of one moment."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from ranker.core.home import home
from ranker.recount import receipts as recounted
from ranker.settings import Site
from ranker.store.keys import ShardKeys
from tests.integration.serve.test_spellings import catalogue, fed
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, beside, ready, running_reader, until
from tests.support.shard_writer import activate, count_in, publish, write
from tests.support.sse_client import listening

RECEIPT = f"{LIST}?receipt=true"
WEEK = "/v1/demo/popular/read/7d?receipt=true"


async def plain_list(
    client: Any, window: str = "24h", aliases: Mapping[str, str] | None = None, partitions: int = PARTITIONS
) -> list[tuple[str, int]]:
    """What the shards hold, added up and sorted without any code of the reader."""
    total: Counter[str] = Counter()
    for shard in range(partitions):
        key = ShardKeys(GENERATION.id, shard).total(window, "demo", "read")
        for article, count in await client.zrange(key, 0, -1, withscores=True):
            total[(aliases or {}).get(article.decode(), article.decode())] += int(count)
    found = sorted(total.items(), key=lambda row: (row[1], row[0].encode()), reverse=True)
    return [(article, count) for article, count in found if count > 0][:2_000]


def hash_of(rows: list[tuple[str, int]]) -> str:
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


async def receipt_with(reader: Reader, target: str, **expected: Any) -> Any:
    """The answer, once its receipt has these members."""

    async def found() -> Any:
        answer = await reader.get(target)
        receipt = answer.json.get("receipt", {})
        return answer.json if expected.items() <= receipt.items() else None

    return await until(found, f"receipt with {expected}")


async def test_the_hash_is_that_of_the_shards(redis_url: str) -> None:
    """2,000 of 2,400 articles, strays, counts below zero, ids of every alphabet; each window its own; every position."""
    views = [("demo", f"/{number:04}é\U0001f980", "view", 1 + number % 97) for number in range(2_400)]
    views += [("demo", "/negative", "view", -4), ("demo", '/"q\\', "view", 50), ("other", "/x", "view", 99)]
    places = {shard: {"n": 100 + shard, "n0": 3 * shard, "lineage": f"{shard:016x}"} for shard in range(3)}
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await write(reader.client, GENERATION, 3, views, T, places)
        async with reader.client.pipeline(transaction=False) as pipe:
            for number in range(40):
                article = f"/{number:04}é\U0001f980"
                away = (home(f"demo/{article}".encode(), 3) + 1) % 3
                count_in(pipe, GENERATION, away, "demo", article, "view", 60)
                pipe.sadd(ShardKeys(GENERATION.id, away).strays, f"demo/{article}")
            at_home = home(b'demo//"q\\', 3)
            pipe.zincrby(ShardKeys(GENERATION.id, at_home).total("7d", "demo", "read"), 7, '/"q\\')
            await pipe.execute()
        await activate(reader.client, GENERATION, 3)
        await until(lambda: ready(reader), "readiness")
        day = await plain_list(reader.client, partitions=3)
        content = await receipt_with(reader, f"{RECEIPT}&limit=3", sha256=hash_of(day))
        receipt = content["receipt"]
        assert (receipt["rows"], receipt["hidden"], receipt["aliases"]) == (2_000, [], {})
        assert [(item["article_id"], item["count"]) for item in content["items"]] == day[:3]
        week = await plain_list(reader.client, "7d", partitions=3)
        assert hash_of(week) != hash_of(day)
        assert (await reader.ranking(WEEK))["receipt"]["sha256"] == hash_of(week)
        floors = [
            int(floor) for floor in (await reader.client.hget(ShardKeys(GENERATION.id, 0).meta, "floors")).split(b",")
        ]
        assert receipt["partitions"] == [{"partition": shard, **places[shard], "floors": floors} for shard in range(3)]
        parsed, items, _, plain = recounted.read(orjson.dumps(content))
        assert (parsed.topic, parsed.generation, len(items), plain) == ("page-views", GENERATION.id, 3, True)


async def test_filters_leave_the_receipt_alone(redis_url: str) -> None:
    """It is that of the whole list, whatever is cut out of it."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await catalogue(reader.client, fed("/3", section="Sport"))
        await until(lambda: ready(reader), "readiness")
        whole = await receipt_with(reader, RECEIPT, rows=len(VIEWS))
        for cut in ("limit=1", "offset=9", "section=Sport", "exclude=/29", "min_count=20", "fallback=true"):
            assert (await reader.ranking(f"{RECEIPT}&{cut}"))["receipt"] == whole["receipt"], cut
        assert "receipt" not in await reader.ranking(f"{LIST}?receipt=false")


async def test_moved_articles_are_named(redis_url: str) -> None:
    """Those with counts alone, under the name that they count for; their counts are in the hash."""
    aliases = {"/3": "/29", "/4": "/new", "/none": "/29"}
    records = [
        (f"demo/{old} #alias".encode(), orjson.dumps({"site_id": "demo", "article_id": old, "alias_of": new}))
        for old, new in aliases.items()
    ]
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await catalogue(reader.client, *records)
        expected = await plain_list(reader.client, aliases=aliases)
        content = await receipt_with(reader, RECEIPT, sha256=hash_of(expected))
        assert content["receipt"]["aliases"] == {"/3": "/29", "/4": "/new"}
        assert content["receipt"]["rows"] == len(VIEWS) - 1
        assert (content["items"][0]["article_id"], content["items"][0]["count"]) == ("/29", 34)


@pytest.mark.parametrize("hide_unknown", [False, True])
async def test_places_that_are_not_shown_are_named(redis_url: str, hide_unknown: bool) -> None:
    """Hidden by the editor, removed by a feed, unknown if the site hides these: by place, still part of the hash."""
    records = [fed("/29"), fed("/28"), fed("/27", status="removed"), fed("/26"), fed("/25")]
    records.append((b"demo//28 #editor", orjson.dumps({"site_id": "demo", "article_id": "/28", "hidden": True})))
    async with running_reader(redis_url, {"demo": Site("Demo", hide_unknown=hide_unknown)}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await catalogue(reader.client, *records)
        hidden = [2, 3, *(range(6, 31) if hide_unknown else ())]
        expected = await plain_list(reader.client)
        content = await receipt_with(reader, RECEIPT, hidden=hidden, sha256=hash_of(expected))
        assert [item["article_id"] for item in content["items"]][:3] == ["/29", "/26", "/25"]
        assert b"/28" not in (await reader.get(RECEIPT)).body


async def test_a_shard_that_is_away(redis_url: str) -> None:
    """Is absent, and so are its rows: what is there can be recounted all the same."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        await reader.client.hset(ShardKeys(GENERATION.id, 1).meta, "dropped", 1)
        reader.board._lists.clear()  # or the whole list stays until it is stale
        expected = await plain_list(reader.client, partitions=1)
        content = await receipt_with(reader, RECEIPT, sha256=hash_of(expected))
        assert ([part["partition"] for part in content["receipt"]["partitions"]], content["complete"]) == ([0], False)


async def test_positions_are_those_of_the_rows(redis_url: str) -> None:
    """While a writer counts without a pause, new strays all the time: the counts add up to the sum of all n, always.

    And two answers between two refreshes have one receipt.
    """
    written = 0

    async def count(reader: Reader) -> None:
        """One view more, and one offset, in one transaction; each article in every shard in turn."""
        nonlocal written
        while True:
            written += 1
            shard, article = written % PARTITIONS, f"/{written // PARTITIONS % 900}"
            keys = ShardKeys(GENERATION.id, shard)
            async with reader.client.pipeline(transaction=True) as pipe:
                count_in(pipe, GENERATION, shard, "demo", article, "view", 1)
                if home(f"demo/{article}".encode(), PARTITIONS) != shard:
                    pipe.sadd(keys.strays, f"demo/{article}")
                pipe.hincrby(keys.meta, "n", 1)
                await pipe.execute()
            await asyncio.sleep(0)

    async with running_reader(redis_url, {"demo": "Demo"}, refresh_ms=10) as reader:
        reader.web._clients._now_s = iter(range(10_000_000)).__next__  # a second between two requests
        await publish(reader.client, GENERATION, PARTITIONS, [("demo", "/0", "view", 1)], T)
        await reader.client.hset(ShardKeys(GENERATION.id, 1 - home(b"demo//0", PARTITIONS)).meta, "n", 0)
        await until(lambda: ready(reader), "readiness")
        seen: set[str] = set()
        same = 0
        async with beside(count(reader)):
            while len(seen) < 40 or same < 20:
                revision = reader.board.revision
                content = await reader.ranking(f"{RECEIPT}&limit=1000")
                other = await reader.ranking(f"{RECEIPT}&limit=1&offset=5")
                if reader.board.revision == revision:
                    same += 1
                    assert other["receipt"] == content["receipt"]
                receipt, rows = content["receipt"], reader.items(content)
                assert sum(count for _, count in rows) == sum(part["n"] for part in receipt["partitions"])
                assert receipt["sha256"] == hash_of(rows)
                seen.add(receipt["sha256"])


async def test_ordinary_answers_do_not_change_with_positions(redis_url: str) -> None:
    """While n alone moves, tags stay and streams are silent; the receipt has the new n."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        tag = (await reader.get(LIST)).headers["etag"]
        async with listening(reader) as events:
            assert (await events.next()).kind == "list"
            before = (await reader.get(RECEIPT)).headers["etag"]
            for n in (2, 3, 4):
                await reader.client.hset(ShardKeys(GENERATION.id, 0).meta, "n", n)

                async def moved(n: int = n) -> bool:
                    return bool((await reader.ranking(RECEIPT))["receipt"]["partitions"][0]["n"] == n)

                await until(moved, "receipt with the new position")
                assert (await reader.get(LIST)).headers["etag"] == tag
            assert (await reader.get(RECEIPT)).headers["etag"] != before
            await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, ("demo", "/new", "view", 99)], T)
            event = await events.next()
            assert (event.kind, event.data["items"][0]["article_id"]) == ("list", "/new")
            assert "receipt" not in event.data
