"""The Sentinels that watch a Redis: which server is the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis

from ranker.connect import redis_errors

LOOKUP_S = 1.0
"""For one Sentinel's reply, connecting included."""


class Sentinels:
    """`servers` are (host, port); `service` is the primary's name there. `options` are those of their connections."""

    def __init__(
        self, servers: Sequence[tuple[str, int]], service: str, connection_class: type[Any], options: Mapping[str, Any]
    ) -> None:
        self._servers = list(servers)
        self._service = service
        self._connection_class = connection_class
        self._options = options
        self.last: tuple[str, int] | None = None
        """What the last lookup found."""

    async def primary(self) -> tuple[str, int]:
        """Host and port, by the first Sentinel that answers. Raises redis' ConnectionError with what each one said."""
        said: list[str] = []
        unknown = 0
        for server in list(self._servers):
            try:
                async with asyncio.timeout(LOOKUP_S):
                    found = await self._lookup(server)
            except exceptions.RedisError as error:
                said.append(str(error).rstrip("."))
            except TimeoutError:
                has_tls = self._connection_class.has_tls
                said.append(redis_errors.silent(f"{server[0]}:{server[1]}", has_tls=has_tls))
            else:
                if found is not None:
                    self._servers.remove(server)
                    self._servers.insert(0, server)  # the others may be away: each of them would cost a second
                    self.last = found
                    return found
                said.append(f"{server[0]}:{server[1]} knows no primary {self._service!r}")
                unknown += 1
        what = f"no Sentinel gives the primary: {next((one for one in said if '; ' in one), ', '.join(said))}"
        if unknown == len(said):
            what += "; write the name that they have (`sentinel monitor NAME`) in RANKER_REDIS_URL"
        elif "; " not in what:
            what += "; start them, or name in RANKER_REDIS_URL where they are"
        raise exceptions.ConnectionError(what)

    async def _lookup(self, server: tuple[str, int]) -> tuple[str, int] | None:
        host, port = server
        pool = ConnectionPool(connection_class=self._connection_class, host=host, port=port, **self._options)
        opened: Any = Redis.from_pool(pool)
        async with opened as client:
            try:
                found = await client.execute_command(b"SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            except exceptions.NoPermissionError as error:
                rule = "+sentinel|get-master-addr-by-name"
                raise exceptions.ConnectionError(f"{host}:{port}: {error}; its user needs {rule}") from error
            except exceptions.ResponseError as error:
                fix = "name Sentinels in RANKER_REDIS_URL, or write redis:// for redis+sentinel:// there"
                raise exceptions.ConnectionError(f"{host}:{port} is no Sentinel ({error}); {fix}") from error
        return (found[0].decode(), int(found[1])) if found else None
