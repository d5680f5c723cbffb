"""`python -m tests.bench.swallowing …`: the collector with all its options, whose events go nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from producers.collector.delivery import outbox
from producers.commands.collect import command
from producers.event import PageView


class Nowhere(outbox.Outbox):
    async def accept(self, events: Iterable[PageView]) -> None:
        """Every event is accepted and forgotten."""


if __name__ == "__main__":
    outbox.Outbox = Nowhere  # type: ignore[misc]  # the command takes it from there
    command()
