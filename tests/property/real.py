"""A real Redis as the machine's server: the product's own ShardStore, with snapshots, failovers and dumps around it."""

from __future__ import annotations

from typing import Any, cast

import redis

from ranker.connect.redis import connect
from ranker.core.generation import Generation
from ranker.store.shard import ShardStore
from tests.support.redis_at import redis_at

Snapshot = dict[bytes, bytes]
_BINARY = ("producers", "sequences")
"""Hashes whose values are not text."""


class RealServer:
    """`url` is of a Redis that belongs to the test alone: it is emptied."""

    def __init__(self, url: str) -> None:
        self.client = connect(redis_at(url))
        self._direct = redis.Redis.from_url(url)
        self._direct.flushall()

    async def snapshot(self) -> Snapshot:
        keys = cast("list[bytes]", self._direct.keys("*"))
        pipe = self._direct.pipeline(transaction=False)
        for key in keys:
            pipe.dump(key)
        return dict(zip(keys, pipe.execute(), strict=True))

    async def restore(self, snapshot: Snapshot) -> None:
        pipe = self._direct.pipeline(transaction=False)
        pipe.flushall()
        for key, dumped in snapshot.items():
            pipe.restore(key, 0, dumped)
        pipe.execute()

    async def flush(self) -> None:
        self._direct.flushall()

    async def dump(self, prefix: str) -> dict[str, Any]:
        keys = cast("list[bytes]", self._direct.keys("*"))
        names = [key.decode() for key in keys if key.decode().startswith(prefix)]
        pipe = self._direct.pipeline(transaction=False)
        for name in names:
            self._read(pipe, name, name[len(prefix) :])
        replies = pipe.execute()
        return {name[len(prefix) :]: _plain(name, reply) for name, reply in zip(names, replies, strict=True)}

    @staticmethod
    def _read(pipe: Any, name: str, rest: str) -> None:
        if rest in ("meta", "sums", *_BINARY):
            pipe.hgetall(name)
        elif rest.startswith("total:"):
            pipe.zrange(name, 0, -1, withscores=True, score_cast_func=int)
        elif rest.startswith(("slice:", "remembered:")):
            pipe.lrange(name, 0, -1)
        else:
            pipe.smembers(name)

    def port(self, generation: Generation, partition: int) -> ShardStore:
        return ShardStore(self.client, generation, partition)

    async def close(self) -> None:
        await self.client.aclose()
        self._direct.close()


def _plain(name: str, reply: Any) -> Any:
    if name.endswith(_BINARY):
        return {field.decode(): value for field, value in reply.items()}
    if isinstance(reply, dict):
        return {name.decode(): value.decode() for name, value in reply.items()}
    if isinstance(reply, set):
        return {member.decode() for member in reply}
    if reply and isinstance(reply[0], tuple):
        return {member.decode(): score for member, score in reply}
    return reply
