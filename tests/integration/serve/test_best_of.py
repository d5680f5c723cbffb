"""Days and weeks over HTTP: addresses, the newest, what follows, caching, and requests that cannot be answered."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
import rfc8785

from ranker.core import best_of
from ranker.core.best_of import Key
from ranker.settings import Site
from ranker.store.keys import BEST_OF, CopyKeys
from tests.support.best_of_documents import (
    ROWS,
    SATURDAY,
    archived,
    calendar,
    made,
    revised,
    store,
    store_records,
    two_weeks,
)
from tests.support.defaults import LISTS_S
from tests.support.http import Answer
from tests.support.reader import running_reader, until

WEEK = "/v1/demo/best-of/week"
NEWEST = f"{WEEK}/2026-11-21"
FORMS = ("", ".html", ".mail.html", ".txt")


def faults(answer: Answer) -> list[tuple[str, str]]:
    return [(one["parameter"], one["detail"]) for one in answer.json["faults"]]


async def test_a_document_is_delivered_as_it_was_made(redis_url: str) -> None:
    """Field by field, and with a hash that anybody can make again of the answer."""
    documents = two_weeks()
    async with archived(redis_url, documents) as reader:
        answer = await reader.get(NEWEST)
        assert rfc8785.dumps(answer.json) == documents[Key("demo", "week", SATURDAY, "read")]
        assert best_of.digest(answer.json) == answer.json["sha256"]
        before = (await reader.get(f"{WEEK}/2026-11-14")).json
        assert (before["previous"], before["next"]) == (None, "2026-11-21")
        assert best_of.digest(before) == before["sha256"]
        assert [item["rank"] for item in (await reader.get(f"{NEWEST}?limit=2")).json["items"]] == [1, 2]


async def test_every_form_has_its_type_its_links_and_its_caching(redis_url: str) -> None:
    """Five minutes, not for ever; a tag that spares the next answer; the week before in a header."""
    types = ("application/json", "text/html; charset=utf-8", "text/html; charset=utf-8", "text/plain; charset=utf-8")
    async with archived(redis_url) as reader:
        for form, media_type in zip(FORMS, types, strict=True):
            answer = await reader.get(f"{NEWEST}{form}?board=read")
            assert (answer.status, answer.headers["content-type"]) == (200, media_type)
            assert answer.headers["cache-control"] == "public, max-age=300"
            assert answer.headers["link"] == f'<{WEEK}/2026-11-14{form}?board=read>; rel="prev"'
            assert answer.headers["access-control-allow-origin"] == "*"
            again = await reader.get(f"{NEWEST}{form}?board=read", If_None_Match=answer.headers["etag"])
            assert (again.status, again.body, again.headers["link"]) == (304, b"", answer.headers["link"])
            whole = await reader.get(f"{NEWEST}{form}?board=read", "HEAD")
            assert (whole.status, whole.headers["etag"], whole.body) == (200, answer.headers["etag"], b"")
        assert 'rel="next"' in (await reader.get(f"{WEEK}/2026-11-14.html")).headers["link"]


async def test_latest_leads_to_the_newest(redis_url: str) -> None:
    """With the ending and the parameters of the request; the answer is not kept, so the next week is found at once."""
    async with archived(redis_url) as reader:
        for form in FORMS:
            answer = await reader.get(f"{WEEK}/latest{form}?lang=en" if form else f"{WEEK}/latest?limit=3")
            assert (answer.status, answer.headers["cache-control"]) == (302, "no-cache")
            query = "?lang=en" if form else "?limit=3"
            assert answer.headers["location"] == f"{NEWEST}{form}{query}"
            assert answer.headers["access-control-allow-origin"] == "*"
        key = Key("demo", "week", SATURDAY + timedelta(days=7), "read")
        await store(reader.client, {key: made(key)})

        async def is_newest() -> bool:
            return (await reader.get(f"{WEEK}/latest")).headers["location"] == f"{WEEK}/2026-11-28"

        await until(is_newest, "newer week")
        assert (await reader.get(NEWEST)).json["next"] == "2026-11-28"


async def test_an_include_of_the_newest(redis_url: str) -> None:
    """What includes a fragment follows no redirect: `latest` is answered with the newest one."""
    async with archived(redis_url) as reader:
        newest = await reader.get(f"{WEEK}/latest?render=html&limit=2")
        dated = await reader.get(f"{NEWEST}?render=html&limit=2")
        assert (newest.status, newest.headers["cache-control"]) == (200, "public, max-age=300")
        assert newest.body == dated.body
        assert (await reader.get(f"{WEEK}/latest?render=json&limit=2")).status == 302


async def test_latest_tells_browsers_of_other_origins(redis_url: str) -> None:
    """A redirect is read by the browser too: only for origins that may."""
    origins = ("https://a.example", "https://b.example")
    site = Site("Le Courrier", cors=origins, calendar=calendar())
    async with archived(redis_url, sites={"demo": site}) as reader:
        answer = await reader.get(f"{WEEK}/latest", Origin=origins[1])
        assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (origins[1], "origin")
        answer = await reader.get(f"{WEEK}/latest", Origin="https://c.example")
        assert "access-control-allow-origin" not in answer.headers


async def test_a_revision_replaces_the_first_which_stays(redis_url: str) -> None:
    """The newest is the default; the first is at revision=1, and leads to the newest."""
    key = Key("demo", "week", SATURDAY, "read")
    first = made(key)
    second = revised(key._replace(revision=2), first, [ROWS[1], ROWS[0], *ROWS[2:]], "Deux lignes <échangées>.")
    async with archived(redis_url, {key: first, key._replace(revision=2): second}) as reader:
        newest = (await reader.get(NEWEST)).json
        assert (newest["revision"], newest["why"], len(newest["changed"])) == (2, "Deux lignes <échangées>.", 2)
        old = await reader.get(f"{NEWEST}?revision=1&limit=1")
        assert (old.json["revision"], old.json["items"][0]["article_id"]) == (1, ROWS[0].article_id)
        assert old.headers["link"] == f'<{NEWEST}?limit=1>; rel="latest-version"'
        page = (await reader.get(f"{NEWEST}.html")).body.decode()
        assert "Révision 2\u00a0: Deux lignes &lt;échangées&gt;." in page
        page = (await reader.get(f"{NEWEST}.html?revision=1")).body.decode()
        assert f'<a href="{NEWEST}.html?lang=fr">Voir la plus récente</a>' in page
        assert f"{NEWEST}.txt?lang=fr&amp;revision=1" in page
        missing = await reader.get(f"{NEWEST}?revision=3")
        assert faults(missing) == [("revision", "3 does not exist; the newest is 2")]


async def test_the_first_board_of_the_calendar_is_the_default(redis_url: str) -> None:
    """Of those that the period has; every other one by its name."""
    keys = [Key("demo", "week", SATURDAY, board) for board in ("commented", "read")]
    sites = {"demo": Site("Le Courrier", calendar=calendar("read", "commented"))}
    async with archived(redis_url, {key: made(key) for key in keys}, sites) as reader:
        order = reader.board.site("demo").calendar
        assert order is not None
        assert (await reader.get(NEWEST)).json["board"] == order.boards[0]
        assert (await reader.get(f"{NEWEST}?board=commented")).json["board"] == "commented"
        unknown = await reader.get(f"{NEWEST}?board=shared&x=1")
        assert unknown.status == 400
        assert [name for name, _ in faults(unknown)] == ["x"]
        unknown = await reader.get(f"{NEWEST}?board=shared")
        assert faults(unknown) == [("board", "'shared' has no document of this period; there are commented, read")]


async def test_the_archive(redis_url: str) -> None:
    """Newest first, the week before the day; by kind, by board, in parts; two feeds have the same periods."""
    documents = two_weeks()
    for board, days in (("read", 3), ("commented", 1)):
        for ago in range(days):
            key = Key("demo", "day", SATURDAY - timedelta(days=ago), board)
            documents[key] = made(key)
    async with archived(redis_url, documents) as reader:
        found = (await reader.get("/v1/demo/best-of")).json
        named = [(one["kind"], one["date"]) for one in found["items"]]
        assert named == [
            ("week", "2026-11-21"),
            ("day", "2026-11-21"),
            ("day", "2026-11-20"),
            ("day", "2026-11-19"),
            ("week", "2026-11-14"),
        ]
        assert found["items"][1]["boards"] == [{"board": "commented", "revision": 1}, {"board": "read", "revision": 1}]
        part = (await reader.get("/v1/demo/best-of?kind=day&limit=1&offset=1")).json
        assert (part["periods"], [one["date"] for one in part["items"]]) == (3, ["2026-11-20"])
        assert (await reader.get("/v1/demo/best-of?board=commented")).json["periods"] == 1
        page = (await reader.get("/v1/demo/best-of.html")).body.decode()
        assert re.findall(r'href="([^"]*/week/[^"]*)"', page) == [
            f"{NEWEST}.html?lang=fr",
            f"{WEEK}/2026-11-14.html?lang=fr",
        ]
        of_days = (await reader.get("/v1/demo/best-of.html?kind=day&lang=en")).body.decode()
        assert "Saturday 21 November" in of_days
        feed = (await reader.get("/v1/demo/best-of/feed.json?kind=week")).json
        assert [one["id"] for one in feed["items"]] == [
            f"demo/best-of/week/{day}/read" for day in ("2026-11-21", "2026-11-14")
        ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("week/2026-11-22", "2026-11-22 is in the week that begins on 2026-11-21"),
        ("week/2026-11-28", "the week of 2026-11-28 has no document; /v1/demo/best-of has those that there are"),
        ("day/latest", "no day has a document yet"),
        ("week/latest?board=shared", "no week has a document yet of board 'shared'"),
        ("week/2026-02-30", "'2026-02-30' is neither a date such as 2026-11-21 nor latest"),
        ("week/2026-11-21.pdf", "'2026-11-21.pdf' is neither a date such as 2026-11-21 nor latest"),
        ("week/9999-12-31", "'9999-12-31' is neither a date such as 2026-11-21 nor latest"),
        ("month/2026-11-01", "'month' is unknown; there are day, week"),
    ],
)
async def test_what_is_not_there_is_named(redis_url: str, address: str, expected: str) -> None:
    """With what there is instead."""
    async with archived(redis_url) as reader:
        answer = await reader.get(f"/v1/demo/best-of/{address}")
        assert (answer.status, [detail for _, detail in faults(answer)]) == (404, [expected])


async def test_a_site_without_documents(redis_url: str) -> None:
    """It is told which setting makes them; one with a calendar has an archive that is empty."""
    sites = {
        "demo": Site("Le Courrier", calendar=calendar()),
        "quiet": Site("Calme"),
        "new": Site("Neuf", calendar=calendar(kinds=["week"])),
    }
    async with archived(redis_url, sites=sites) as reader:
        for address in ("best-of", "best-of.html", "best-of/feed.rss", "best-of/week/latest.html"):
            answer = await reader.get(f"/v1/quiet/{address}")
            assert (answer.status, "[sites.quiet.calendar]" in answer.json["detail"]) == (404, True), address
        assert (await reader.get("/v1/new/best-of")).json == {"site": "new", "periods": 0, "items": []}
        assert "Aucune période" in (await reader.get("/v1/new/best-of.html")).body.decode()
        assert (await reader.get("/v1/new/best-of/feed.rss")).status == 200
        assert (await reader.get("/v1/new/best-of/feed.json")).json["items"] == []
        day = await reader.get("/v1/new/best-of/day/2026-11-21")
        assert faults(day) == [("date", "this site makes no document of a day; its calendar has week")]
        unknown = await reader.get("/v1/nobody/best-of")
        assert (unknown.status, faults(unknown)[0][0]) == (404, "site")


async def test_without_a_calendar_nobody_reads_the_archive(redis_url: str) -> None:
    """Nothing is read for what no site uses."""
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        assert reader.board.archive is None
        answer = await reader.get("/v1/demo/best-of")
        assert (answer.status, "[sites.demo.calendar]" in answer.json["detail"]) == (404, True)


async def test_every_fault_at_once(redis_url: str) -> None:
    """Of address and query; unknown parameters too, and those that another form has."""
    async with archived(redis_url) as reader:
        answer = await reader.get("/v1/demo/best-of/year/x?revision=0&limit=201&lang=de&board=A&y=1")
        assert [name for name, _ in faults(answer)] == ["kind", "date", "y", "board", "limit", "revision", "lang"]
        assert answer.status == 400
        for address in (f"{NEWEST}.html?limit=5", f"{NEWEST}.txt?render=html", "/v1/demo/best-of/feed.rss?limit=5"):
            assert (await reader.get(address)).status == 400, address


async def test_a_client_pays_for_documents(redis_url: str) -> None:
    """Each is made for it; what was made for another since the last refresh is free, and so is the archive."""
    async with archived(redis_url) as reader:
        statuses = [(await reader.get(f"{NEWEST}?limit={1 + n % 200}")).status for n in range(LISTS_S * 5 + 30)]
        assert statuses[0] == 200
        assert 429 in statuses
        assert (await reader.get("/v1/demo/best-of")).status == 200
        assert (await reader.get(f"{WEEK}/latest")).status == 302


async def test_foreign_records_do_not_hide_documents(redis_url: str) -> None:
    """Keys that are no document's are left out; the others are there."""
    async with archived(redis_url) as reader:
        await store_records(
            reader.client, [(b"what/is/this", b"?"), (b"demo/week/2026-02-30/read/1", b"?"), (b"\xff", b"?")]
        )
        key = Key("demo", "week", date(2026, 11, 28), "read")
        await store(reader.client, {key: made(key)})

        async def there() -> Any:
            return (await reader.get("/v1/demo/best-of")).json["periods"] == 3

        await until(there, "third week")
        assert reader.board.fault == ""


async def test_a_document_is_read_once(redis_url: str) -> None:
    """It never changes: it is served from memory, also when Redis has lost it."""
    async with archived(redis_url) as reader:
        assert (await reader.get(NEWEST)).status == 200
        await reader.client.delete(CopyKeys(0, BEST_OF).values)
        for limit in (1, 2, 3):
            assert (await reader.get(f"{NEWEST}?limit={limit}")).status == 200
        lost = await reader.get(f"{WEEK}/2026-11-14")
        assert (lost.status, lost.headers["retry-after"]) == (503, "1")
        assert "is being copied anew" in lost.json["detail"]
