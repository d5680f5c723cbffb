"""A small newsroom written by hand: what Redis holds behind every example in schemas/openapi.yaml, at T."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import orjson

from ranker.core import delta
from ranker.core.best_of import Key, Row
from ranker.core.generation import ListName
from ranker.core.home import home
from ranker.core.times import HOUR_MS
from ranker.settings import Site
from ranker.store.history import write_ranks
from ranker.store.keys import ShardKeys
from ranker.store.topic_copy import Change, TopicCopy
from tests.support import best_of_documents
from tests.support.defaults import PRESS
from tests.support.reader import LIST, PARTITIONS, Reader, T, running_reader, until
from tests.support.shard_writer import publish

TOKEN = "discret-0123456789abcdef"
SITES = {
    "demo": Site("Le Courrier", calendar=best_of_documents.calendar("read")),
    "discret": Site("Le Discret", show_counts=False, cors=("https://www.discret.example",), read_token=TOKEN),
}

# id, title, format, section, age in hours, views, comments, shares; then what was counted days ago, and never
_ARTICLES = (
    ("/ecluses", "Une nuit avec les éclusiers du canal", "enquête", "Société", 5, 320, 12, 9),
    ("/facture-d-eau", "Pourquoi la facture d’eau va doubler d’ici à 2030", "décryptage", "Économie", 9, 280, 41, 17),
    ("/cinema", "Dans les coulisses du dernier cinéma de quartier", "reportage", "Culture", 26, 150, 3, 6),
    ("/corsaires", "Football\u00a0: l’improbable remontée des Corsaires", "récit", "Sport", 3, 90, 7, 2),
    ("/marais", "Les marais salants, laboratoire du climat", "enquête", "Environnement", 50, 60, 2, 4),
)
_LAST_WEEK = ("/soupes", "Cinq soupes pour ne plus craindre novembre", "pépites", "Culture", 100, 45)
_UNREAD = ("/amendes", "Bibliothèques\u00a0: la fin des amendes", "décryptage", "Culture", 1)
_WEEK = Key("demo", "week", date(2026, 11, 14), "read")
_LISTED = (
    ("/soupes", "Cinq soupes pour ne plus craindre novembre", "Culture", "pépites", "2026-11-18T21:17:04.735Z", 812),
    ("/tempete", "Avis de tempête sur l’estuaire", "Environnement", "récit", "2026-11-13T06:00:00.000Z", 640),
    (
        "/marais",
        "Les marais salants, laboratoire du climat",
        "Environnement",
        "enquête",
        "2026-11-20T23:17:04.735Z",
        95,
    ),
)
"""The best of the week before: /tempete was taken down since."""
VIEWS = [
    ("demo", row[0], outcome, count)
    for row in _ARTICLES
    for outcome, count in zip(("view", "comment", "share"), row[5:], strict=True)
] + [("demo", "/ecluses", "!repeat", 58), ("demo", "/ecluses", "!bot", 21), ("demo", "/marais", "!internal", 3)]


def record(site: str, article_id: str, **fields: Any) -> dict[str, Any]:
    """A record of the articles topic."""
    address = f"https://www.{site}.example{article_id}"
    return {"site_id": site, "article_id": article_id, "status": "published", "url": address, **fields}


def articles() -> list[dict[str, Any]]:
    """The records of demo's articles."""
    rows = [*(row[:5] for row in _ARTICLES), _LAST_WEEK[:5], _UNREAD]
    return [
        record("demo", article_id, title=title, format=kind, section=section, published_at=T - age * HOUR_MS)
        for article_id, title, kind, section, age in rows
    ]


