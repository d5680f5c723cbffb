"""The Redis servers: product, version, settings and clock, as far as each tells them.

Managed servers and proxies leave out fields of INFO, or INFO, CONFIG and TIME as a whole, forbid them, or reply in
another form. What a server does not tell is empty or None here, and `withheld` has its reasons.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster

from ranker.connect.redis import Client, redis_time_ms
from ranker.store.errors import StoreUnavailableError, may_pass, translated

_PRODUCTS = {
    f"{product.lower()}_version": product for product in ("Valkey", "Dragonfly", "Kvrocks", "Garnet", "Upstash")
}
"""Fields of those that also tell the version of the Redis that they resemble."""
_SCRIPT = """#!lua flags=no-writes
local lacking = {}
for _, command in ipairs(redis.acl_check_cmd and ARGV or {}) do
  if not redis.acl_check_cmd(command, 'ranker:active') then lacking[#lacking + 1] = command end
end
return lacking"""
"""The commands that this user may not run. Flags of scripts came with Redis 7.0."""
IN_SCRIPTS = (
    *("DEL", "EXISTS", "GET", "HDEL", "HINCRBY", "HMGET", "HSET", "PERSIST", "RPUSH", "SADD", "SET", "SREM", "UNLINK"),
    *("ZADD", "ZCARD", "ZMSCORE", "ZREM"),
)
"""A script that may not run one of them ends there, and what it has written before stays."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server that is to hold counts. `clock_ahead_ms`: its clock less ours. `max_bytes` is 0 without a limit.

    `withheld` maps a command to why it was refused: INFO, CONFIG, TIME, and EVAL, without which nothing can be counted.
    """

    name: str
    product: str
    version: tuple[int, ...]
    policy: str
    loading: bool
    clock_ahead_ms: int | None
    used_bytes: int | None = None
    max_bytes: int | None = None
    withheld: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)
    """Every field of INFO, as text."""


async def servers(client: Any, now_ms: Callable[[], int]) -> list[Server]:
    """The server behind `client`, or every primary of a cluster. StoreUnavailableError if one does not answer."""
    found, fault = await replying(client, now_ms)
    if fault is not None:
        raise fault
    return found


async def replying(client: Any, now_ms: Callable[[], int]) -> tuple[list[Server], StoreUnavailableError | None]:
    """Those of them that reply, and why one does not. Raises StoreUnavailableError if the cluster is not known."""
    nodes = [("", client.execute_command)]
    if isinstance(client, RedisCluster):
        with translated():
            await client.initialize()
        primaries = sorted(client.get_primaries(), key=lambda node: (node.host, node.port))
        nodes = [(f"{node.host}:{node.port}", node.execute_command) for node in primaries]

    async def reply(name: str, execute: Callable[..., Any]) -> Server | StoreUnavailableError:
        try:
            with translated():
                return await _server(name, execute, now_ms)
        except StoreUnavailableError as error:
            return error

    replies = await asyncio.gather(*(reply(*node) for node in nodes))
    faults = [one for one in replies if isinstance(one, StoreUnavailableError)]
    return [one for one in replies if isinstance(one, Server)], next(iter(faults), None)


async def store_time_ms(client: Client) -> int | None:
    """Redis' clock, ms since the epoch; None if it does not tell it. StoreUnavailableError if it does not answer."""
    with translated():
        try:
            return await redis_time_ms(client)
        except exceptions.ResponseError as error:
            if may_pass(error):
                raise
            return None
        except (TypeError, ValueError, LookupError):  # another form
            return None


async def _server(name: str, execute: Callable[..., Any], now_ms: Callable[[], int]) -> Server:
    withheld: dict[str, str] = {}

    async def request(command: str, *arguments: str | int) -> Any:
        try:
            # as bytes: the client's own parsers, which presume the form of a reply, know commands as text
            return await execute(command.encode(), *arguments)
        except exceptions.ResponseError as error:
            if may_pass(error):
                raise
            withheld[command] = str(error)
            return None

    async def config(setting: str) -> str:
        return _fields(await request("CONFIG", "GET", setting)).get(setting, "")

    info = _fields(await request("INFO"))
    policy = info.get("maxmemory_policy") or await config("maxmemory-policy")
    before_ms = now_ms()
    time_ms = _time_ms(await request("TIME"))
    after_ms = now_ms()
    keys = (0,) if name else (1, "ranker:active")  # a proxy needs a key, and a node of a cluster takes its own alone
    if lacking := await request("EVAL", _SCRIPT, *keys, *IN_SCRIPTS):
        withheld["EVAL"] = f"this user may not run {', '.join(map(_text, lacking))}"
    max_bytes = _number(info.get("maxmemory") or await config("maxmemory"))
    versioned = next((one for one in _PRODUCTS if one in info), "redis_version")
    return Server(
        name=name,
        product=_PRODUCTS.get(versioned, "Redis"),
        version=tuple(map(int, re.findall(r"\d+", info.get(versioned, ""))[:3])),
        policy=policy,
        loading=info.get("loading") == "1",
        clock_ahead_ms=None if time_ms is None else time_ms - (before_ms + after_ms) // 2,
        used_bytes=_number(info.get("used_memory", "")),
        max_bytes=max_bytes,
        withheld=withheld,
        info=info,
    )


def _fields(reply: Any) -> dict[str, str]:
    """Names and values of a reply that is text in lines, a map, or a list of names and values; else none."""
    if isinstance(reply, bytes | str):
        pairs: Any = (line.split(":", 1) for line in _text(reply).splitlines() if ":" in line)
    elif isinstance(reply, Mapping):
        pairs = reply.items()
    else:
        pairs = zip(reply[::2], reply[1::2], strict=False) if isinstance(reply, Sequence) else ()
    return {_text(name).strip(): _text(value).strip() for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _time_ms(reply: Any) -> int | None:
    try:
        seconds, microseconds = map(int, reply if isinstance(reply, list) else ())
    except (TypeError, ValueError):
        return None
    return seconds * 1000 + microseconds // 1000
