"""Receipts: what is hashed and named is what the shards hold, at the very position that the receipt says."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
import pytest

from ranker.core.home import home
from ranker.recount.receipts import read
from ranker.serve.api.clients import BURST_S
from ranker.settings import Site
from ranker.store.catalogue import CatalogueShard, Change
from ranker.store.keys import ShardKeys
from tests.support.defaults import LISTS_S
from tests.support.example_site import record, write_articles
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, Reader, T, ready, running_reader, until
from tests.support.shard_writer import count_in, meta_of, publish, write
from tests.support.sse_client import listening

RECEIPT = f"{LIST}?receipt=true"
METAS: Mapping[int, Mapping[str, Any]] = {
    0: {"lineage": "00000000000000aa", "n": 812_345, "n0": 12},
    1: {"lineage": "ffffffffffffffbb", "n": 5, "n0": 5},
}
FLOORS = [int(floor) for floor in meta_of(GENERATION, T, PARTITIONS)["floors"].split(",")]
BEARER = {"Authorization": "Bearer secret"}


@pytest.fixture
async def wide(redis_url: str) -> AsyncIterator[Reader]:
    """More articles than a list has places, at positions of their own."""
    async with running_reader(redis_url, {"demo": "La Dépêche"}) as running:
        views = [("demo", f"/{i:04}", "view", 1 + i // 3) for i in range(2_100)]
        await publish(running.client, GENERATION, PARTITIONS, views, T)
        await write(running.client, GENERATION, PARTITIONS, views, T, METAS)
        await until(lambda: ready(running), "readiness")
        yield running


async def receipt(reader: Reader, target: str = RECEIPT, **headers: str) -> Any:
    answer = await reader.get(target, **headers)
    assert answer.status == 200, answer
    return answer.json["receipt"]


async def receipt_with(reader: Reader, target: str = RECEIPT, **wanted: Any) -> Any:
    """The first receipt with these members."""

    async def there() -> Any:
        found = await receipt(reader, target)
        return found if wanted.items() <= found.items() else None

    return await until(there, f"receipt with {wanted}")


async def counted(reader: Reader, aliases: Mapping[str, str], shards: int = PARTITIONS) -> list[list[Any]]:
    """Every row of the list, most first, as whoever has nothing but Redis would make it."""
    total: Counter[str] = Counter()
    for shard in range(shards):
        key = ShardKeys(GENERATION.id, shard).total("24h", "demo", "read")
        for article, count in await reader.client.zrange(key, 0, -1, withscores=True):
            total[aliases.get(article.decode(), article.decode())] += int(count)
    ordered = sorted(total.items(), key=lambda row: (row[1], row[0].encode()), reverse=True)
    return [[article, count] for article, count in ordered if count > 0]


def hashed(rows: list[list[Any]]) -> str:
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


async def edit(client: Any, kind: str, article_id: str, **fields: Any) -> None:
    """A record under the editor's own key."""
    shard = CatalogueShard(client, 0)
    state = await shard.load()
    if state is None:
        await shard.begin("ab" * 8, 1)
        state = await shard.load()
    assert state is not None
    value = orjson.dumps({"site_id": "demo", "article_id": article_id, **fields})
    change = Change(f"demo/{article_id} #{kind}".encode(), value, state.n)
    assert await shard.advance(state, state.n + 1, f"{state.n}:5:7", [change])


async def test_a_receipt(wide: Reader) -> None:
    """Where the counts of each shard stand, and the hash of the first 2,000 places, however few are requested."""
    found = await receipt_with(wide, f"{RECEIPT}&limit=3")
    rows = await counted(wide, {})
    assert len(rows) == 2_100
    assert found == {
        "version": 1,
        "site": "demo",
        "board": "read",
        "window": "24h",
        "topic": "page-views",
        "generation": GENERATION.id,
        "rules": ["bots@1"],
        "partitions": [
            {"partition": 0, "lineage": "00000000000000aa", "n0": 12, "n": 812_345, "floors": FLOORS},
            {"partition": 1, "lineage": "ffffffffffffffbb", "n0": 5, "n": 5, "floors": FLOORS},
        ],
        "aliases": {},
        "hidden": [],
        "rows": 2_000,
        "sha256": hashed(rows[:2_000]),
    }
    answer = await wide.get(f"{RECEIPT}&limit=1000")
    assert read(answer.body)[1] == [tuple(row) for row in rows[:1_000]], "the verifier takes the answer as it is"


async def test_filters_and_pages_have_one_receipt(wide: Reader) -> None:
    """It is the list's; what a request shows of it does not matter."""
    plain = await receipt(wide)
    for more in ("limit=1", "offset=5&limit=20", "section=Sport", "min_count=9", "exclude=/2099", "fallback=true"):
        assert await receipt(wide, f"{RECEIPT}&{more}") == plain, more


