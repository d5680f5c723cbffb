"""The definitions as they are served: of the active generation, in the reader's language."""

from __future__ import annotations

import pytest

from ranker.core.generation import Generation
from tests.support.defaults import PRESS, press
from tests.support.reader import PARTITIONS, VIEWS, Reader, T, running_reader, until
from tests.support.shard_writer import activate, publish


async def shows(reader: Reader, name: str, generation: Generation) -> None:
    async def shown() -> bool:
        text = (await reader.get("/definitions")).body.decode()
        return f'id="{name}"' in text and generation.id in text

    await until(shown, f"definition of {name}")


async def test_the_rules_of_the_active_generation(redis_url: str) -> None:
    """None before anything is counted; another generation's as soon as that is active."""
    async with running_reader(redis_url, {"demo": "Le Courrier"}) as reader:
        answer = await reader.get("/definitions")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        await publish(reader.client, PRESS, PARTITIONS, VIEWS, T)
        await shows(reader, "unique_item@counter-5.1", PRESS)
        later = press(repeat_per_s=1800)
        await publish(reader.client, later, PARTITIONS, VIEWS, T)
        await activate(reader.client, later, PARTITIONS, seq=2)
        await shows(reader, "repeat-1800s@1", later)


@pytest.mark.parametrize(
    ("query", "preferred", "lang"),
    [
        ("", "", "fr"),
        ("", "en-GB,en;q=0.9,fr;q=0.5", "en"),
        ("", "de", "fr"),
        ("?lang=fr", "en", "fr"),
        ("?lang=en", "fr", "en"),
        ("?lang=xx", "en", "en"),
    ],
)
async def test_the_language(redis_url: str, query: str, preferred: str, lang: str) -> None:
    """By the address, else as the browser prefers, else French; caches are told."""
    async with running_reader(redis_url, {}) as reader:
        await publish(reader.client, PRESS, PARTITIONS, VIEWS, T)
        await shows(reader, "bots@1", PRESS)
        answer = await reader.get(f"/definitions{query}", **{"accept-language": preferred})
        assert (answer.headers["content-language"], answer.headers["vary"]) == (lang, "accept-language")
        assert f'<html lang="{lang}">' in answer.body.decode()
        again = await reader.get(
            f"/definitions{query}", **{"accept-language": preferred, "if-none-match": answer.headers["etag"]}
        )
        assert (again.status, again.body) == (304, b"")
