"""The Redis servers: product, version, settings and clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import NoPermissionError

from ranker.store.connection import Client, redis_time_ms
from ranker.store.errors import translated


@dataclass(frozen=True, slots=True)
class Server:
    """One server that is to hold counts. `clock_ahead_ms`: its clock less ours."""

    name: str
    product: str
    version: tuple[int, ...]
    policy: str
    loading: bool
    clock_ahead_ms: int


async def servers(client: Any, now_ms: Callable[[], int]) -> list[Server]:
    """The server behind `client`, or every primary of a cluster. StoreUnavailableError if one does not answer.

    Raises NotAllowedError if INFO is forbidden.
    """
    with translated():
        if not isinstance(client, RedisCluster):
            return [await _server("", client.execute_command, now_ms)]
        await client.initialize()
        return [
            await _server(f"{node.host}:{node.port}", node.execute_command, now_ms)
            for node in sorted(client.get_primaries(), key=lambda node: (node.host, node.port))
        ]


async def store_time_ms(client: Client) -> int:
    """Redis' clock, milliseconds since the epoch; StoreUnavailableError where it does not answer."""
    with translated():
        return await redis_time_ms(client)


class NotAllowedError(Exception):
    """The user of the address may not run INFO or TIME."""


async def _server(name: str, execute: Callable[..., Any], now_ms: Callable[[], int]) -> Server:
    try:
        info = _parsed(await execute("INFO"))
    except NoPermissionError as error:
        raise NotAllowedError(str(error)) from error
    before_ms = now_ms()
    seconds, microseconds = await execute("TIME")
    after_ms = now_ms()
    valkey = info.get("valkey_version")
    return Server(
        name=name,
        product="Valkey" if valkey else "Redis",
        version=tuple(int(part) for part in str(valkey or info["redis_version"]).split(".") if part.isdecimal()),
        policy=str(info["maxmemory_policy"]),
        loading=str(info.get("loading")) == "1",
        clock_ahead_ms=int(seconds) * 1000 + int(microseconds) // 1000 - (before_ms + after_ms) // 2,
    )


def _parsed(info: Any) -> dict[str, Any]:
    """INFO as a mapping: a cluster's node returns the text itself."""
    if isinstance(info, dict):
        return info
    lines = (line.partition(":") for line in bytes(info).decode().splitlines() if ":" in line)
    return {name: value for name, _, value in lines}
