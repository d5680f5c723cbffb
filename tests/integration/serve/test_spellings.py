"""One article under several spellings in what an older version left in Redis, and in what is requested."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from ranker.core.generation import ListName
from ranker.lists import names
from ranker.settings import Site
from ranker.store import history
from ranker.store.topic_copy import Change, TopicCopy
from schemas.article_id import IdRule, normalized
from tests.support.articles_topic import article
from tests.support.counted_articles import placed
from tests.support.reader import GENERATION, LIST, PARTITIONS, Reader, T, running_reader, until
from tests.support.shard_writer import publish
from tests.unit.test_article_id import SAME

FORM, SPELLINGS = next(iter(SAME.items()))
LOWER, UPPER = "/soci%c3%a9t%c3%a9/x", "/soci%C3%A9t%C3%A9/x"
NAME = "/société/x"
HOUR_MS = 3_600_000


def edited(kind: str, article_id: str, **fields: Any) -> tuple[bytes, bytes]:
    """The editor's record under the key that version 0.1 gave it."""
    record = orjson.dumps({"site_id": "demo", "article_id": article_id, **fields})
    return f"demo/{article_id}#{kind}".encode(), record


def fed(article_id: str, **fields: Any) -> tuple[bytes, bytes]:
    return f"demo/{article_id}".encode(), article(article_id, **fields)


async def catalogue(client: Any, *records: tuple[bytes, bytes]) -> None:
    """As the consumer of version 0.1 has copied it."""
    shard = TopicCopy(client, 0)
    await shard.begin("aa" * 8, 1)
    state = await shard.load()
    assert state is not None
    changes = [Change(key, value, offset) for offset, (key, value) in enumerate(records)]
    assert await shard.advance(state, len(changes), "x", changes)


@pytest.fixture
async def reader(redis_url: str) -> AsyncIterator[Reader]:
    async with running_reader(redis_url, {"demo": "Demo", "paper": Site("Paper", ids=IdRule("query:p"))}) as running:
        yield running


async def counted(reader: Reader, *views: tuple[str, int], site: str = "demo") -> None:
    await publish(reader.client, GENERATION, PARTITIONS, [(site, one, "view", n) for one, n in views], T)

    async def ready() -> bool:
        return reader.board.not_ready() == []

    await until(ready, "readiness")


async def known(reader: Reader, name: str) -> None:
    async def is_known() -> bool:
        return name in reader.board.articles.of("demo")

    await until(is_known, f"article {name}")


async def rows(reader: Reader, query: str = "") -> list[tuple[str, int]]:
    return reader.items(await reader.ranking(LIST + query))


async def test_what_was_hidden_stays_hidden_over_the_upgrade(reader: Reader) -> None:
    """Counted and imported under other spellings than it was hidden under: nothing of it in list, feed, block, page."""
    await catalogue(
        reader.client, fed(UPPER, title="Secret"), fed("/b", title="Finale"), edited("editor", LOWER, hidden=True)
    )
    await counted(reader, (LOWER, 2), (UPPER, 2), (NAME, 3), ("/soci%C3%A9t%C3%A9/x/", 1), ("/b", 1))
    await known(reader, NAME)
    assert await rows(reader) == [("/b", 1)]
    assert await rows(reader, "?fallback=true&section=-none") == [("/b", 1)]
    latest = await reader.ranking("/v1/demo/popular/latest/7d")
    assert [item["article_id"] for item in latest["items"]] == ["/b"]
    for target in (LIST + "/feed.rss", LIST + "?render=html", "/?site=demo", "/v1/demo/popular/read/24h?fallback=true"):
        answer = await reader.get(target)
        assert (answer.status, b"Finale" in answer.body, b"Secret" in answer.body) == (200, True, False), target
        assert "soci" not in answer.body.decode(), target
    site = (await reader.get("/v1/demo")).json
    assert site["articles"] == 1


