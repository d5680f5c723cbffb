"""The index of documents follows its copy in Redis, and keeps the old one while a new one is copied."""

from __future__ import annotations

import zlib
from datetime import date
from typing import Any

from ranker.connect.redis import connect
from ranker.core.best_of import Key
from ranker.lists.archive import Archive, read_document
from ranker.lists.catalogue import Catalogue
from ranker.store.keys import BEST_OF
from ranker.store.topic_copy import Change, TopicCopy
from tests.support.best_of_documents import level_catalogue, store, two_weeks
from tests.support.redis_at import redis_at

NEWEST, BEFORE = sorted(two_weeks(), key=lambda key: key.first, reverse=True)


async def copied(client: Any, lineage: str, instead_of: str, *keys: Key) -> TopicCopy:
    """A copy that begins anew and has these documents; it is not level yet."""
    copy = TopicCopy(client, 0, BEST_OF)
    await copy.begin(lineage, 1, instead_of)
    state = await copy.load()
    assert state is not None
    changes = [Change(str(key).encode(), zlib.compress(two_weeks()[key]), n) for n, key in enumerate(keys)]
    assert await copy.advance(state, len(keys), "1:1:1", changes)
    return copy


def newest(archive: Archive) -> date:
    return archive.entries("demo")[0].first


async def test_half_of_a_copy_is_no_archive(redis_url: str) -> None:
    """Oldest documents come first, so half of them has an older week for the newest: a mail would send that."""
    client = connect(redis_at(redis_url))
    try:
        archive = Archive(client)
        assert not await archive.follow()
        copy = await copied(client, "ab" * 8, "", BEFORE)
        assert not await archive.follow()
        assert (archive.is_read, list(archive.entries("demo"))) == (False, [])
        state = await copy.load()
        assert state is not None
        await copy.note_level(state)
        assert await archive.follow()
        assert (archive.is_read, newest(archive)) == (True, BEFORE.first)
        await store(client, {NEWEST: two_weeks()[NEWEST]})
        assert await archive.follow()
        assert newest(archive) == NEWEST.first

        copy = await copied(client, "cd" * 8, "ab" * 8, BEFORE)
        assert not await archive.follow()
        assert newest(archive) == NEWEST.first  # what was read stays
        assert await read_document(client, NEWEST) is None
        state = await copy.load()
        assert state is not None
        await copy.note_level(state)
        assert await archive.follow()
        assert newest(archive) == BEFORE.first  # the topic has no other
    finally:
        await client.aclose()


async def test_a_catalogue_is_whole_once_it_was_level(redis_url: str) -> None:
    """Half of one may lack a takedown. Once it was whole the old one stays on show, whatever happens to the copy."""
    client = connect(redis_at(redis_url))
    try:
        catalogue = Catalogue(client, lambda: 0, {})
        await catalogue.follow()
        assert not catalogue.level
        await TopicCopy(client, 0).begin("ab" * 8, 1)
        await catalogue.follow()
        assert not catalogue.level
        await level_catalogue(client)
        await catalogue.follow()
        assert catalogue.level
        await TopicCopy(client, 0).begin("cd" * 8, 1, "ab" * 8)
        await catalogue.follow()
        assert catalogue.level
        assert not await _is_level(client)
    finally:
        await client.aclose()


async def _is_level(client: Any) -> bool:
    return bool(await client.hexists(TopicCopy(client, 0).keys.meta, "level"))
