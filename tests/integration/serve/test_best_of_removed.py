"""What was taken down after a document was made, and counts that are not shown: in every form, and in each revision."""

import re
from typing import Any

from ranker.core import best_of
from ranker.core.best_of import Key, Row
from ranker.settings import Site
from ranker.store.topic_copy import Change, TopicCopy
from tests.support.best_of_documents import ROWS, SATURDAY, archived, calendar, hide, made, revised, two_weeks
from tests.support.example_site import record, write_articles
from tests.support.reader import Reader, until

SECRET = ROWS[2]
"""Its title, address and id share the word "corsaires"."""
WEEK = "/v1/demo/best-of/week/2026-11-21"
EVERYWHERE = (
    WEEK,
    f"{WEEK}?limit=3",
    f"{WEEK}?render=html",
    f"{WEEK}.html",
    f"{WEEK}.mail.html",
    f"{WEEK}.txt",
    "/v1/demo/best-of/feed.rss",
    "/v1/demo/best-of/feed.json",
)
KEY = Key("demo", "week", SATURDAY, "read")
TOKEN = "discret-0123456789abcdef"
BEARER = f"Bearer {TOKEN}"


async def removed(reader: Reader, address: str = WEEK) -> Any:
    """The items, once one of them is removed."""

    async def there() -> Any:
        items = (await reader.get(address)).json["items"]
        return items if any(item.get("removed") for item in items) else None

    return await until(there, "removed item")


async def test_a_takedown_blanks_every_form(redis_url: str) -> None:
    """Title, address and id are nowhere, place, count and movement stay; nothing else changes."""
    async with archived(redis_url) as reader:
        before = {address: await reader.get(address) for address in EVERYWHERE}
        assert all(b"orsaires" in answer.body for answer in before.values())
        await hide(reader.client, SECRET.article_id)
        items = await removed(reader)
        blank = dict.fromkeys(("article_id", "title", "url", "section", "format", "published_at"))
        old = before[WEEK].json["items"]
        assert items == [*old[:2], {**old[2], **blank, "removed": True}, *old[3:]]
        for address in EVERYWHERE:
            answer = await reader.get(address)
            assert answer.status == 200
            assert b"orsaires" not in answer.body, address
            assert answer.headers["etag"] != before[address].headers["etag"]
            if not address.startswith(f"{WEEK}?limit") and address != WEEK:
                assert "Article retiré" in answer.body.decode(), address
                assert "9\u202f120\u00a0lectures" in answer.body.decode().replace("&nbsp;", "\u00a0"), address
        page = (await reader.get(f"{WEEK}.html")).body.decode()
        assert len(re.findall('"@type":"ListItem"', page)) == 4


async def test_a_takedown_blanks_every_revision(redis_url: str) -> None:
    """Those before, and what a revision tells of its changes."""
    first = made(KEY)
    swapped = [ROWS[0], SECRET, ROWS[1], *ROWS[3:]]
    second = revised(KEY._replace(revision=2), first, swapped, "Échangées.")
    async with archived(redis_url, {KEY: first, KEY._replace(revision=2): second}) as reader:
        await hide(reader.client, SECRET.article_id)
        await removed(reader)
        for query in ("", "?revision=1"):
            for form in ("", ".html", ".mail.html", ".txt"):
                assert b"orsaires" not in (await reader.get(f"{WEEK}{form}{query}")).body
        change = next(one for one in (await reader.get(WEEK)).json["changed"] if one.get("removed"))
        assert change == {
            "article_id": None,
            "fields": ["peak", "rank"],
            "before": {"rank": 3, "count": 9120, "title": None},
            "after": {"rank": 2, "count": 9120, "title": None},
            "removed": True,
        }


async def test_what_a_feed_removes(redis_url: str) -> None:
    """A record with status removed is a takedown as well."""
    async with archived(redis_url) as reader:
        await write_articles(reader.client, [record("demo", SECRET.article_id, status="removed")])
        assert [item["rank"] for item in await removed(reader) if item.get("removed")] == [3]


