"""One partition: takes folded chunks, applies them as steps, does the upkeep. Never more than one step in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import replace

from ranker.consume.batch import Batch, Batches, most_cost
from ranker.consume.build_step import build_step
from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.errors import PartitionStoppedError, RefusedError, Stop, panics_stop
from ranker.consume.folding import Folding, together, until_stopped
from ranker.consume.gate import Gate
from ranker.consume.schema_wait import SchemaWait
from ranker.consume.session import Session
from ranker.consume.upkeep import Upkeep
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.route import Router
from ranker.core.step import Reply
from ranker.core.watermark import age_ms, behind_ms
from ranker.log.chunks import Chunk
from ranker.log.consumer import PageViewLog
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.errors import LogRefusedError, LogUnavailableError, OffsetOutsideError
from ranker.log.value_schemas import ValueSchemas
from ranker.metrics import ConsumerMetrics
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.shard import ShardState

log = logging.getLogger(__name__)

_TICK_S = 1.2
"""At the latest: a tick follows each look at the log's end, once a second, so T is stored as soon as it has moved."""
_STRAYS_EVERY_TICKS, _FORGET_EVERY_TICKS, _AGAIN_S = 3_600, 600, 1.0


class Worker:
    """`run` lasts from assignment to revocation; the polling loop calls `take`."""

    def __init__(
        self,
        generation: Generation,
        fold: Fold,
        router: Router,
        partition: int,
        page_views: PageViewLog,
        gate: Gate,
        dead_letters: DeadLetters,
        clocks: Clocks,
        metrics: ConsumerMetrics,
        dead_stretch: DeadLetterLimit,
        flush_s: float,
        schemas: ValueSchemas | None,
        *,
        accept_create_time: bool,
    ) -> None:
        self.partition = partition
        self.stopped: PartitionStoppedError | None = None
        """Why the partition is stopped, until its process is started again."""
        self.waiting = ""
        """Why its gate does not open yet."""
        self.waits_for_clock = False
        """All is applied, but T does not move: the clock was watched too briefly (core/watermark.py, LEAP_MS)."""
        self._folding = Folding(partition, fold, accept_create_time=accept_create_time)
        self._log = page_views
        self._gate = gate
        self._dead_letters = dead_letters
        self._clocks = clocks
        self._metrics = metrics
        self._dead_stretch = dead_stretch
        self._router = router
        self._upkeep = Upkeep(generation)
        self._batches = Batches(generation, flush_s)
        self._session: Session | None = None
        self._expected = 0
        self.known: tuple[int, int] | None = None
        """n and T as last stored, whether the gate is open or not."""
        self._beyond_end: tuple[int, int, float] | None = None
        """(n, end, since when) if n lies beyond the log's end."""
        self._lagging_end: tuple[int, int] | None = None
        """(n, end) whose last counted record was found in the log: the end offset lags, the log is the right one."""
        self.gate_fault: type[Exception] | None = None
        """What kept its gate from opening."""
        self._wake = asyncio.Event()
        self.schema_wait = SchemaWait(partition, schemas, metrics, self._wake.set)
        self._ticks, self._next_tick_s = 0, 0.0

    @property
    def wants_records(self) -> bool:
        """The gate is open, the batches are not full, and the next records can be decoded."""
        return self._session is not None and not self._batches.full and not self.schema_wait.is_on

    @property
    def is_open(self) -> bool:
        return self._session is not None

    @property
    def is_refused(self) -> bool:
        """The store has no memory for more counts; old ones are still retired."""
        return self.gate_fault is StoreFullError or (self._session is not None and self._session.refused)

    @property
    def applied(self) -> int | None:
        """The next offset to apply, None while the gate is closed."""
        return None if self._session is None else self._session.version.n

    async def run(self) -> None:
        """Opens the gate and applies batches; opens it again after each refusal."""
        while True:
            try:
                self._session = await self._gate.open(self._loaded)
                self.waiting, self.gate_fault = "", None
                self._expected, self._batches.log_end = self._session.version.n, self._session.log_end
                log.info("open", extra={"partition": self.partition, "n": self._expected})
                with panics_stop(self.partition, self._batches.clear):
                    await self._work(self._session)
            except RefusedError as refused:
                log.warning("refused", extra={"partition": self.partition, "reply": refused.reply.value})
            except (PartitionStoppedError, LogRefusedError) as error:
                self._stop(error)
                return
            except (StoreUnavailableError, StoreFullError, LogUnavailableError, OffsetOutsideError) as error:
                self.waiting, self.gate_fault = str(error), type(error)
                log.warning("waiting", extra={"partition": self.partition, "why": self.waiting})
                self._close()
                await asyncio.sleep(_AGAIN_S)
            finally:
                self._close()
                await self._folding.at_rest()

    def _loaded(self, state: ShardState) -> None:
        if self.known is not None and state.version.n < self.known[0]:
            self._metrics.rewinds.inc()  # not when the reply says so: a lost connection can hide that reply
        self.known = state.version.n, state.watermark_ms

    def _stop(self, error: PartitionStoppedError | LogRefusedError) -> None:
        self._close()
        if isinstance(error, LogRefusedError):
            error = PartitionStoppedError(f"partition {self.partition}: {error}", Stop.REFUSED)
        self.stopped = error
        self._metrics.partition_stopped.labels(self.partition, error.stop.value).set(1)
        log.error(str(error))  # a sentence for operators, not a fault of the code

    def _close(self) -> None:
        if self._session is not None:
            self.known = self._session.version.n, self._session.watermark_ms
        self._session = None
        self._batches.clear()
        self._dead_stretch.forget()
        self.schema_wait.end()

    def seek_expected(self) -> None:
        """After a failed poll: the records it had drained are lost, so reading restarts at the expected offset."""
        if self._session is not None:
            self._log.seek(self.partition, self._expected)

    def reopen(self) -> None:
        """Has the gate opened anew: the log does not contain our offset."""
        self._expected = -1
        self._wake.set()

    async def take(self, chunks: Iterable[Chunk], now_s: float) -> None:
        """Batches chunks; stops at the first one that does not start where the last one ended."""
        for some in together(chunks):
            session, begin, accepted = self._session, some[0].start, self._dead_stretch.accepted
            if session is None or self.stopped is not None:
                return
            if begin != self._expected or self.schema_wait.begins(some[0].records, accepted):
                self.seek_expected()
                break
            folded = await self._folding.counts(some, session.memory, accepted, most_cost(session.articles))
            if self._session is not session or self._expected != begin:
                return  # the gate has closed meanwhile: its next opening drops what the memory has of these
            try:
                with panics_stop(self.partition, self._batches.clear):
                    for start, end, counts, epoch in until_stopped(folded):
                        if counts is not None:
                            self._dead_stretch.look(start, end, counts)
                        self._expected = end
                        self._batches.put(start, end, counts, now_s, session.articles, epoch)
            except PartitionStoppedError as stopped:
                self.stopped = stopped
                break
        self._wake.set()

    async def _work(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.schema_wait.check()
            if self._expected < 0:
                raise OffsetOutsideError("the log moved on without us")
            due_s = self._batches.due_s()
            if due_s is not None and due_s <= loop.time():
                await self._apply(session, self._batches.pop())
            elif self.stopped is not None:
                raise self.stopped
            if loop.time() >= self._next_tick_s:
                self._next_tick_s = loop.time() + _TICK_S
                await self._tick(session)
            wait_s = min(self._next_tick_s, self._batches.due_s() or self._next_tick_s) - loop.time()
            if wait_s > 0 and self._batches.due_s() != 0:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    # not wait_for: it can swallow a cancellation that comes together with the event
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()

    async def _apply(self, session: Session, batch: Batch) -> None:
        """One batch, until it is applied: its counts stay the same, and are routed again if the floors move."""
        partial = batch.partial
        if batch.epoch != session.epoch:
            await self._gate.check_last_counted(session.mark)
            session.epoch = batch.epoch
        if partial.rejected:
            await self._dead_letters.write(self.partition, partial.rejected)
        # which batches can be unpacked depends on more than the log
        lineage = secrets.token_hex(8) if partial.lost else None
        watermark_ms = 0 if partial.mark is None else behind_ms(partial.mark.proven_ms, self._clocks.wall_ms())
        while True:
            changes = self._router.changes(partial, session.version.floors)
            gap_ms = batch.gap_ms(self._clocks.wall_ms())
            step = await build_step(session, batch, changes, lineage=lineage, watermark_ms=watermark_ms, gap_ms=gap_ms)
            try:
                await session.advance(step)
            except StoreFullError:
                await self._upkeep.run_when_full(session, self._clocks.proven_ms(session.known_ms))
                await asyncio.sleep(_AGAIN_S)
                continue
            except RefusedError as refused:
                if refused.reply is Reply.FLOORS and await session.reload():
                    continue
                raise
            break
        if session.refused:
            await self._memory_again(session)
        batch.show(self._metrics, self._clocks.wall_ms(), self.partition)

    async def _memory_again(self, session: Session) -> None:
        """Batches are accepted again; lists become complete once T has caught up with the floors."""
        if self._upkeep.caught_up_with_floors(session):
            await session.advance(replace(session.step(), refused=False))

    def seen_end(self, requested_ms: int, end: int) -> None:
        """`end` is the log's end some time after `requested_ms`: if all below it is applied, T becomes that time."""
        session = self._session
        self.waits_for_clock = False
        if session is not None:
            self.known = session.version.n, session.watermark_ms
        if self.known is None:
            return  # not loaded yet: 0 would be wrong
        n, watermark_ms = self.known
        foreign = self.stopped is not None and self.stopped.stop is Stop.FOREIGN_LOG
        waiting = end if foreign and end < n else max(0, end - n)  # of another, shorter log nothing is counted
        self._metrics.show_lag(self.partition, waiting, age_ms(requested_ms, watermark_ms))
        if session is None:
            return
        self._next_tick_s, self._batches.log_end = 0.0, end
        self._wake.set()
        if n > end and self._lagging_end != (n, end):
            self._check_beyond_end(n, end)
        elif n <= end and self._beyond_end is not None:
            self._beyond_end = None
            self.reopen()  # it was shorter and has grown again: the gate checks that it is the same log
        elif n >= max(end, self._expected):
            self.waits_for_clock = not self._clocks.may_follow(requested_ms, session.known_ms)
            if not self.waits_for_clock:
                session.watermark_ms = max(session.watermark_ms, requested_ms)

    def _check_beyond_end(self, n: int, end: int) -> None:
        """The log ends before n: T waits until the last counted record is found, or the patience is over."""
        now_s = asyncio.get_running_loop().time()
        since_s = now_s if self._beyond_end is None else self._beyond_end[2]
        self._beyond_end = n, end, since_s
        if now_s - since_s >= self._gate.patience_s:
            self.stopped = self._gate.foreign(f"{n} records were counted, and the log ends at {end}")
            self._wake.set()

    async def _tick(self, session: Session) -> None:
        self._ticks += 1
        strays_due = self._ticks % _STRAYS_EVERY_TICKS == 0
        wall = self._clocks.wall_ms()
        try:
            await self._upkeep.run(session, wall, clocks_agree=self._clocks.agree, strays_due=strays_due)
            if self._ticks % _FORGET_EVERY_TICKS == 0:
                await self._upkeep.forget_inactive(session)
            if session.refused:
                await self._memory_again(session)
        except StoreFullError:
            await self._upkeep.run_when_full(session, self._clocks.proven_ms(session.known_ms))
        beyond_end = self._beyond_end  # `seen_end` may clear it while the log is read
        if beyond_end is not None and await self._gate.log_has(session.mark):
            self._lagging_end, self._beyond_end = beyond_end[:2], None
        self._metrics.show_shard(self.partition, session.strays, len(session.live), session.remembered)
