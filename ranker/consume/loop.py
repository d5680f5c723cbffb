"""The loop of `ranker consume`: rebalances, polling, the clocks. Every rebalance closes all gates."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from ranker.consume import readiness
from ranker.consume.clocks import Clocks
from ranker.consume.worker import Worker
from ranker.log.consumer import PageViewLog
from ranker.log.errors import LogUnavailableError, OffsetOutsideError
from ranker.metrics import ConsumerMetrics
from ranker.service.periodic import periodic
from ranker.store.errors import StoreFullError, StoreUnavailableError

log = logging.getLogger(__name__)

_POLL_MS = 100
_BUSY_POLL_MS = 10
"""While a partition waits for the store: it must be polled again soon after it has room."""
_TICK_S = 1.0
_AGAIN_S = 0.5


class Consumer:
    """One process' share of the partitions.

    `worker_for` makes the worker of a partition; its second argument is called with the worker's trouble, then None.
    `keep` is called with the partitions of each assignment: what is kept of others may be forgotten.
    `before_opening` is called with the number of partitions before any gate opens (it raises `active.partitions`).
    """

    def __init__(
        self,
        page_views: PageViewLog,
        clocks: Clocks,
        metrics: ConsumerMetrics,
        worker_for: Callable[[int, Callable[[str | None], None]], Worker],
        keep: Callable[[Collection[int]], None],
        before_opening: Callable[[int], Awaitable[None]],
    ) -> None:
        self._log = page_views
        self._clocks = clocks
        self._metrics = metrics
        self._worker_for = worker_for
        self._keep = keep
        self._before_opening = before_opening
        self._workers: dict[int, Worker] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._leaving: list[asyncio.Task[None]] = []
        """Cancelled workers of the last assignment."""
        self._opening: asyncio.Task[None] | None = None
        self._joined = self._missing = False
        self._trouble: dict[str, str] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def has(self, partition: int) -> bool:
        """Whether this partition is read and applied here now."""
        return partition in self._workers and self._workers[partition].is_open

    def open_partitions(self) -> list[int]:
        """Those that are read and applied here now."""
        return [partition for partition, worker in self._workers.items() if worker.is_open]

    def stopped(self) -> list[str]:
        """Why partitions that are read here have stopped, as sentences."""
        return [str(worker.stopped) for worker in self._workers.values() if worker.stopped is not None]

    def not_ready(self) -> Sequence[str]:
        """Why this process is not ready, as sentences; empty when it is."""
        reasons = list(self._trouble.values())
        if not self._joined:
            reasons.append("no partitions are assigned yet")
        elif not self._log.partitions():
            reasons.append(self._no_topic())
        if not self._clocks.agree:
            reasons.append(f"the clocks of this process and of Redis differ by {self._clocks.offset_s:.1f} s: fix NTP")
        if self._clocks.held:
            reasons.append(
                "the clock of this machine or of Redis has stepped; T follows it as it was before until it has run "
                "evenly for ten minutes: fix NTP"
            )
        else:
            reasons += [readiness.ahead(worker, self._clocks.wall_ms()) for worker in self._workers.values()]
        reasons += map(readiness.why_not, self._workers.values())
        return list(filter(None, reasons))

    def _no_topic(self) -> str:
        """A member without partitions is ready, unless there are none at all."""
        return (
            f"{self._log.no_topic}; if it was deleted, the new one is another log than was counted: raise epoch in "
            "ranker.toml, which begins a new generation"
        )

    def trouble(self, where: str, what: str | None) -> None:
        """Sets or clears a reason for not being ready; logs each change once."""
        if what is None:
            if self._trouble.pop(where, None) is not None:
                log.info("again", extra={"where": where})
        elif self._trouble.get(where) != what:
            self._trouble[where] = what
            log.warning(what)

    async def run(self) -> None:
        """Until cancelled. An unexpected error ends it, since to hide one could hide lost counts.

        Waits for Kafka.
        """
        await self.until_kafka(partial(self._log.start, self._close_gates, self._assigned))
        self._metrics.show_kafka(up=True)
        self._metrics.fold_seam_active.set(self._log.patch_active)
        ticking = asyncio.create_task(periodic(_TICK_S, self._tick), name="clock")
        polling = asyncio.create_task(self._poll(), name="poll")
        try:
            await asyncio.wait({ticking, polling, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            for done in (ticking, polling, self._failed):
                if done.done():
                    done.result()
        finally:
            for task in (ticking, polling):
                task.cancel()
            self._close_gates()
            await asyncio.gather(ticking, polling, return_exceptions=True)
            await self._log.stop()

    async def until_kafka(self, start: Callable[[], Awaitable[None]]) -> None:
        """Calls `start` until Kafka is there; meanwhile this process is not ready, and says why."""
        self._metrics.show_kafka(up=False)
        while True:
            try:
                await start()
                break
            except LogUnavailableError as error:
                self.trouble("Kafka", str(error))
                await asyncio.sleep(_TICK_S)
        self.trouble("Kafka", None)

    def _close_gates(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        for task in self._tasks.values():
            task.cancel()
        for partition in self._workers:
            self._metrics.forget(partition)
        self._leaving = [*self._leaving, *self._tasks.values()]
        self._workers, self._tasks, self._joined = {}, {}, False
        # trouble of a partition need not be trouble of its next owner
        gone = [where for where in self._trouble if where == "poll" or where.startswith("partition ")]
        for where in gone:
            del self._trouble[where]
        self._metrics.gates_open.set(0)

    def _assigned(self, partitions: frozenset[int]) -> None:
        self._close_gates()
        log.info("assigned", extra={"partitions": sorted(partitions)})
        # not in the client's callback: it swallows exceptions, and the group waits for it
        self._opening = asyncio.create_task(self._open(partitions), name="open")
        self._opening.add_done_callback(self._ended)

    async def _open(self, partitions: frozenset[int]) -> None:
        while leaving := [task for task in self._leaving if not task.done()]:
            # two workers on one partition would move each other's offset
            _, late = await asyncio.wait(leaving, timeout=_AGAIN_S)
            for task in late:
                task.cancel()  # again: wait_for, which the clients use, swallows one now and then before Python 3.12
        self._leaving = []
        self._keep(partitions)
        while True:
            try:
                await self._before_opening(self._log.partitions())
                break
            except (StoreUnavailableError, StoreFullError) as error:
                self.trouble("store", str(error))
                await asyncio.sleep(_AGAIN_S)
        self.trouble("store", None)
        if self._opening is not asyncio.current_task():
            return  # cancelled, but the cancellation was swallowed
        for partition in sorted(partitions):
            trouble = partial(self.trouble, f"partition {partition}")
            worker = self._workers[partition] = self._worker_for(partition, trouble)
            task = self._tasks[partition] = asyncio.create_task(worker.run(), name=f"partition {partition}")
            task.add_done_callback(self._ended)
        self._joined = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            reading = [partition for partition, worker in self._workers.items() if worker.wants_records]
            if not reading:
                self._log.check_group()
                await asyncio.sleep(_BUSY_POLL_MS / 1000)
                continue
            waiting = len(reading) < len(self._workers)
            try:
                polled = await self._log.poll(reading, _BUSY_POLL_MS if waiting else _POLL_MS)
            except (OffsetOutsideError, LogUnavailableError) as error:
                self._after_failed_poll(error)
                await asyncio.sleep(_AGAIN_S)
                continue
            self.trouble("poll", None)
            for partition, chunks in polled.items():
                if partition in self._workers:
                    await self._workers[partition].take(chunks, loop.time())
            await asyncio.sleep(0)  # a poll that finds records does not suspend: let the steps be sent

    def _after_failed_poll(self, error: Exception) -> None:
        # records of other partitions that the failed call had drained are lost: each restarts at its expected offset
        for worker in self._workers.values():
            if isinstance(error, OffsetOutsideError):
                worker.reopen()
            else:
                worker.seek_expected()
        self.trouble("poll", str(error))

    def _commit(self) -> None:
        """Commits offsets here and not in the workers, so that none of them waits for it."""
        applied = {partition: worker.applied for partition, worker in self._workers.items()}
        self._log.commit({partition: n for partition, n in applied.items() if n is not None})

    async def _tick(self) -> None:
        """Measures the clocks, notes the time, and only then requests the log's ends."""
        is_missing = self._joined and not self._log.partitions()
        if is_missing and not self._missing:
            log.warning(self._no_topic())
        self._missing = is_missing
        try:
            try:
                await self._measure_clocks()
            except StoreUnavailableError:
                with contextlib.suppress(LogUnavailableError):
                    await self._ends()  # whether Kafka replies is shown in any case
                raise
            await self._look_at_ends()
            self._commit()
        except (LogUnavailableError, StoreUnavailableError, OffsetOutsideError) as error:
            self.trouble("clock", str(error))

    async def _measure_clocks(self) -> None:
        """Raises StoreUnavailableError."""
        waiting = any(worker.waits_for_clock for worker in self._workers.values())
        self._metrics.clock_held.set(self._clocks.held or waiting)
        self._metrics.gates_open.set(len(self.open_partitions()))
        try:
            await self._clocks.measure()
        except StoreUnavailableError:
            self._metrics.show_redis(up=False)
            raise
        # a partition's trouble is that Redis, or its node of a Cluster, does not take its step
        waits = any(where.startswith("partition ") for where in self._trouble)
        waits |= any(worker.gate_fault is StoreUnavailableError for worker in self._workers.values())
        self._metrics.show_redis(up=not waits, clock_offset_s=self._clocks.offset_s)
        for partition, worker in self._workers.items():
            self._metrics.store_full.labels(partition).set(worker.is_refused)

    async def _look_at_ends(self) -> None:
        """Raises LogUnavailableError."""
        requested_ms = self._clocks.wall_ms()
        ends = await self._ends()
        for partition, end in ends.items():
            if partition in self._workers:
                self._workers[partition].seen_end(requested_ms, end)
        missing = sorted(self._workers.keys() - ends.keys())
        for partition in missing:
            self._metrics.forget_lag(partition)
        self.trouble("clock", f"partitions {missing} do not answer: have they a leader?" if missing else None)

    async def _ends(self) -> dict[int, int]:
        """The log's ends; none if no worker needs them and Kafka is away. Else raises LogUnavailableError."""
        # without a partition of ours, only to know whether Kafka replies
        requested = list(self._workers) or ([0] if self._log.partitions() else [])
        try:
            ends = await self._log.ends(requested)
        except LogUnavailableError:
            self._metrics.show_kafka(up=False)
            if self._workers:
                raise
            return {}
        if requested:
            self._metrics.show_kafka(up=True)
        return ends