async def test_without_it_nothing_changes(wide: Reader) -> None:
    """`false` is the default; other values are faults."""
    assert "receipt" not in (await wide.get(LIST)).json
    assert (await wide.get(f"{LIST}?receipt=false")).body == (await wide.get(LIST)).body
    for value in ("1", "", "True"):
        answer = await wide.get(f"{LIST}?receipt={value}")
        assert answer.status == 400
        assert answer.json["faults"][0]["detail"] == f"'{value}' is not one of true, false"
    assert (await wide.get(f"{RECEIPT}&receipt=true")).json["faults"][0]["detail"] == "given more than once"


async def test_aliases_are_summed_and_named(reader: Reader) -> None:
    """Those with counts in this list, strays among them; not those without, nor those whose counts cancel out."""
    async with reader.client.pipeline(transaction=False) as pipe:
        count_in(pipe, GENERATION, home(b"demo//cancelled", PARTITIONS), "demo", "/cancelled", "view", 5)
        for article, count in (("/3", 100), ("/cancelled", -5)):
            away = 1 - home(f"demo/{article}".encode(), PARTITIONS)
            pipe.sadd(ShardKeys(GENERATION.id, away).strays, f"demo/{article}")
            count_in(pipe, GENERATION, away, "demo", article, "view", count)
        await pipe.execute()
    moved = {"/3": "/new", "/29": "/28", "/unread": "/28", "/cancelled": "/28"}
    for article, target in moved.items():
        await edit(reader.client, "alias", article, alias_of=target)
    found = await receipt_with(reader, aliases={"/29": "/28", "/3": "/new"})
    rows = await counted(reader, moved)
    assert rows[:2] == [["/new", 104], ["/28", 59]]
    assert (found["rows"], found["sha256"], found["hidden"]) == (len(rows), hashed(rows), [])


async def test_takedowns_are_named_by_place(reader: Reader) -> None:
    """By the editor and by a feed; the hash is the same as before, and the ids are nowhere in the answer."""
    before = await receipt(reader)
    await edit(reader.client, "editor", "/27", hidden=True)
    await write_articles(reader.client, [{**record("demo", "/0"), "status": "removed"}])
    assert await receipt_with(reader, hidden=[3, 30]) == {**before, "hidden": [3, 30]}
    assert b'"/27"' not in (await reader.get(f"{RECEIPT}&limit=100")).body
    assert before["sha256"] == hashed(await counted(reader, {}))


async def test_unknown_articles_are_hidden_too(redis_url: str) -> None:
    """On a site that shows only what its catalogue has."""
    async with running_reader(redis_url, {"demo": Site("Connu", hide_unknown=True)}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS[:4], T)
        await write_articles(reader.client, [record("demo", f"/{i}", title="x", published_at=T) for i in (0, 2)])
        await until(lambda: ready(reader), "readiness")
        found = await receipt_with(reader, hidden=[1, 3])
        assert (found["rows"], found["sha256"]) == (4, hashed([["/3", 4], ["/2", 3], ["/1", 2], ["/0", 1]]))


@pytest.mark.parametrize("strays", [3, 2_050])
async def test_strays_in_several_shards(redis_url: str, strays: int) -> None:
    """Counts that lie in another shard than their home are summed: a few, and so many that lists are read whole."""
    shards = 4
    async with running_reader(redis_url, {"demo": "La Dépêche"}) as reader:
        await publish(reader.client, GENERATION, shards, [("demo", f"/{i}", "view", i + 1) for i in range(40)], T)
        async with reader.client.pipeline(transaction=False) as pipe:
            for i in range(strays):
                shard = (home(f"demo//{i}".encode(), shards) + 1) % shards
                pipe.sadd(ShardKeys(GENERATION.id, shard).strays, f"demo//{i}")
                count_in(pipe, GENERATION, shard, "demo", f"/{i}", "view", 1_000)
            await pipe.execute()
        await until(lambda: ready(reader), "readiness")
        rows = (await counted(reader, {}, shards))[:2_000]
        found = await receipt_with(reader, sha256=hashed(rows), rows=len(rows))
        assert [part["partition"] for part in found["partitions"]] == [0, 1, 2, 3]


