"""Documents of days and weeks as `ranker freeze` makes them, and a way to put them into Redis without the topic."""

import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import orjson

from ranker import calendars
from ranker.core import best_of
from ranker.core.best_of import Counted, Earlier, Key, Offsets, Row, Source
from ranker.core.periods import Calendar
from ranker.settings import DEFAULT_GENERATION, Site
from ranker.store.keys import BEST_OF
from ranker.store.topic_copy import Change, TopicCopy
from tests.support.reader import GENERATION, PARTITIONS, VIEWS, Reader, T, running_reader, until
from tests.support.shard_writer import publish

BOARDS = tuple(DEFAULT_GENERATION.boards)
SATURDAY = date(2026, 11, 21)
ROWS = (
    Row(
        "/societe/ecluses-canal",
        20_238,
        "Une nuit avec les éclusiers du canal",
        "https://demo.example/societe/ecluses-canal",
        "Société",
        "enquête",
        "2026-11-20T05:30:00.000Z",
    ),
    Row(
        "/environnement/maree",
        18_004,
        "À Port-Aulne, la marée ne rend plus ce qu’elle prend",
        "https://demo.example/environnement/maree",
        "Environnement",
        "décryptage",
        "2026-11-22T06:00:00.000Z",
    ),
    Row(
        "/sport/corsaires",
        9_120,
        "Football\u00a0: l’improbable remontée des Corsaires",
        "https://demo.example/sport/corsaires",
        "Sport",
        "light",
        "2026-11-24T21:10:00.000Z",
    ),
    Row(
        "/culture/cinema",
        7_400,
        "Dans les coulisses du dernier cinéma de quartier",
        "https://demo.example/culture/cinema",
        "Culture",
        "rendez-vous",
        "2026-11-10T09:00:00.000Z",
    ),
    Row("/sans-titre", 5_100),
)
BEFORE = ("/environnement/maree", "/a", "/sans-titre", "/societe/ecluses-canal")
"""What the week before listed, best first; the cinema was listed two weeks before."""


def calendar(*boards: str, places: int = 100, kinds: Sequence[str] = ("day", "week")) -> Calendar:
    """Of Paris, with weeks from Saturday on."""
    table = {
        "zone": "Europe/Paris",
        "week_starts": "saturday",
        "kinds": list(kinds),
        "close_after_s": 6 * 3600,
        "places": places,
        "boards": list(boards),
    }
    return calendars.calendar(table, BOARDS)


def made(
    key: Key,
    rows: Sequence[Row] = ROWS,
    *,
    earlier: Mapping[date, Sequence[str]] | None = None,
    revision: Mapping[str, Any] | None = None,
    places: int = 100,
    lost: int = 0,
) -> bytes:
    """The document of a key; `earlier` are the articles of those before, by first day."""
    of = calendar(places=places)
    period = of.period(key.kind, key.first)
    assert period.first == key.first
    closed_at = f"{key.first + timedelta(days=7 if key.kind == 'week' else 1)}T05:00:00.000Z"
    source = Source(
        "page-views", "56df024b309b", ["bots@1"], [Offsets(0, 81_220, 190_233, 190_240)], 412, closed_at, lost
    )
    counted = Counted(sum(row.count for row in rows) * 15, 17, {"bot": 40_210}, rows)
    return best_of.document(
        key, of, period, source, counted, Earlier(earlier or {}, dict.fromkeys(earlier or {}, 1)), revision
    )


def revised(key: Key, old: bytes, rows: Sequence[Row], why: str) -> bytes:
    """The next revision of a document, with the reason."""
    changed = best_of.changes(orjson.loads(old)["items"], orjson.loads(made(key, rows))["items"])
    correction = {"replaces": key.revision - 1, "why": why, "changed": changed}
    return made(key, rows, revision=correction)


def two_weeks(site: str = "demo", board: str = "read") -> dict[Key, bytes]:
    """The week from 21 November 2026 with every movement, and the week before."""
    before = SATURDAY - timedelta(days=7)
    listed = [Row(article, 1000 - place) for place, article in enumerate(BEFORE)]
    first = {before - timedelta(days=7): ["/culture/cinema"]}
    keys = Key(site, "week", SATURDAY, board), Key(site, "week", before, board)
    return {keys[0]: made(keys[0], earlier={**first, before: BEFORE}), keys[1]: made(keys[1], listed)}


async def store(client: Any, documents: Mapping[Key, bytes]) -> None:
    """Puts documents where the consumer copies the topic to."""
    await store_records(client, ((str(key).encode(), zlib.compress(text)) for key, text in documents.items()))


async def store_records(client: Any, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Any records: keys and values as they are stored."""
    copy = TopicCopy(client, 0, BEST_OF)
    state = await copy.load()
    if state is None:
        await copy.begin("cd" * 8, 1)
        state = await copy.load()
    assert state is not None
    changes = [Change(key, value, state.n + place) for place, (key, value) in enumerate(records)]
    assert await copy.advance(state, state.n + len(changes), f"{state.n}:5:7", changes)
    await copy.note_level(state)
    await level_catalogue(client)


async def level_catalogue(client: Any) -> None:
    """The catalogue has all that its topic has, be that nothing."""
    copy = TopicCopy(client, 0)
    await copy.begin("ab" * 8, 1)
    state = await copy.load()
    assert state is not None
    await copy.note_level(state)


async def hide(client: Any, *articles: str) -> None:
    """The editor's records that hide these ids, as the consumer copies them."""
    copy = TopicCopy(client, 0)
    state = await copy.load()
    if state is None:
        await copy.begin("ab" * 8, 1)
        state = await copy.load()
    assert state is not None
    changes = []
    for place, article in enumerate(articles):
        value = b'{"site_id":"demo","article_id":"%s","hidden":true}' % article.encode()
        changes.append(Change(f"demo/{article} #editor".encode(), value, state.n + place))
    assert await copy.advance(state, state.n + len(changes), f"{state.n}:5:7", changes)


async def has(reader: Reader, site: str, first: date) -> bool:
    """Whether a reader shows a document of this week."""
    archive = reader.board.archive
    return archive is not None and reader.board.takedowns_known and archive.entry(site, "week", first) is not None


@asynccontextmanager
async def archived(
    redis_url: str, documents: Mapping[Key, bytes] | None = None, sites: Mapping[str, Site] | None = None, **how: Any
) -> AsyncIterator[Reader]:
    """A reader that shows two weeks of site demo, or these documents (a week of demo among them)."""
    documents = two_weeks() if documents is None else documents
    sites = sites or {"demo": Site("Le Courrier", calendar=calendar("read"))}
    async with running_reader(redis_url, sites, **how) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await store(reader.client, documents)
        await until(
            lambda: has(reader, *next((key.site, key.first) for key in documents if key.kind == "week")), "week"
        )
        yield reader
