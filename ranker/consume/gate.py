"""Opens a partition: loads the state (or creates it), recognises the log, steps over a gap, seeks to n."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace

from ranker.consume.clocks import Clocks
from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.consume.homes import Homes
from ranker.consume.memories import Memories
from ranker.consume.session import Session, Unsealed
from ranker.core.floors import first_append_ms, floors_at
from ranker.core.generation import FUTURE_MS, Generation
from ranker.core.partial_counts import Mark
from ranker.core.step import Version
from ranker.log.consumer import PageViewLog
from ranker.log.errors import LogUnavailableError
from ranker.metrics import ConsumerMetrics
from ranker.store.shard import ShardState, ShardStore

log = logging.getLogger(__name__)

_PATIENCE_S = 30
"""How long n may lie beyond the log's end (a lagging broker, an unclean election) before it counts as another log."""


class Gate:
    """For one partition of one generation. `trouble` and `homes` are passed to its sessions."""

    def __init__(
        self,
        page_views: PageViewLog,
        store: ShardStore,
        generation: Generation,
        partition: int,
        clocks: Clocks,
        metrics: ConsumerMetrics,
        trouble: Callable[[str | None], None],
        homes: Homes,
        memories: Memories,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._log = page_views
        self._store = store
        self._generation = generation
        self._partition = partition
        self._clocks = clocks
        self._metrics = metrics
        self._trouble = trouble
        self._homes = homes
        self._memories = memories
        self.patience_s = patience_s

    async def open(self, loaded: Callable[[ShardState], None] = lambda _: None) -> Session:
        """A session whose version is stored and whose log is recognised; the next poll starts at its n.

        `loaded` is called with the stored state before any waiting: from then on lag is measured.

        Raises PartitionStoppedError if the state belongs to another log or another version of this software.
        """
        state = await self._store.load()
        if state is None:
            await self._begin()
            state = await self._store.load()
            if state is None:
                raise PartitionStoppedError(
                    f"partition {self._partition}: Redis forgets what is written to it; check its eviction policy",
                    Stop.STATE,
                )
        loaded(state)
        if state.foreign:
            raise PartitionStoppedError(
                f"partition {self._partition}: its counts in Redis were dropped or written in another format; "
                "start the version of the software that wrote them, or raise epoch in ranker.toml for a new generation",
                Stop.STATE,
            )
        log_end = await self._check_log_end(state)
        memory = await self._memories.load(self._partition, self._store, state)
        session = Session(
            self._store,
            self._generation,
            self._partition,
            self._log.partitions(),
            state,
            self._metrics,
            self._trouble,
            self._homes,
            memory,
            log_end,
        )
        await self._step_over_gap(session)
        await self._claim_strays(session)
        lengths = await self._store.slice_lengths(session.live)
        session.unsealed |= {
            slice_id: Unsealed(session.watermark_ms, fresh=False, deltas=length)
            for slice_id, length in lengths.items()
            if length > 1
        }
        self._log.seek(self._partition, session.version.n)
        return session

    async def _begin(self) -> None:
        """Creates the shard: floors from the clock, n0 the first record that can count above them."""
        wall = self._clocks.wall_ms()
        floors = floors_at(self._generation, wall)
        since = first_append_ms(self._generation, floors, FUTURE_MS)
        # before the timestamps: a record appended in between must not be skipped
        end = (await self._log.ends([self._partition]))[self._partition]
        found = await self._log.first_at(self._partition, since)
        n0 = end if found is None else found
        beginning = await self._log.beginning(self._partition)
        if beginning < n0 and not await self._log.has_append_times(self._partition, beginning, n0):
            n0 = beginning  # by time it is not found; the worker stops at the first record that has none, and names it
        gap_ms = None
        if beginning:
            # If no record is older than `since`, the log starts inside the window, and deleted ones may count.
            # Not by comparing first offsets: the first may be a hole (an aborted or a control batch).
            oldest = await self._log.mark_at(self._partition, beginning)
            if oldest is None or oldest.offset >= n0:
                gap_ms = _gap_ms(oldest, wall)
        version = Version(secrets.token_hex(8), n0, floors)
        await self._store.init(version, since, self._log.partitions(), gap_ms)
        log.info("begun", extra={"partition": self._partition, "n": n0, "gap": gap_ms is not None})

    async def _check_log_end(self, state: ShardState) -> int:
        """Checks that the log reaches up to n and is the one that was counted; returns its end."""
        n, mark = state.version.n, state.mark
        until = asyncio.get_running_loop().time() + self.patience_s
        while n > (end := (await self._log.ends([self._partition]))[self._partition]):
            if await self.log_has(mark):
                return end
            if asyncio.get_running_loop().time() >= until:
                raise self.foreign(f"{n} records were counted, and the log ends at {end}")
            await asyncio.sleep(min(1.0, self.patience_s / 10))
        await self.check_last_counted(mark)
        return end

    async def check_last_counted(self, mark: Mark | None) -> None:
        """Compares the last counted record with the one at its offset now, if the log still has that offset.

        Also called before records of another leader are applied: one that was not in sync may have lost counted records
        and have others in their place. In one leader's term a log only grows, so once for each leader is enough.
        """
        if mark is None or mark.offset < await self._log.beginning(self._partition):
            return
        found = await self._log.mark_at(self._partition, mark.offset)
        if found is None:
            raise LogUnavailableError(
                f"the record at offset {mark.offset} does not come, so the log is not recognised yet"
            )
        if found == mark or mark.offset < await self._log.beginning(self._partition):  # retention may have come by
            return
        why = f"the record at offset {mark.offset} is not the one that was counted"
        if found.offset != mark.offset:
            why += (
                f"; it is gone, and the next one is at {found.offset}. If the topic has cleanup.policy=compact, Kafka "
                "has deleted it, as it deletes views before they are counted: have it set to delete"
            )
        raise self.foreign(why)

    async def log_has(self, mark: Mark | None) -> bool:
        """Whether the log has this record: then an end offset below it lags, as the embedded broker's do."""
        return mark is not None and await self._log.mark_at(self._partition, mark.offset) == mark

    def foreign(self, why: str) -> PartitionStoppedError:
        return PartitionStoppedError(
            f"partition {self._partition}: this is not the log that was counted ({why}); was the topic created again? "
            "Point RANKER_KAFKA_BOOTSTRAP and topic to the log that was counted, or raise epoch in ranker.toml, "
            "which begins a new generation on this log",
            Stop.FOREIGN_LOG,
        )

    async def _step_over_gap(self, session: Session) -> None:
        """If retention passed n: counts the lost offsets; the lineage is new, and lists are incomplete for a window."""
        beginning = await self._log.beginning(self._partition)
        n = session.version.n
        if n >= beginning:
            return
        after = Version(secrets.token_hex(8), beginning, session.version.floors)
        gap_ms = _gap_ms(await self._log.mark_at(self._partition, beginning), self._clocks.wall_ms())
        step = replace(session.step(after), gap_ms=gap_ms, counters={"lost": beginning - n})
        await session.advance(step, when_full=True)  # adds no count, and only an open gate can retire old ones
        self._metrics.gaps.inc()
        self._metrics.lost_records.inc(beginning - n)
        log.warning("gap", extra={"partition": self._partition, "from": n, "to": beginning})

    async def _claim_strays(self, session: Session) -> None:
        """If the strays were made for another number of partitions, marks them as made for none, until the scan ends.

        With a new lineage, so that a consumer with the other number is refused: its steps mark strays by that number.
        """
        if session.made_for == session.partitions:
            return
        after = Version(secrets.token_hex(8), session.version.n, session.version.floors)
        await session.advance(replace(session.step(after), partitions=0), when_full=True)


def _gap_ms(first: Mark | None, wall_ms: int) -> int:
    """When a gap ended, by the first record after it; now if that is unknown."""
    return min(first.proven_ms, wall_ms) if first is not None and first.proven_ms else wall_ms
