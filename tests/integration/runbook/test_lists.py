"""The sections on lists: old, not answered, wrong, pushed by bots, and counts that differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.redis import RedisServer
from deploy.local.waiting import until
from ranker.service.runbook import Section
from ranker.store.keys import ShardKeys
from tests.support.runbook_commands import Guide
from tests.support.runbook_site import Site

pytestmark = pytest.mark.long  # a minute each; test_start.py and one of test_redis.py are run for every change

ARTICLE = "/an-article"


async def test_lists_are_old(new_site: Callable[..., Site]) -> None:
    """No consumer is left: the list says so, and is fresh when one is back."""
    site = new_site()
    engine = site.engine
    consumer = await site.begin()
    site.start_reader()
    until("a list", site.ranking)
    consumer.kill()
    until("an old list", lambda: len(site.ranking().get("behind", ())) == 4)
    with Guide(site, Section.LISTS_OLD) as guide:
        said = await guide.look()
        assert '"stale":true' in said
        assert '"behind":[{"partition":0,' in said
        consumer = engine.consume()
        await engine.until("readiness", consumer.ready)
        until("a fresh list", lambda: not site.ranking()["stale"] and "behind" not in site.ranking())
    await engine.check()


async def test_lists_are_not_answered(new_site: Callable[..., Site], new_redis: Callable[..., RedisServer]) -> None:
    """A reader that has never reached Redis says so, and serves as soon as it is there."""
    server = new_redis()
    site = new_site(redis_url=server.url)
    await site.begin()
    server.kill()
    site.start_reader()
    until("its readiness", lambda: site.get("reader_admin", "/readyz"))
    with Guide(site, Section.LISTS_NOT_ANSWERED) as guide:
        said = await guide.look()
        assert "HTTP/1.1 503" in said
        assert "Redis is not available" in said
        assert "ranker_refresh_failures_total" in said
        server.start()
        until("a list", site.ranking)
    await site.engine.until_counted()
    await site.engine.check()


async def test_counts_differ(new_site: Callable[..., Site]) -> None:
    """Somebody adds to a count: it is found, and the log counted anew in its place."""
    site = new_site()
    engine = site.engine
    await site.begin()
    old = engine.generation.id
    name = ShardKeys(old, 0).total("long", "demo", "read")
    ((article, _),) = await engine.client.zrevrange(name, 0, 0, withscores=True)
    await engine.client.zincrby(name, 7, article)
    with Guide(site, Section.COUNTS_DIFFER, OLD=old) as guide:
        said = await guide.look()
        assert f"{old}  active" in said
        assert json.loads((engine.directory / "differences.json").read_text())["differences"] == 1
        await site.take_over(guide.start())
        said = await guide.run()
    assert "\nequal: 500 records" in said
    assert f"{old} is dropped" in said
    await engine.check()


async def test_a_list_is_wrong(new_site: Callable[..., Site], tmp_path: Path) -> None:
    """Hidden, explained, verified, merged, shown again."""
    site = new_site()
    engine = site.engine
    await site.begin()
    await site.read(ARTICLE, 2_000)
    await site.read("/an-old-address", 100)
    await engine.until_counted()
    site.start_reader()

    def listed() -> dict[str, int]:
        found = site.ranking()
        return {item["article_id"]: item["count"] for item in found["items"]} if found else {}

    until("it is listed", lambda: listed().get(ARTICLE) == 2_000)
    with Guide(site, Section.WRONG_LIST) as guide:
        await guide.run()
        until("it is hidden", lambda: listed() and ARTICLE not in listed())
        explained = json.loads((await guide.run()).partition("\n\n")[2])
        assert explained["hidden"]
        assert {one["count"] for one in explained["lists"] if one["board"] == "read" and one["window"] == "long"} == {
            2_000
        }
        said = await guide.run()
        assert said.count("\nequal: ") == 2
        await guide.run()
        until("both addresses are one", lambda: listed().get(ARTICLE) == 2_100)
    assert "/an-old-address" not in listed()


async def test_bots_push_an_article(new_site: Callable[..., Site]) -> None:
    """One reader's views of one article: the rules of the press leave one, of before they were on as well."""
    site = new_site()
    engine = site.engine
    await site.begin()
    await site.read(ARTICLE, 1_000, repeat_key="the-same")
    await engine.until_counted()
    site.start_reader()
    site.start_collector()
    until("the list", site.ranking)
    until("the collector", lambda: site.ready("collector"))
    with Guide(site, Section.BOT_ATTACK) as guide:
        said = await guide.run()
        assert "tau-b" in said
        assert "collector_new_articles_left" in said
        await site.take_over(guide.start())
    until("the new list", lambda: site.ranking()["items"] and site.ranking()["items"][0]["article_id"] != ARTICLE)
    assert "\nequal: " in engine.ranker("verify").stdout
