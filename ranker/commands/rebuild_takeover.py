"""The end of `ranker rebuild`: once its generation is active, it counts until consumers have taken over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ranker.consume.loop import Consumer
    from ranker.settings import Settings
    from ranker.store.generations import Active

CLIENT_ID = "ranker-rebuild"
_LOOK_S = 1.0
_MOVES_S = 5.0
"""Within this T moves if somebody counts: it does once a second."""


async def is_counted(settings: Settings, client: Any, active: Active, say: Callable[[str], None]) -> bool:
    """Whether others than rebuilds count the active generation of these settings; prints that, or what is missing.

    On a broker that does not report who is in a group: whether anybody counts it.
    """
    from ranker.log import admin
    from ranker.log.groups import group_of

    async with admin.connected(settings.kafka) as kafka:
        members = await kafka.members(group_of(settings.generation))
    already = f"{active.generation} is the active generation already"
    unnamed = "" in members.values()
    if not (unnamed or _consumers(members)):
        say(f"{already}, but no consumer is in its group")
        return False
    if standing := await _standing(client, active):  # members that were killed stay for a session
        named = ", ".join(map(str, standing[:10]))
        say(f"{already}, but for {_MOVES_S:.0f} s T of these partitions has not moved, as if nobody counted: {named}")
        return False
    if unnamed:
        say(
            f"{already}, and its T moves, so somebody counts it: nothing to do. This broker cannot show whether that "
            "is another `ranker rebuild`, which will end: see that /readyz of a `ranker consume` answers 200"
        )
    else:
        say(f"{already}, and consumers count it: nothing to do")
    return True


async def _standing(client: Any, active: Active) -> list[int]:
    """The partitions whose T does not move."""
    from ranker.store.inventory import watermarks_ms

    before = await watermarks_ms(client, active.generation, active.partitions)
    until = time.monotonic() + _MOVES_S
    while True:
        now = await watermarks_ms(client, active.generation, active.partitions)
        standing = [partition for partition in range(active.partitions) if now[partition] == before[partition]]
        if not standing or time.monotonic() > until:
            return standing
        await asyncio.sleep(_LOOK_S)


def _consumers(members: Mapping[str, str]) -> list[str]:
    """The members, by their client ids, that are no rebuilds."""
    return [member for member, client in members.items() if client and client != CLIENT_ID]


class Takeover:
    """Of the active generation, from the `consumer` of this command by others. `say` prints a line."""

    def __init__(self, settings: Settings, consumer: Consumer, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._consumer = consumer
        self._say = say

    async def run(self) -> None:
        """Until a member of the group that is no rebuild has been there for longer than a dead one is.

        Raises ClickException if a partition stops.
        """
        from ranker.log import admin
        from ranker.log.errors import LogUnavailableError
        from ranker.log.groups import group_of

        generation = self._settings.generation
        self._say(f"Start consumers of {generation.id} now: this command counts until they have taken over")
        session_s = self._settings.session_timeout_ms / 1000
        since: dict[str, float] = {}
        unnamed = False
        async with admin.connected(self._settings.kafka) as kafka:
            while True:
                if stopped := self._consumer.stopped():
                    raise click.ClickException("; ".join(stopped))
                now = time.monotonic()
                try:
                    members = await kafka.members(group_of(generation))
                except LogUnavailableError:
                    members = {}
                if "" in members.values() and not unnamed:
                    unnamed = True
                    self._say("This broker does not report who counts: press Ctrl-C once /readyz of each answers 200")
                since = {member: since.get(member, now) for member in _consumers(members)}
                if any(now - first_s > session_s for first_s in since.values()):
                    self._say("Consumers have taken over")
                    return
                await asyncio.sleep(_LOOK_S)

    def stopped(self) -> click.exceptions.Exit:
        """How a signal ends it: with exit code 0."""
        generation = self._settings.generation.id
        self._say(f"{generation} is active, and this command no longer counts it: keep its consumers running")
        return click.exceptions.Exit(0)
