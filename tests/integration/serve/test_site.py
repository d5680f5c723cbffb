"""What a site has: boards, windows, sections and formats; also when nobody configured it."""

from __future__ import annotations

from typing import Any

from tests.support.counted_articles import (
    EVENTS,
    PARTITIONS,
    about,
    count,
    counting,
    describe,
    has_lists,
    placed,
    removed,
)
from tests.support.reader import GENERATION, T, running_reader, until
from tests.support.shard_writer import publish


async def test_a_site(redis_url: str) -> None:
    """Boards and windows of the generation; sections and formats of what is shown, by name."""
    async with counting(redis_url) as (reader, shards):
        await count(shards, EVENTS)
        described = [("/a", "Culture", "pépites"), ("/b", "Âges", "pépites"), ("/c", "Culture", None)]
        records: list[dict[str, Any]] = [
            {"article_id": article_id, "status": "published", "section": section, "format": format_}
            for article_id, section, format_ in described
        ]
        await describe(reader.client, *records, removed("/d"))

        async def seen() -> Any:
            answer = (await reader.get("/v1/demo")).json
            return answer if answer["articles"] else None

        assert await until(seen, "catalogue") == {
            "site": "demo",
            "title": "Le Courrier",
            "boards": ["commented", "read", "shared"],
            "windows": [
                {"name": "24h", "length_s": 86_400, "grain_s": 60},
                {"name": "7d", "length_s": 604_800, "grain_s": 3_600},
            ],
            "rising": [],
            "rules": ["bots@1"],
            "definitions": "/definitions",
            "show_counts": True,
            "articles": 3,
            "sections": [{"name": "Âges", "articles": 1}, {"name": "Culture", "articles": 2}],
            "formats": [{"name": "pépites", "articles": 2}],
        }


async def test_a_site_that_nobody_configured(redis_url: str) -> None:
    """It exists if it holds counts."""
    async with running_reader(redis_url, {}) as reader:
        await publish(reader.client, GENERATION, PARTITIONS, [("demo", "/a", "view", 3)], T)
        await until(lambda: has_lists(reader), "readiness")
        answer = await reader.get("/v1/demo")
        assert (answer.json["title"], answer.json["articles"], answer.json["sections"]) == ("demo", 0, [])
        assert placed(await about(reader, "/a"))["count"] == 3
