"""Sites on the public port: known by settings, counts or a catalogue, or invented by clients."""

from typing import Any

import pytest

from ranker.store import shard_query as reading
from tests.support.example_site import record, write_articles
from tests.support.reader import GENERATION, PARTITIONS, VIEWS, Reader, T, until
from tests.support.shard_writer import write


async def test_a_known_site_without_views(reader: Reader) -> None:
    """Configured, nothing counted: an empty list, not a fault."""
    answer = await reader.ranking("/v1/quiet/popular/shared/7d")
    assert (answer["items"], answer["total"], answer["complete"]) == ([], 0, True)


@pytest.mark.parametrize("all_known", [True, False], ids=["all sites known", "more sites than are known"])
async def test_a_site_that_has_a_catalogue_only(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, *, all_known: bool
) -> None:
    """Its articles make it known: what is new is listed, what is read is an empty list, and the page has it."""
    monkeypatch.setattr(reading, "MAX_SITES", 1_000 if all_known else 0)
    await write_articles(reader.client, [record("fresh", "/f", title="Neuf", published_at=T - 1_000)])

    async def known() -> Any:
        answer = await reader.get("/v1/fresh/popular/latest/24h")
        return answer.json if answer.status == 200 else None

    newest = await until(known, "list of the newest")
    assert [item["article_id"] for item in newest["items"]] == ["/f"]
    assert (await reader.ranking("/v1/fresh/popular/read/24h"))["items"] == []
    for target in ("/v1/fresh", "/?site=fresh"):
        assert (await reader.get(target)).status == 200
    for target in ("/v1/nobody/popular/latest/24h", "/v1/nobody/popular/read/24h", "/v1/nobody", "/?site=nobody"):
        assert (await reader.get(target)).status == 404


async def test_a_site_that_holds_counts_need_not_be_configured(reader: Reader) -> None:
    """The first view makes a site known."""
    await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, ("new", "/n", "view", 3)], T)
    target = "/v1/new/popular/read/24h"

    async def known() -> bool:
        return (await reader.get(target)).status == 200

    await until(known, "list of the new site")
    assert reader.items(await reader.ranking(target)) == [("/n", 3)]


async def test_sites_that_clients_invent(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a shard holds too many sites to name: 404 for each invented one, and none of their lists is kept or read on."""
    monkeypatch.setattr(reading, "MAX_SITES", 1)
    more = [(f"site-{i}", f"/{i}", "view", 1) for i in range(8)]
    await write(reader.client, GENERATION, PARTITIONS, [*VIEWS, *more], T)

    async def too_many() -> bool:
        return reader.board.knows("nobody") is None

    await until(too_many, "reader that cannot name every site")
    for i in range(20):
        answer = await reader.get(f"/v1/invented-{i}/popular/read/24h")
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
        assert (await reader.get(f"/v1/invented-{i}/popular/latest/24h")).status == 404
    assert reader.web._lists._newest._orders == {}
    assert reader.items(await reader.ranking("/v1/site-3/popular/read/24h")) == [("/3", 1)]
    assert reader.items(await reader.ranking("/v1/quiet/popular/read/24h")) == []
    assert reader.registry.get_sample_value("ranker_lists") == 2
    assert len(reader.demand.last_used_ms) == 2
