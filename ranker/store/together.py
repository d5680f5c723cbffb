"""Several reads of one shard at one moment, even where Redis has no memory left."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster

Word = str | bytes | int
_SCRIPT = "#!lua flags=no-writes\n" + resources.files(__package__).joinpath("scripts", "together.lua").read_text(
    "utf-8"
)


async def together(client: Any, reads: Sequence[Sequence[Word]]) -> list[Any]:
    """The replies to `reads`, each (name, key, argument, …), as Redis sent them; all keys lie in one slot.

    MULTI/EXEC is cheaper than a script. But a Redis that is out of memory refuses to queue anything, reads included,
    and whoever cannot read the old counts cannot take them out either. And redis-py (8.1) queues each command of a
    cluster's transaction in a thread and an event loop of its own, where it also opens connections that die with it.
    """
    if isinstance(client, RedisCluster):
        return await _by_script(client, reads)
    pipe = client.pipeline(transaction=True)
    for read in reads:
        pipe.execute_command(*read)
    try:
        replies: list[Any] = await pipe.execute()
    except exceptions.OutOfMemoryError:
        return await _by_script(client, reads)
    return replies


async def _by_script(client: Any, reads: Sequence[Sequence[Word]]) -> list[Any]:
    keys = list(dict.fromkeys(read[1] for read in reads))
    words = [word for read in reads for word in (len(read), *read)]
    replies: list[Any] = await client.eval(_SCRIPT, len(keys), *keys, *words)
    return replies