async def test_other_spellings_and_addresses_that_moved(redis_url: str) -> None:
    """The list has a spelling; what is hidden is the name, or the address that the article has now."""
    rows = [
        Row(
            "https://demo.example/sport/corsaires/?utm_source=x",
            30,
            "Corsaires",
            "https://demo.example/sport/corsaires",
        ),
        Row("/ancienne-adresse", 20, "Ancienne", "https://demo.example/ancienne-adresse"),
        Row("/autre", 10, "Autre", "https://demo.example/autre"),
    ]
    async with archived(redis_url, {KEY: made(KEY, rows)}) as reader:
        copy = TopicCopy(reader.client, 0)
        await hide(reader.client, SECRET.article_id, "/nouvelle")
        state = await copy.load()
        assert state is not None
        moved = b'{"site_id":"demo","article_id":"/ancienne-adresse","alias_of":"/nouvelle"}'
        change = Change(b"demo//ancienne-adresse #alias", moved, state.n)
        assert await copy.advance(state, state.n + 1, f"{state.n}:5:7", [change])

        async def both() -> bool:
            items = (await reader.get(WEEK)).json["items"]
            return [bool(item.get("removed")) for item in items] == [True, True, False]

        await until(both, "two removed items")


async def test_shown_again(redis_url: str) -> None:
    """The document has it still: a takedown that is taken back brings it back, byte by byte."""
    async with archived(redis_url) as reader:
        before = (await reader.get(WEEK)).body
        await hide(reader.client, SECRET.article_id)
        await removed(reader)
        copy = TopicCopy(reader.client, 0)
        state = await copy.load()
        assert state is not None
        shown = b'{"site_id":"demo","article_id":"%s","hidden":false}' % SECRET.article_id.encode()
        change = Change(f"demo/{SECRET.article_id} #editor".encode(), shown, state.n)
        assert await copy.advance(state, state.n + 1, f"{state.n}:5:7", [change])

        async def back() -> bool:
            return (await reader.get(WEEK)).body == before

        await until(back, "article")


def numbers(value: Any, names: tuple[str, ...]) -> set[str]:
    """The fields of these names that tell something."""
    if isinstance(value, list):
        return set().union(*(numbers(one, names) for one in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    told = {name for name in names if value.get(name) is not None}
    return told.union(*(numbers(one, names) for one in value.values())) if value else told


COUNTED = ("count", "share", "total", "dropped", "late", "sha256", "partitions")


async def test_counts_that_are_not_shown(redis_url: str) -> None:
    """In no form, nor a hash that could be tried out; the site's token shows them, and nobody keeps that answer."""
    first = made(KEY)
    second = revised(KEY._replace(revision=2), first, [ROWS[1], ROWS[0]], "Autres.")
    site = Site("Le Discret", show_counts=False, read_token=TOKEN, calendar=calendar("read"))
    async with archived(redis_url, {KEY: first, KEY._replace(revision=2): second}, {"demo": site}) as reader:
        for _ in range(2):
            hidden_counts = await reader.get(WEEK)
            assert numbers(hidden_counts.json, COUNTED) == set()
            assert len(hidden_counts.json["changed"]) == 5
            shown = await reader.get(WEEK, Authorization=BEARER)
            assert shown.headers["cache-control"] == "private, no-store"
            assert numbers(shown.json, COUNTED) == set(COUNTED)
            assert best_of.digest(shown.json) == shown.json["sha256"]
        for address in EVERYWHERE:
            text = (await reader.get(address)).body.decode().replace("&nbsp;", "\u00a0")
            assert not re.search(r"lecture|18.?004|20.?238", text), address
        assert "lectures" in (await reader.get(f"{WEEK}.html", Authorization=BEARER)).body.decode()
        assert (await reader.get(WEEK, Authorization="Bearer wrong")).status == 401


async def test_another_site_hides_its_counts(redis_url: str) -> None:
    """Positions in the log tell how much is read on all sites: without a token they are left out, and the hash."""
    sites = {
        "demo": Site("Le Courrier", read_token=TOKEN, calendar=calendar("read")),
        "discret": Site("Le Discret", show_counts=False),
    }
    async with archived(redis_url, two_weeks(), sites) as reader:
        content = (await reader.get(WEEK)).json
        assert (content["made_of"]["partitions"], content["sha256"]) == (None, None)
        assert (content["items"][0]["count"], content["total"] > 0) == (20_238, True)
        with_token = (await reader.get(WEEK, Authorization=BEARER)).json
        assert best_of.digest(with_token) == with_token["sha256"]
