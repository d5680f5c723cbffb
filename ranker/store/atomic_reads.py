"""Several reads of one shard at one moment, even if Redis has no memory left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from importlib import resources
from itertools import islice
from typing import Any

from redis import exceptions
from redis.asyncio import RedisCluster

from ranker.store.errors import may_pass

Word = str | bytes | int
_SCRIPT = "#!lua flags=no-writes\n" + resources.files(__package__).joinpath("scripts", "read_atomically.lua").read_text(
    "utf-8"
)
_LACKING = """#!lua flags=no-writes
local at = 1
while at <= #ARGV do
  local last = at + ARGV[at]
  if not redis.acl_check_cmd(unpack(ARGV, at + 1, last)) then return ARGV[at + 1] .. ' ' .. ARGV[at + 2] end
  at = last + 1
end"""
"""The first read that this user may not do: the error of a script does not tell it."""


async def read_atomically(client: Any, reads: Sequence[Sequence[Word]]) -> list[Any]:
    """The replies to `reads`, each (name, key, argument, …), as Redis sent them; all keys lie in one slot.

    MULTI/EXEC is cheaper than a script. But a Redis that is out of memory refuses to queue even reads, and without them
    old counts cannot be retired. And redis-py (8.1) queues each command of a cluster's transaction in a thread and an
    event loop of its own, where it also opens connections that end with it: so clusters get the script.
    """
    if isinstance(client, RedisCluster):
        return await _by_script(client, reads)
    pipe = client.pipeline(transaction=True)
    for read in reads:
        pipe.execute_command(*read)
    try:
        replies: list[Any] = await pipe.execute()
    except exceptions.ResponseError as error:
        if may_pass(error):
            raise
        return await _by_script(client, reads)  # no memory, or no MULTI: a proxy, or a user who may not
    return replies


async def read_each_atomically(
    client: Any, groups: Sequence[Sequence[Sequence[Word]]]
) -> list[list[Any] | BaseException]:
    """As `read_atomically` for several groups, each at a moment of its own: on one server, all sent at once.

    A group that could not be read has its error in the place of its replies: one node of a cluster can be away.

    With 64 shards half of the time goes into redis-py's overhead per transaction, which occurs once here. Each group is
    still a transaction: commands of other clients run between them.
    """
    if isinstance(client, RedisCluster):
        return await asyncio.gather(*(_by_script(client, reads) for reads in groups), return_exceptions=True)
    commands = [command for reads in groups for command in (("MULTI",), *reads, ("EXEC",))]
    pool = client.connection_pool
    connection = await pool.get_connection()
    try:
        responses = iter(
            await connection.retry.call_with_retry(partial(_exchange, connection, commands), connection.disconnect)
        )
    finally:
        await pool.release(connection)
    replies: list[list[Any] | BaseException] = []
    for reads in groups:
        *_, last = islice(responses, len(reads) + 2)
        replies.append(last)
    for number, (reads, reply) in enumerate(zip(groups, replies, strict=True)):
        if isinstance(reply, exceptions.ResponseError) and not may_pass(reply):
            replies[number] = await read_atomically(client, reads)
    return replies


async def _exchange(connection: Any, commands: Sequence[Sequence[Word]]) -> list[Any]:
    """The replies to commands sent at once, errors among them, all within the timeout of one command."""
    await connection.send_packed_command(connection.pack_commands(commands))
    limit_s, connection.socket_timeout = connection.socket_timeout, None  # one deadline for all is cheaper
    replies: list[Any] = []
    try:
        async with asyncio.timeout(limit_s):
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except exceptions.ResponseError as error:
                    replies.append(error)
    except TimeoutError as error:
        raise exceptions.TimeoutError("Timeout reading from socket") from error
    finally:
        connection.socket_timeout = limit_s
    return replies


async def _by_script(client: Any, reads: Sequence[Sequence[Word]]) -> list[Any]:
    keys = list(dict.fromkeys(read[1] for read in reads))
    words = [word for read in reads for word in (len(read), *read)]
    try:
        replies: list[Any] = await client.eval(_SCRIPT, len(keys), *keys, *words)
    except exceptions.ResponseError as error:
        if may_pass(error) or isinstance(error, exceptions.NoPermissionError):
            raise
        if lacking := await client.eval(_LACKING, len(keys), *keys, *words):
            raise exceptions.NoPermissionError(f"{lacking.decode()}: this user may not do that") from error
        raise
    return replies
