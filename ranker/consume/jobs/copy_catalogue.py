"""The catalogue consumer: topic `articles` into Redis, beside the page views, in every `ranker consume`.

Redis' own offset moves in the same script as the records, so several processes may do the same work: all but one find
it done and continue from there. The catalogue is the compacted log and nothing else, so after any mismatch (another log
under the same name, an emptied Redis) it is read again from the start.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from ranker.core.article import fault, id_ok, split_key
from ranker.core.event import site_ok
from ranker.core.fold import Record, crc
from ranker.log.articles import ArticleLog
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.service.periodic import periodic
from ranker.store.catalogue import CatalogueShard, CatalogueState, Change
from ranker.store.errors import StoreFullError, StoreUnavailableError

log = logging.getLogger(__name__)

POLL_MS = 250
CHECK_S = 10.0
"""How often the log's end is compared with our offset: not every broker refuses a read beyond it."""
SHORTER_S = 30.0
"""How long a log may seem shorter than before (end offsets can lag) until it counts as another one."""
AGAIN_S = (0.5, 10.0)
CALM_S = 60.0
"""After so long without trouble the pauses between attempts are short again."""


async def run_catalogue(
    open_log: Callable[[], ArticleLog], client: Any, trouble: Callable[[str, str | None], None]
) -> None:
    """Copies the articles until cancelled; starts over, with growing pauses, whenever Kafka or Redis is away.

    `trouble` is called with the name "catalogue" and the problem, or None once it is over.
    """

    async def follow() -> bool:
        began = time.monotonic()
        articles = open_log()
        try:
            partitions = await articles.start()
            async with asyncio.TaskGroup() as group:
                for partition in range(partitions):
                    shard = CatalogueShard(client, partition)
                    group.create_task(_Follower(articles, shard, partition, partitions, trouble).run())
        except* (LogUnavailableError, LogRefusedError, StoreUnavailableError, StoreFullError) as errors:
            trouble("catalogue", f"articles are not taken in: {errors.exceptions[0]}")
        finally:
            await articles.stop()
        return time.monotonic() - began > CALM_S

    await periodic(AGAIN_S[0], follow, at_most_s=AGAIN_S[1])


class _Follower:
    """Keeps one partition of the catalogue up to date with the log."""

    def __init__(
        self,
        articles: ArticleLog,
        shard: CatalogueShard,
        partition: int,
        partitions: int,
        trouble: Callable[[str, str | None], None],
    ) -> None:
        self._trouble = trouble
        self._log = articles
        self._shard = shard
        self._partition = partition
        self._partitions = partitions

    async def run(self) -> None:
        """Runs until cancelled; raises the errors of log and store."""
        while True:
            state = await self._open()
            self._trouble("catalogue", None)
            checked = time.monotonic()
            while True:
                records = await self._log.poll(self._partition, POLL_MS)
                if records:
                    if records[0].offset < state.n:
                        break
                    ahead = await self._take(state, records)
                    if ahead is None:
                        break
                    state = ahead
                elif time.monotonic() - checked > CHECK_S:
                    checked = time.monotonic()
                    stored = await self._shard.load()
                    if stored != state or await self._log.end(self._partition) < state.n:
                        break

    async def _open(self) -> CatalogueState:
        """The stored state to continue from; begins anew if nothing is stored, or the articles of another log."""
        state = await self._shard.load()
        while state is None or await self._is_another(state):
            instead_of = state.lineage if state else ""
            if state:
                log.warning("topic articles is another one than before; reading it from the start")
            await self._shard.begin(secrets.token_hex(8), self._partitions, instead_of)
            state = await self._shard.load()
        self._log.seek(self._partition, state.n)
        return state

    async def _is_another(self, state: CatalogueState) -> bool:
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

    async def _last_of(self, state: CatalogueState) -> Record | None:
        """The log's record at the offset of the last stored one; None if it has none there."""
        if not state.last:
            return None
        offset = int(state.last.partition(":")[0])
        self._log.seek(self._partition, offset)
        records = await self._log.poll(self._partition, 1000, limit=1)
        return records[0] if records and records[0].offset == offset else None

    async def _take(self, state: CatalogueState, records: Sequence[Record]) -> CatalogueState | None:
        """Applies records; None if another process was faster or Redis has lost some."""
        changes: list[Change] = []
        bad: list[str] = []
        for record in records:
            wrong = _key_fault(record.key) if record.value is None else fault(record.key, record.value)
            if wrong is not None:
                bad.append(f"{record.offset}: {wrong}")
            else:
                changes.append(Change(record.key or b"", record.value, record.offset))
        if bad:
            log.warning("articles left out", extra={"partition": self._partition, "records": len(bad), "first": bad[0]})
        ahead = CatalogueState(state.lineage, records[-1].offset + 1, _mark(records[-1]))
        return ahead if await self._shard.advance(state, ahead.n, ahead.last, changes) else None


def _key_fault(key: bytes | None) -> str | None:
    """Why a tombstone's key names no article; None if it does. The keys of other records are checked by `fault`."""
    if key is None:
        return "a record without key and value"
    try:
        site, _, article = split_key(key)[0].decode().partition("/")
    except UnicodeDecodeError:
        return "the key is not UTF-8"
    return None if site_ok(site) and id_ok(article) else "the key names no article of a site"


def _mark(record: Record) -> str:
    return f"{record.offset}:{record.timestamp}:{crc(record)}"
