"""Copies a compacted topic into Redis, beside the page views, in every `ranker consume`.

Redis' own offset moves in the same script as the records, so several processes may do the same work: all but one find
it done and continue from there. The copy is the compacted log and nothing else, so after any mismatch (another log
under the same name, an emptied Redis) it is read again from the start.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ranker.core.fold import Record, crc
from ranker.log.copied_topic import CopiedTopic
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.service.periodic import periodic
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.keys import Copy
from ranker.store.topic_copy import Change, CopyState, TopicCopy

log = logging.getLogger(__name__)

POLL_MS = 250
CHECK_S = 10.0
"""How often the log's end is compared with our offset: not every broker refuses a read beyond it."""
SHORTER_S = 30.0
"""How long a log may seem shorter than before (end offsets can lag) until it counts as another one."""
AGAIN_S = (0.5, 10.0)
CALM_S = 60.0
"""After so long without trouble the pauses between attempts are short again."""


@dataclass(frozen=True)
class Copied:
    """A topic that is copied. `fault` returns why a record (key, value; None: a tombstone) is left out, else None;
    `pack` makes what is stored of a value.
    """

    copy: Copy
    fault: Callable[[bytes | None, bytes | None], str | None]
    pack: Callable[[bytes], bytes] = bytes


async def copy_topic(
    kind: Copied, open_topic: Callable[[], CopiedTopic], client: Any, trouble: Callable[[str, str | None], None]
) -> None:
    """Copies until cancelled; starts over, with growing pauses, whenever Kafka or Redis is away.

    `trouble` is called with the copy's name and the problem, or None once it is over.
    """
    name = kind.copy.name

    async def follow() -> bool:
        began = time.monotonic()
        try:
            topic = open_topic()
            try:
                partitions = await topic.start()
                async with asyncio.TaskGroup() as group:
                    for partition in range(partitions):
                        group.create_task(_Follower(kind, topic, client, partition, partitions, trouble).run())
            finally:
                await topic.stop()
        except* (LogUnavailableError, LogRefusedError, StoreUnavailableError, StoreFullError) as errors:
            trouble(name, f"topic {name} is not copied: {errors.exceptions[0]}")
        return time.monotonic() - began > CALM_S

    await periodic(AGAIN_S[0], follow, at_most_s=AGAIN_S[1])


class _Follower:
    """Keeps one partition of the copy up to date with the log."""

    def __init__(
        self,
        kind: Copied,
        topic: CopiedTopic,
        client: Any,
        partition: int,
        partitions: int,
        trouble: Callable[[str, str | None], None],
    ) -> None:
        self._kind = kind
        self._trouble = trouble
        self._log = topic
        self._shard = TopicCopy(client, partition, kind.copy)
        self._partition = partition
        self._partitions = partitions

    async def run(self) -> None:
        """Runs until cancelled; raises the errors of log and store."""
        while True:
            state = await self._open()
            self._trouble(self._kind.copy.name, None)
            checked, is_level = time.monotonic(), False
            while True:
                records = await self._log.poll(self._partition, POLL_MS)
                if records:
                    if records[0].offset < state.n:
                        break
                    ahead = await self._take(state, records)
                    if ahead is None:
                        break
                    state = ahead
                elif not is_level and await self._log.is_at_end(self._partition):
                    await self._shard.note_level(state)
                    is_level = True
                elif time.monotonic() - checked > CHECK_S:
                    checked = time.monotonic()
                    stored = await self._shard.load()
                    if stored != state or await self._log.end(self._partition) < state.n:
                        break

    async def _open(self) -> CopyState:
        """The stored state to continue from; begins anew if nothing is stored, or the records of another log."""
        state = await self._shard.load()
        while state is None or await self._is_another(state):
            instead_of = state.lineage if state else ""
            if state:
                log.warning("topic %s is another one than before; reading it from the start", self._log.name)
            await self._shard.begin(secrets.token_hex(8), self._partitions, instead_of)
            state = await self._shard.load()
        self._log.seek(self._partition, state.n)
        return state

    async def _is_another(self, state: CopyState) -> bool:
        """Whether the stored records come from another log: the last of them differs, or the log is shorter.

        If the record can be read, it decides: the embedded broker's end offsets lag by a batch for good.
        """
        since = time.monotonic()
        while True:
            found = await self._last_of(state)
            if found is not None:
                return _mark(found) != state.last
            if await self._log.end(self._partition) >= state.n:
                return False  # compaction may have removed the record; without it, assume the same log
            if time.monotonic() - since > SHORTER_S:
                return True
            await asyncio.sleep(AGAIN_S[0])

    async def _last_of(self, state: CopyState) -> Record | None:
        """The log's record at the offset of the last stored one; None if it has none there."""
        if not state.last:
            return None
        offset = int(state.last.partition(":")[0])
        self._log.seek(self._partition, offset)
        records = await self._log.poll(self._partition, 1000, limit=1)
        return records[0] if records and records[0].offset == offset else None

    async def _take(self, state: CopyState, records: Sequence[Record]) -> CopyState | None:
        """Applies records; None if another process was faster or Redis has lost some."""
        changes: list[Change] = []
        bad: list[str] = []
        for record in records:
            wrong = self._kind.fault(record.key, record.value)
            if wrong is not None:
                bad.append(f"{record.offset}: {wrong}")
            else:
                value = None if record.value is None else self._kind.pack(record.value)
                changes.append(Change(record.key or b"", value, record.offset))
        if bad:
            more = {"topic": self._log.name, "partition": self._partition, "records": len(bad), "first": bad[0]}
            log.warning("records left out", extra=more)
        ahead = CopyState(state.lineage, records[-1].offset + 1, _mark(records[-1]))
        return ahead if await self._shard.advance(state, ahead.n, ahead.last, changes) else None


def _mark(record: Record) -> str:
    return f"{record.offset}:{record.timestamp}:{crc(record)}"