async def test_the_last_word_shows_it_again_whatever_its_spelling(reader: Reader) -> None:
    """The order of the topic decides."""
    shown = edited("editor", NAME, hidden=False)
    await catalogue(reader.client, fed(UPPER, title="Back"), edited("editor", LOWER, hidden=True), shown)
    await counted(reader, (UPPER, 2), (NAME, 3))
    await known(reader, NAME)
    items = (await reader.ranking())["items"]
    assert [(item["article_id"], item["title"]) for item in items] == [(NAME, "Back"), (UPPER, "Back")]


async def test_counts_of_a_moved_articles_spellings_stay_together(reader: Reader) -> None:
    """As before the upgrade, and with what is counted from then on."""
    await catalogue(reader.client, edited("alias", UPPER, alias_of="/soci%C3%A9t%C3%A9/y"))
    await counted(reader, (UPPER, 1), (NAME, 2), ("/soci%C3%A9t%C3%A9/y", 4), ("/société/y", 8))

    async def together() -> bool:
        return await rows(reader) == [("/société/y", 15)]

    await until(together, "one row")
    answer = (await reader.get(f"/v1/demo/article?id={quote(UPPER)}")).json
    assert (answer["article_id"], answer["alias_of"], placed(answer)["count"]) == (NAME, "/société/y", 15)


async def test_a_row_of_another_spelling_is_known_by_name(reader: Reader) -> None:
    """Its title, its section, its previous rank; a filter finds it, `exclude` leaves it out, nothing shows it twice."""
    await catalogue(reader.client, fed(NAME, title="Titre", section="Culture"), fed("/b", section="Sport"))
    hour = T // HOUR_MS
    for at in (hour - 1, hour):
        await history.write_ranks(reader.client, GENERATION.id, at, {ListName("demo", "read", "24h"): ["/b", LOWER]})
    await counted(reader, (UPPER, 5), ("/b", 3))
    await known(reader, NAME)

    async def with_history() -> Any:
        items = (await reader.ranking())["items"]
        return items if items[0]["best_rank"] else None

    first = (await until(with_history, "history"))[0]
    assert (first["article_id"], first["title"], first["section"]) == (UPPER, "Titre", "Culture")
    assert (first["previous_rank"], first["best_rank"], first["trend"]) == (2, 1, "up")
    assert await rows(reader, "?section=Culture") == [(UPPER, 5)]
    assert await rows(reader, "?section=-Culture") == [("/b", 3)]
    for spelling in (NAME, UPPER, LOWER, f"https://www.example.org{UPPER}/?utm_source=x"):
        assert await rows(reader, f"?exclude={quote(spelling, safe='')}") == [("/b", 3)], spelling
    filled = await reader.ranking(LIST + "?fallback=true")
    assert [item["article_id"] for item in filled["items"]] == [UPPER, "/b"]


