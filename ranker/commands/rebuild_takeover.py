"""The end of `ranker rebuild`: once its generation is active, it counts until consumers have taken over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ranker.consume.loop import Consumer
    from ranker.settings import Settings

CLIENT_ID = "ranker-rebuild"


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
        from ranker.consume.build_consumer import group_of
        from ranker.log import admin
        from ranker.log.errors import LogUnavailableError

        generation = self._settings.generation
        self._say(f"Start consumers of {generation.id} now: this command counts until they have taken over")
        session_s = self._settings.session_timeout_ms / 1000
        since: dict[str, float] = {}
        unnamed = False
        async with admin.connected(self._settings.kafka_bootstrap) as kafka:
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
                    self._say("This broker does not tell who counts: press Ctrl-C once they do")
                others = [member for member, client in members.items() if client and client != CLIENT_ID]
                since = {member: since.get(member, now) for member in others}
                if any(now - first_s > session_s for first_s in since.values()):
                    self._say("Consumers have taken over")
                    return
                await asyncio.sleep(1.0)

    def stopped(self) -> click.exceptions.Exit:
        """How a signal ends it: with exit code 0."""
        generation = self._settings.generation.id
        self._say(f"{generation} is active, and this command no longer counts it: keep its consumers running")
        return click.exceptions.Exit(0)
