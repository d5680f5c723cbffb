"""Who is given a receipt, and of which lists there is none."""

from __future__ import annotations

import re

import orjson
import pytest

from ranker.settings import Site
from tests.integration.serve.test_spellings import catalogue, fed
from tests.support.example_site import TOKEN, newsroom
from tests.support.reader import GENERATION, LIST, PARTITIONS, VIEWS, T, ready, running_reader, until
from tests.support.shard_writer import publish

RECEIPT = f"{LIST}?receipt=true"
SECRET = "/v1/discret/popular/read/24h?receipt=true"


async def test_counts_that_are_hidden_anywhere(redis_url: str) -> None:
    """n shows how much is read on all sites of the topic: only for the token of the site itself, and kept for nobody."""
    async with newsroom(redis_url) as reader:
        for target, mend in ((SECRET, "send this site's read token"), (RECEIPT, "this site needs a read token")):
            answer = await reader.get(target, Authorization=f"Bearer {TOKEN}" if target == RECEIPT else "Basic ZTpm")
            assert (answer.status, answer.headers["cache-control"]) == (400, "no-store")
            assert [fault["parameter"] for fault in answer.json["faults"]] == ["receipt"]
            assert mend in answer.json["detail"]
            assert "receipt" not in answer.json
        for _ in range(2):
            answer = await reader.get(SECRET, Authorization=f"Bearer {TOKEN}")
            assert (answer.status, answer.json["receipt"]["rows"]) == (200, 1)
            assert answer.headers["cache-control"] == "private, no-store"
            assert (await reader.get(SECRET)).status == 400
        for wrong in ("nope", TOKEN[:-1], TOKEN + "x"):
            assert (await reader.get(SECRET, Authorization=f"Bearer {wrong}")).status == 401
        assert not any(b"receipt" in target for target in reader.web.app._entries)


async def test_counts_that_are_shown_everywhere(redis_url: str) -> None:
    """Receipts are public like the list, with a token or without; a wrong token is one."""
    sites = {"demo": Site("Demo", read_token=TOKEN), "other": Site("Other")}
    async with running_reader(redis_url, sites) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        answer = await reader.get(RECEIPT)
        assert answer.json["receipt"]["rows"] == len(VIEWS)
        assert re.match("public, ", answer.headers["cache-control"])
        private = await reader.get(RECEIPT, Authorization=f"Bearer {TOKEN}")
        assert private.headers["cache-control"] == "private, no-store"
        assert private.json["receipt"] == answer.json["receipt"]
        assert (await reader.get(RECEIPT, Authorization="Bearer nope")).status == 401


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (f"{RECEIPT}&render=html", "receipt: is part of the JSON; leave out render=html"),
        (f"{LIST}/stream?receipt=true", "receipt: there is no such parameter; known: limit, "),
        (f"{LIST}/feed.rss?receipt=true", "receipt: there is no such parameter; known: limit, "),
        ("/v1/demo?receipt=true", "receipt: there is no such parameter; known: none"),
        ("/v1/demo/article?id=/1&receipt=true", "receipt: there is no such parameter; known: id, places"),
        ("/v1/demo/popular/latest/24h?receipt=true", "receipt: latest is not counted, so there is nothing to recount"),
        (f"{LIST}?receipt=yes", "receipt: 'yes' is not one of true, false"),
        (f"{LIST}?receipt=", "receipt: '' is not one of true, false"),
        (f"{RECEIPT}&receipt=true", "receipt: given more than once"),
    ],
)
async def test_there_is_none(redis_url: str, target: str, says: str) -> None:
    """400, with what is wrong and what to do, and nothing of the list."""
    async with running_reader(redis_url, {"demo": "Demo"}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        answer = await reader.get(target)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
        assert says in answer.json["detail"]
        assert answer.json["detail"] == "; ".join(
            f"{fault['parameter']}: {fault['detail']}" for fault in answer.json["faults"]
        )


async def test_a_takedown_of_an_article_that_moved_is_told_to_nobody(redis_url: str) -> None:
    """Its old and its new name would be among the aliases; who has the site's token may know them."""
    records = [
        fed("/new", status="removed"),
        (b"demo//29 #alias", orjson.dumps({"site_id": "demo", "article_id": "/29", "alias_of": "/new"})),
    ]
    async with running_reader(redis_url, {"demo": Site("Demo", read_token=TOKEN)}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, VIEWS, T)
        await until(lambda: ready(reader), "readiness")
        assert (await reader.get(RECEIPT)).json["receipt"]["aliases"] == {}
        await catalogue(reader.client, *records)

        async def refused() -> bool:
            answer = await reader.get(RECEIPT)
            return answer.status == 400 and b"send this site's read token" in answer.body and b"/new" not in answer.body

        await until(refused, "refusal")
        given = await reader.get(RECEIPT, Authorization=f"Bearer {TOKEN}")
        assert given.json["receipt"]["aliases"] == {"/29": "/new"}
        assert given.json["receipt"]["hidden"] == [1]
