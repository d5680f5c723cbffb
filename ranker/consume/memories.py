"""What rules remember of each partition of this process, from one opening of its gate to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from ranker.core.key_set import KEY_BYTES
from ranker.core.memory import Memory
from ranker.core.rules import Rules
from ranker.store.errors import StoreUnavailableError
from ranker.store.shard import ShardState, ShardStore


class Memories:
    """`rules` are None if none of them remembers anything. `new` makes the kind of memory that the fold takes."""

    def __init__(self, rules: Rules | None, new: type[Memory] = Memory) -> None:
        self._rules, self._new = rules, new
        self._of: dict[int, Memory] = {}

    def keep(self, partitions: Collection[int]) -> None:
        """Forgets the partitions that are not among these."""
        self._of = {partition: memory for partition, memory in self._of.items() if partition in partitions}

    async def load(self, partition: int, store: ShardStore, state: ShardState) -> Memory | None:
        """The memory as of `state`: the one that is held if it is of that version, else read from the store.

        Raises StoreUnavailableError if the shard is written meanwhile: it has to be loaded again.
        """
        if self._rules is None:
            return None
        at = state.version.lineage, state.version.n
        if partition in self._of and not self._of[partition].is_at(at):
            del self._of[partition]  # before the other is read: not both at once
        if partition not in self._of:
            self._of[partition] = await self._read(self._rules, store, state, at)
        self._of[partition].drop_pending()
        return self._of[partition]

    async def _read(self, rules: Rules, store: ShardStore, state: ShardState, at: tuple[str, int]) -> Memory:
        memory = self._new(rules, at, state.latest_ms, state.first)
        for bucket in state.buckets:
            pieces: list[bytes] = []
            async for version, some in store.remembered(bucket):
                if version != at:
                    raise StoreUnavailableError("another process writes what rules remember; it is loaded again")
                pieces += some
            # with as many tables as it needs from the beginning a set takes half of the time
            memory.expect(bucket, sum(map(len, pieces)) // KEY_BYTES)
            while pieces:
                memory.hold(bucket, pieces.pop())
                await asyncio.sleep(0)
        return memory