async def test_a_shard_that_is_away_is_absent(redis_url: str) -> None:
    """The rest is what it is: the hash is of the shards that the receipt names."""
    async with running_reader(redis_url, {"demo": "La Dépêche"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await reader.client.hset(ShardKeys(GENERATION.id, 0).meta, "dropped", 1)
        await until(lambda: ready(reader), "readiness")
        answer = (await reader.get(RECEIPT)).json
        assert (answer["complete"], [part["partition"] for part in answer["receipt"]["partitions"]]) == (False, [1])
        held = [view for view in reversed(VIEWS) if home(f"demo/{view[1]}".encode(), PARTITIONS) == 1]
        assert answer["receipt"]["sha256"] == hashed([[article, count] for _, article, _, count in held])


async def test_one_reading_has_one_receipt(redis_url: str) -> None:
    """Between two refreshes Redis may go on: the receipt and the items stay those of one moment."""
    async with running_reader(redis_url, {"demo": "La Dépêche"}, refresh_ms=600_000) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await reader.refresh.refresh()
        first = (await reader.get(RECEIPT)).json
        changed = [*VIEWS, ("demo", "/new", "view", 99)]
        await write(reader.client, GENERATION, PARTITIONS, changed, T, METAS)
        assert (await reader.get(RECEIPT)).json == first
        assert await receipt(reader, f"{RECEIPT}&limit=11") == first["receipt"]
        await reader.refresh.refresh()
        second = await receipt(reader)
        assert [part["n"] for part in second["partitions"]] == [812_345, 5]
        assert second["sha256"] != first["receipt"]["sha256"]


async def test_positions_alone_change_no_other_answer(reader: Reader) -> None:
    """n moves four times a second: tags, streams and answers from memory must not."""
    async with listening(reader) as events:
        await events.next()
        before, first = await reader.get(LIST), await receipt(reader)
        for shard in range(PARTITIONS):
            await reader.client.hset(ShardKeys(GENERATION.id, shard).meta, mapping={"n": 77, "n0": 3})
        after = await receipt_with(
            reader, rows=30, partitions=[{**part, "n": 77, "n0": 3} for part in first["partitions"]]
        )
        assert {**after, "partitions": 0} == {**first, "partitions": 0}
        again = await reader.get(LIST)
        assert (again.headers["etag"], again.body) == (before.headers["etag"], before.body)
        with pytest.raises(TimeoutError):
            await events.next(within_s=0.5)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (f"{RECEIPT}&render=html", "is part of the JSON; leave out render=html"),
        (f"{LIST}/stream?receipt=true", "there is no such parameter; known: limit, offset"),
        (f"{LIST}/feed.rss?receipt=true", "there is no such parameter; known: limit, offset"),
        ("/v1/demo?receipt=true", "there is no such parameter; known: none"),
        ("/v1/demo/article?id=/1&receipt=true", "there is no such parameter; known: id, places"),
        ("/v1/demo/popular/latest/24h?receipt=true", "latest is not counted, so there is nothing to recount"),
    ],
)
async def test_only_lists_in_json_have_receipts(reader: Reader, target: str, words: str) -> None:
    """Everything else is refused, and told what it has instead."""
    answer = await reader.get(target)
    assert answer.status == 400
    (fault,) = answer.json["faults"]
    assert (fault["parameter"], fault["detail"][: len(words)]) == ("receipt", words)


async def test_where_a_site_hides_its_counts_receipts_are_for_tokens(redis_url: str) -> None:
    """Those of every site: positions in the log tell how much is read on all of them. Nothing of it is kept."""
    sites = {
        "demo": Site("Ouvert", read_token="secret"),
        "discret": Site("Discret", show_counts=False, read_token="other"),
        "bare": Site("Sans jeton"),
    }
    async with running_reader(redis_url, sites) as reader:
        views = [*VIEWS, ("discret", "/a", "view", 7), ("bare", "/a", "view", 7)]
        await publish(reader.client, GENERATION, PARTITIONS, views, T)
        await until(lambda: ready(reader), "readiness")
        for site in sites:
            answer = await reader.get(f"/v1/{site}/popular/read/24h?receipt=true")
            assert (answer.status, answer.json["faults"][0]["parameter"]) == (400, "receipt")
            assert "hides its counts" in answer.json["detail"]
            wanted = (
                "this site needs a read token (RANKER_READ_TOKENS)" if site == "bare" else "send this site's read token"
            )
            assert wanted in answer.json["detail"]
        assert (await reader.get(RECEIPT, Authorization="Bearer other")).status == 401
        shown = await reader.get(RECEIPT, **BEARER)
        assert (shown.json["receipt"]["rows"], shown.headers["cache-control"]) == (30, "private, no-store")
        assert (await reader.get(RECEIPT)).status == 400
        hidden = "/v1/discret/popular/read/24h?receipt=true"
        assert (await receipt(reader, hidden, Authorization="Bearer other"))["rows"] == 1


async def test_a_token_is_not_needed_where_every_site_shows_its_counts(redis_url: str) -> None:
    """Also on a site that has one."""
    async with running_reader(redis_url, {"demo": Site("Ouvert", read_token="secret")}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        assert await receipt(reader) == await receipt(reader, **BEARER)


async def test_receipts_are_bounded_for_each_client(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like lists with filters: each costs some milliseconds."""
    monkeypatch.setattr(reader.web._clients, "_now_s", lambda: 0.0)
    answers = [
        (await reader.get(f"{RECEIPT}&limit={1 + n % 100}&offset={n // 100}")).status
        for n in range(LISTS_S * BURST_S + 1)
    ]
    assert (set(answers[:-1]), answers[-1]) == ({200}, 429)
    assert (await reader.get(LIST)).status == 200
