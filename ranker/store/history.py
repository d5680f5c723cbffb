"""Rank history in Redis: the first places of every list as they were at each full hour, written once, kept 8 days.

It is no part of S: the crash rule does not cover it, it cannot be rebuilt from the log, and what is lost stays unknown.
So its keys may expire, which removes the history of lists that are no longer written. Each command touches one key.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ranker.core.generation import ListName
from ranker.core.times import HOUR_MS
from ranker.store.errors import translated
from ranker.store.keys import HistoryKeys
from schemas import article_id

"""The grain. An hour's number is its start in ms since the epoch, divided by this."""
PLACES = 200
"""How deep ranks are kept."""
KEPT_HOURS = 192
"""8 days, the hour just written included. One list takes 0.13 MB of Redis in them with ids of 7 characters, 1.4 MB with
ids of 80: an entry is 604 or 6,759 bytes."""

_KEPT_S = KEPT_HOURS * 3600
_ZLIB = b"\x01"
_MAX_BYTES = PLACES * (article_id.MAX_BYTES + 1)


def pack(ids: Sequence[str]) -> bytes:
    """Ids in rank order as they are stored: a format byte, and zlib of them on a line each (no id has a newline)."""
    return _ZLIB + zlib.compress("\n".join(ids).encode())


def unpack(stored: bytes) -> list[str] | None:
    """The ids that `pack` stored; None for anything else, such as a newer version's format."""
    if stored[:1] != _ZLIB:
        return None
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(stored[1:], _MAX_BYTES).decode()
    except (zlib.error, UnicodeDecodeError):
        return None
    if not inflating.eof:
        return None
    return text.split("\n") if text else []


async def settled_hour(client: Any, generation: str) -> int | None:
    """The last hour of which every list is written; None if there is none."""
    with translated():
        stored = await client.get(HistoryKeys(generation).settled)
    return None if stored is None else int(stored)


async def settle(client: Any, generation: str, hour: int) -> None:
    """Records for the other consumers that all lists of `hour` are written."""
    with translated():
        await client.set(HistoryKeys(generation).settled, hour, ex=_KEPT_S)


async def write_ranks(client: Any, generation: str, hour: int, ranks: Mapping[ListName, Sequence[str]]) -> int:
    """Writes the ids of each list, in rank order, under `hour`, unless they are there. Returns how many were written.

    Entries of 192 hours ago and older are deleted. Raises StoreUnavailableError and StoreFullError. Idempotent.
    """
    keys = HistoryKeys(generation)
    names = [keys.ranks(name.site, name.window, name.board) for name in ranks]
    if not names:
        return 0
    with translated():
        # The index first: `drop` would not find a key that it lacks.
        pipe = client.pipeline(transaction=False)
        pipe.zadd(keys.lists, {f"{name.site}:{name.window}:{name.board}": hour for name in ranks})
        pipe.zremrangebyscore(keys.lists, "-inf", f"({hour - KEPT_HOURS}")
        pipe.expire(keys.lists, _KEPT_S)
        await pipe.execute()
        pipe = client.pipeline(transaction=False)
        for key, ids in zip(names, ranks.values(), strict=True):
            pipe.hsetnx(key, str(hour), pack(ids))
            pipe.expire(key, _KEPT_S)
            pipe.hkeys(key)
        replies = await pipe.execute()
        pipe = client.pipeline(transaction=False)
        for key, fields in zip(names, replies[2::3], strict=True):
            if old := [at for at in _hours(fields) if at <= hour - KEPT_HOURS]:
                pipe.hdel(key, *map(str, old))
        await pipe.execute()
    return sum(replies[::3])


async def read_ranks(client: Any, generation: str, name: ListName, now_ms: int) -> dict[int, list[str]]:
    """Hour to the ids of the first places in rank order, of the last 192 hours; unreadable entries are left out.

    Raises StoreUnavailableError.
    """
    key = HistoryKeys(generation).ranks(name.site, name.window, name.board)
    oldest = now_ms // HOUR_MS - KEPT_HOURS
    with translated():
        hours = sorted(hour for hour in _hours(await client.hkeys(key)) if hour > oldest)[-KEPT_HOURS:]
        stored = await client.hmget(key, [str(hour) for hour in hours]) if hours else []
    # 20 ms if ids are long: too long for the event loop of a server.
    return await asyncio.to_thread(_unpacked, hours, stored)


async def written_lists(client: Any, generation: str) -> Iterable[tuple[str, str, str]]:
    """(site, window, board) of every list that may have a history."""
    with translated():
        members = [member.decode() async for member, _ in client.zscan_iter(HistoryKeys(generation).lists, count=1000)]
    return [(site, window, board) for site, window, board in (member.split(":") for member in members)]


def _unpacked(hours: Sequence[int], stored: Sequence[bytes | None]) -> dict[int, list[str]]:
    return {hour: ids for hour, raw in zip(hours, stored, strict=True) if raw and (ids := unpack(raw)) is not None}


def _hours(fields: Iterable[bytes]) -> list[int]:
    return [int(field) for field in fields if field.isdigit()]