async def write_articles(client: Any, records: Iterable[Mapping[str, Any]]) -> None:
    """Adds records to the catalogue, as the consumer would."""
    shard = TopicCopy(client, 0)
    state = await shard.load()
    if state is None:
        await shard.begin("ab" * 8, 1)
        state = await shard.load()
    assert state is not None
    n = state.n
    changes = [
        Change(f"{one['site_id']}/{one['article_id']}".encode(), orjson.dumps(one), n + place)
        for place, one in enumerate(records)
    ]
    assert await shard.advance(state, n + len(changes), f"{n}:5:7", changes)


async def count_last_week(client: Any, site: str, counts: Mapping[str, int]) -> None:
    """Views that have left the window 24h and stand in 7d."""
    for article_id, count in counts.items():
        keys = ShardKeys(PRESS.id, home(f"{site}/{article_id}".encode(), PARTITIONS))
        await client.zincrby(keys.total("7d", site, "read"), count, article_id)
        await client.hincrby(keys.sums, f"{site}:7d:view", count)


async def count_by_hour(client: Any, site: str, article_id: str, counts: Iterable[Mapping[str, int]]) -> None:
    """The slices of an article, with counts by outcome for each hour, the present one last; totals have them already."""
    keys = ShardKeys(PRESS.id, home(f"{site}/{article_id}".encode(), PARTITIONS))
    for ago, by_outcome in enumerate(reversed(list(counts))):
        minute = (T - ago * HOUR_MS) // 60_000
        await client.rpush(
            keys.slice(0, minute),
            delta.pack({site: {outcome: {article_id: count} for outcome, count in by_outcome.items()}}),
        )
        await client.sadd(keys.slices, f"0:{minute}")


async def fill(client: Any) -> None:
    """Counts, articles and rank history of both sites."""
    secret = record("discret", "/secret", title="Ce que personne ne compte", published_at=T - HOUR_MS)
    removed = record("demo", _LISTED[1][0], status="removed")
    await write_articles(client, [*articles(), secret, removed])
    await best_of_documents.store(client, _documents())
    await publish(client, PRESS, PARTITIONS, [*VIEWS, ("discret", "/secret", "view", 77)], T)
    hours = [{"view": views} for views in (64, 91, 80, 45, 28, 12)]
    hours[-1] |= {"!repeat": 5, "!bot": 2}
    hours[-2] |= {"!repeat": 53, "!bot": 19}
    await count_by_hour(client, "demo", "/ecluses", hours)
    await count_last_week(client, "demo", {_LAST_WEEK[0]: _LAST_WEEK[5]})
    hour = T // HOUR_MS
    read = ListName("demo", "read", "24h")
    ranks = {
        hour - 2: ["/facture-d-eau", "/cinema", "/marais"],
        hour - 1: ["/facture-d-eau", "/ecluses", "/cinema", "/marais"],
        hour: ["/ecluses", "/facture-d-eau", "/cinema", "/marais"],
    }
    for at, ids in ranks.items():
        await write_ranks(client, PRESS.id, at, {read: ids})


def _documents() -> dict[Key, bytes]:
    """Two weeks, the second one with what moved in it."""
    rows = [
        Row(article, count, title, f"https://www.demo.example{article}", section, kind, published)
        for article, title, section, kind, published, count in _LISTED
    ]
    before = _WEEK._replace(first=_WEEK.first - timedelta(days=7))
    listed = ("/tempete", "/amendes")
    return {
        before: best_of_documents.made(before, [Row(one, 500 - place) for place, one in enumerate(listed)]),
        _WEEK: best_of_documents.made(_WEEK, rows, earlier={before.first: listed}),
    }


@asynccontextmanager
async def newsroom(redis_url: str) -> AsyncIterator[Reader]:
    """A reader that has read all of it."""
    async with running_reader(redis_url, SITES) as reader:
        await fill(reader.client)

        async def level() -> bool:
            answer = await reader.get(LIST)
            titled = answer.status == 200 and answer.json["history"]["since"] and answer.json["items"][0]["title"]
            return bool(titled) and await best_of_documents.has(reader, "demo", _WEEK.first)

        await until(level, "list with titles and history")
        yield reader