async def test_a_refresh_makes_no_names_of_rows_that_were_there(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the way of every answer, twice a second for every list."""
    await counted(reader, (UPPER, 5), ("/b/", 3))
    assert await rows(reader) == [(UPPER, 5), ("/b/", 3)]
    name = ListName("demo", "read", "24h")
    before = reader.board.published(name)
    made: list[str] = []

    def counted_names(article_id: str, rule: IdRule) -> str:
        made.append(article_id)
        return normalized(article_id, rule)

    monkeypatch.setattr(names, "normalized", counted_names)

    async def again() -> bool:
        assert await rows(reader) == [(UPPER, 5), ("/b/", 3)]
        return reader.board.published(name) is not before

    await until(again, "another reading")
    assert await rows(reader) == [(UPPER, 5), ("/b/", 3)]
    assert made == []
    shown = reader.board.published(name)
    assert shown is not None
    assert shown.names == {UPPER: (NAME, NAME), "/b/": ("/b", "/b")}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_any_spelling_finds_the_article(reader: Reader, spelling: str) -> None:
    """In `id` and `exclude`, percent-encoded as a whole; the answer has the normal form."""
    await counted(reader, (FORM, 7), ("/sport/finale", 3))
    encoded = quote(spelling.strip(), safe="")
    assert await rows(reader, f"?exclude={encoded}") == [("/sport/finale", 3)]
    answer = await reader.get(f"/v1/demo/article?id={encoded}")
    assert answer.status == 200, answer
    assert (answer.json["article_id"], placed(answer.json)["count"]) == (FORM, 7)


@pytest.mark.parametrize(
    ("requested", "counts_under"),
    [
        ("/caf%E9", "/caf%E9"),  # Latin-1 bytes, encoded once
        ("%2Fcaf%25e9", "/caf%E9"),
        ("/caf%C3%A9", "/café"),
        ("/a%2520b", "/a%20b"),
        (
            "/de/zum-wesen-freier-software-zehn-jahre-%C3%BCberdauern-k%C3%B6nnte",
            "/de/zum-wesen-freier-software-zehn-jahre-überdauern-könnte",
        ),
        ("/why-a%255Bi%255D%255Bj%255D-is-%252A%2528a%252Bi%2529", "/why-a[i][j]-is-*(a+i)"),
        ("/some-page/", "/some-page"),
        ("/a%20b", "/a%20b"),
        ("/می%E2%80%8Cخواهم", "/می\u200cخواهم"),
        ("/a+b", "/a%20b"),  # a plus sign in a query is a space
        ("/a%2Bb", "/a+b"),
        ("/", "/"),
        ("https://www.example.org", "/"),
        ("guid%25-1", "guid%-1"),
    ],
)
async def test_what_a_query_can_hold(reader: Reader, requested: str, counts_under: str) -> None:
    """One level of encoding is the query's."""
    await counted(reader, (counts_under, 7))
    answer = await reader.get(f"/v1/demo/article?id={quote(requested, safe='/%:+')}")
    assert answer.status == 200, answer
    assert (answer.json["article_id"], placed(answer.json)["count"]) == (counts_under, 7)


async def test_a_sites_own_rule(reader: Reader) -> None:
    """The parameter is the id; what has none stands for its path."""
    await counted(reader, ("12", 5), ("/about", 2), ("/?p=12", 1), site="paper")
    for spelling in ("/?p=12", "https://paper.example/index.php?x=1&p=12#top", "12"):
        answer = await reader.get(f"/v1/paper/article?id={quote(spelling, safe='')}")
        assert (answer.json["article_id"], placed(answer.json)["count"]) == ("12", 5), spelling
    listed = await reader.ranking(f"/v1/paper/popular/read/24h?exclude={quote('/?p=12', safe='')}")
    assert reader.items(listed) == [("/about", 2)]


async def test_ids_that_are_addresses_of_a_foreign_topic_stay_what_they_are(reader: Reader) -> None:
    """Without `source.ids` lists have them as they are counted, and the answer on one of them has its counts."""
    address = "https://www.example.org/soci%C3%A9t%C3%A9/x?y=1"
    await catalogue(reader.client, fed(NAME, title="Titre"))
    await counted(reader, (address, 5), ("/b/", 3))
    await known(reader, NAME)
    assert await rows(reader) == [(address, 5), ("/b/", 3)]
    for article_id, title, number in ((address, "Titre", 5), ("/b/", None, 3)):
        answer = (await reader.get(f"/v1/demo/article?id={quote(article_id, safe='')}")).json
        assert (answer["article_id"], answer["title"]) == (article_id, title)
        assert (placed(answer)["count"], placed(answer)["rank"]) == (number, 1 if number == 5 else 2)


async def test_what_was_hidden_with_a_query_stays_hidden_without_it(reader: Reader) -> None:
    """New counts of the same address have its path; a neighbour that the editor has shown again does not show them."""
    words = [("/?p=12", True), ("/?p=13", True), ("/?p=13", False)]
    await catalogue(reader.client, fed("/"), *(edited("editor", one, hidden=hides) for one, hides in words))
    await counted(reader, ("/", 5), ("/?p=12", 4), ("/?p=13", 3), ("/b", 2))
    await known(reader, "/?p=12")
    assert await rows(reader) == [("/?p=13", 3), ("/b", 2)]
    assert (await reader.ranking("/v1/demo/popular/latest/7d"))["items"] == []


async def test_a_row_with_a_query_is_known_in_every_spelling(reader: Reader) -> None:
    """Its takedown, its title, `exclude` and `id`: as it is listed, and otherwise."""
    await catalogue(
        reader.client,
        fed("/%c3%a9?id=%31", title="Un"),
        fed("/%c3%a9?id=3", title="Trois"),
        edited("editor", "/é/?id=2", hidden=True),
    )
    await counted(reader, ("/%C3%A9?id=1", 5), ("/%C3%A9?id=2", 4), ("/b", 3))
    await known(reader, "/é?id=1")
    items = (await reader.ranking())["items"]
    assert [(item["article_id"], item["title"]) for item in items] == [("/%C3%A9?id=1", "Un"), ("/b", None)]
    for spelling in ("/%C3%A9?id=1", "/%c3%a9?id=1", "/é?id=1", "https://www.example.org/é/?id=%31", "/é"):
        left = [("/b", 3)] if "?" in spelling else [("/%C3%A9?id=1", 5), ("/b", 3)]
        assert await rows(reader, f"?exclude={quote(spelling, safe='')}") == left, spelling
    for spelling, title, number in (("/%C3%A9?id=1", "Un", 5), ("/%C3%A9?id=3", "Trois", 0)):
        answer = (await reader.get(f"/v1/demo/article?id={quote(spelling, safe='')}")).json
        assert (answer["title"], placed(answer)["count"]) == (title, number)


async def test_addresses_that_differ_in_their_query_are_not_taken_for_one(reader: Reader) -> None:
    """Titles and takedowns of before hold for one each; a takedown of their path, as commands write it now, for all."""
    one, two, three = (f"/article?id={number}" for number in range(3))
    records = [fed(one, title="Un"), fed(two, title="Deux"), edited("editor", two, hidden=True)]
    await catalogue(reader.client, *records)
    await counted(reader, (one, 5), (two, 4), (three, 3))
    await known(reader, one)

    async def listed(board: str = "read") -> list[tuple[str, str | None]]:
        items = (await reader.ranking(f"/v1/demo/popular/{board}/24h"))["items"]
        return [(item["article_id"], item["title"]) for item in items]

    assert await listed() == [(one, "Un"), (three, None)]
    assert await rows(reader, f"?exclude={quote(one, safe='')}") == [(three, 3)]
    answer = (await reader.get(f"/v1/demo/article?id={quote(one, safe='')}")).json
    assert (answer["article_id"], answer["title"], placed(answer)["count"]) == (one, "Un", 5)
    state = await TopicCopy(reader.client, 0).load()
    assert state is not None
    record = orjson.dumps({"site_id": "demo", "article_id": "/article", "hidden": True})
    change = Change(b"demo//article #editor", record, 3)
    assert await TopicCopy(reader.client, 0).advance(state, 4, "x", [change])

    async def hidden() -> bool:
        return await listed() == await listed("latest") == []

    await until(hidden, "empty lists")


@pytest.mark.parametrize("target", ["/v1/demo/article?id=", LIST + "?exclude="])
@pytest.mark.parametrize("given", ["/" + "é" * 256, "/" + "x" * 512, "https://x/" + "%20" * 200])
async def test_an_address_that_is_too_long_is_a_fault(reader: Reader, target: str, given: str) -> None:
    """Of the kind that other unfit ids are."""
    await counted(reader, ("/a", 1))
    answer = await reader.get(target + quote(given, safe="/"))
    assert (answer.status, [one["detail"][-16:] for one in answer.json["faults"]]) == (400, ["is no article id"])
