"""Wall clocks that step: what T may follow, for how long it is held, and who says so. No clock here is the machine's."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ranker.consume.clocks import Clocks
from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.errors import PartitionStoppedError, Stop
from ranker.consume.loop import Consumer
from ranker.consume.worker import Worker
from ranker.core.fold import Fold
from ranker.core.generation import Generation
from ranker.core.route import Router
from ranker.core.step import Version
from ranker.core.watermark import LEAP_MS, STEADY_MS, TOLERANCE_MS, WallClock, age_ms, may_follow
from ranker.metrics import ConsumerMetrics, new_registry
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

NOW_S = 1_795_396_624.0
DAY_S = 86_400.0


@dataclass
class Machine:
    """A process and a Redis of which the clocks can be set; `elapsed_s` passes for both."""

    elapsed_s: float = 50.0
    process_off_s: float = 0.0
    store_off_s: float = 0.0
    answer_s: float = 0.0
    """How long Redis takes to answer, after it has read its clock."""

    def __post_init__(self) -> None:
        self.clocks = Clocks(self._store_ms, lambda: self.true_s + self.process_off_s, lambda: self.elapsed_s)

    @property
    def true_s(self) -> float:
        return NOW_S + self.elapsed_s

    async def _store_ms(self) -> int:
        answer = round((self.true_s + self.store_off_s) * 1000)
        self.elapsed_s += self.answer_s
        return answer

    async def live(self, seconds: float) -> None:
        """Time passes, measured once a second."""
        for _ in range(round(seconds)):
            self.elapsed_s += 1
            await self.clocks.measure()

    def jump(self, seconds: float) -> None:
        """Both clocks are set."""
        self.process_off_s += seconds
        self.store_off_s += seconds

    @property
    def off_s(self) -> float:
        """What T may follow, less the true time."""
        return round(self.clocks.wall_ms() / 1000 - self.true_s, 1)


async def test_a_clock_that_jumps_ahead_and_back_moves_nothing() -> None:
    """
    wall        ──┐day    ┌──          6 s later it is back; held until ten minutes after that
    believed    ──┴───────┴────────
    """
    machine = Machine()
    await machine.live(3)
    machine.jump(DAY_S)
    assert machine.off_s == 0.0, "before anything was measured again"
    await machine.live(6)
    assert machine.off_s == 0.0
    machine.jump(-DAY_S)
    await machine.live(STEADY_MS / 1000 - 1)
    assert (machine.off_s, machine.clocks.held) == (0.0, True)
    await machine.live(3)
    assert (machine.off_s, machine.clocks.held) == (0.0, False)


@pytest.mark.parametrize("off_s", [3.0, 3600.0, DAY_S])
async def test_a_clock_that_was_put_right_is_followed_after_ten_minutes(off_s: float) -> None:
    """Every further step begins them anew."""
    machine = Machine()
    await machine.live(3)
    machine.jump(off_s / 2 + 2)
    await machine.live(300)
    machine.jump(off_s / 2 - 2)
    await machine.live(STEADY_MS / 1000 - 2)
    assert machine.off_s == 0.0 or off_s == 3.0
    await machine.live(3)
    assert (machine.off_s, machine.clocks.held) == (off_s, False)


async def test_a_clock_set_back_is_followed_at_once() -> None:
    """T is never ahead of the lesser of both clocks; it stands until they have reached it."""
    machine = Machine()
    await machine.live(3)
    machine.jump(-3600)
    assert (machine.off_s, machine.clocks.held) == (-3600.0, True)


async def test_one_clock_that_jumps_ahead_alone_is_no_step() -> None:
    """The other one is the lesser, and runs evenly; they disagree, so nothing is retired either."""
    machine = Machine()
    await machine.live(3)
    machine.process_off_s += DAY_S
    await machine.live(2)
    assert (machine.off_s, machine.clocks.held, machine.clocks.agree) == (0.0, False, False)
    machine.process_off_s -= DAY_S
    machine.store_off_s += DAY_S
    await machine.live(2)
    assert (machine.off_s, machine.clocks.held, machine.clocks.agree) == (0.0, False, False)


async def test_a_slow_answer_of_redis_is_no_step() -> None:
    """It says how its clock stood some seconds ago, which is not how it stands."""
    machine = Machine()
    await machine.live(3)
    machine.answer_s = 4.0
    await machine.live(3)
    machine.answer_s = 0.0
    await machine.live(1)
    assert (machine.off_s, machine.clocks.held) == (0.0, False)


async def test_a_clock_that_is_slewed_is_followed() -> None:
    """As time services do it: half a second in a thousand, for hours."""
    machine = Machine()
    for _ in range(3600):
        machine.jump(0.0005)
        await machine.live(1)
    assert (machine.off_s, machine.clocks.held) == (1.8, False)


def test_a_process_that_has_just_started_does_not_leap() -> None:
    """It has seen no step. What state and log vouch for it may follow, and everything once ten minutes have passed."""
    wall = WallClock()
    wall.believed_ms(10 * LEAP_MS, 0)
    assert not wall.steady(STEADY_MS - 1)
    assert wall.steady(STEADY_MS)
    assert may_follow(10 * LEAP_MS, 9 * LEAP_MS, steady=False)
    assert not may_follow(10 * LEAP_MS, 9 * LEAP_MS - 1, steady=False)
    assert may_follow(10 * LEAP_MS, 0, steady=True)


def test_an_age_below_zero_is_a_fault_and_nothing_else() -> None:
    """Clocks may differ by two seconds: that is no age at all."""
    assert [age_ms(5_000, clock) for clock in (1_000, 5_000, 5_000 + TOLERANCE_MS)] == [4_000, 0, 0]
    assert age_ms(5_000, 5_001 + TOLERANCE_MS) == -1 - TOLERANCE_MS


async def test_readiness_says_that_a_clock_has_stepped() -> None:
    """And what follows from it, until it has run evenly."""
    machine = Machine()
    nobody = cast("Any", None)
    consumer = Consumer(nobody, machine.clocks, ConsumerMetrics(new_registry(), []), nobody, nobody, nobody)
    await machine.live(2)
    assert not any("stepped" in reason for reason in consumer.not_ready())
    machine.jump(DAY_S)
    await machine.live(1)
    assert any("stepped" in reason for reason in consumer.not_ready())


def worker_of(machine: Machine, metrics: ConsumerMetrics) -> Worker:
    """Partition 3, with neither a log nor a gate."""
    generation, nobody = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS), cast("Any", None)
    rest = (machine.clocks, metrics, DeadLetterLimit(3, 1.0, 100), 0.25, None)
    fold, router = Fold(generation), Router(generation)
    return Worker(generation, fold, router, 3, nobody, nobody, nobody, *rest, accept_create_time=False)


async def test_a_process_that_was_away_says_that_t_waits() -> None:
    """A quiet topic, and T older than the clock was watched: readiness has a sentence until a record comes."""
    machine = Machine()
    await machine.live(3)
    nobody = cast("Any", None)
    metrics = ConsumerMetrics(new_registry(), [])
    worker = worker_of(machine, metrics)
    consumer = Consumer(nobody, machine.clocks, metrics, nobody, nobody, nobody)
    consumer._workers[3] = worker
    now_ms = machine.clocks.wall_ms()
    long_ago = now_ms - LEAP_MS - 1
    session = SimpleNamespace(
        version=Version("l", 100, (0, 0)), watermark_ms=long_ago, known_ms=long_ago, refused=False
    )
    worker._session = cast("Any", session)
    worker.seen_end(now_ms, 100)
    assert session.watermark_ms == long_ago
    assert any("partition 3: no record has come" in reason for reason in consumer.not_ready())
    assert machine.clocks.proven_ms(long_ago) == long_ago, "nor may floors be moved by it for lack of memory"
    session.known_ms = now_ms - LEAP_MS
    worker.seen_end(now_ms, 100)
    assert session.watermark_ms == now_ms
    assert not any("no record has come" in reason for reason in consumer.not_ready())


async def test_what_was_applied_last_is_the_lag_of_a_partition_that_stops() -> None:
    """The log's end is seen once a second; a partition that stops between two looks keeps what it knows by itself."""
    machine = Machine()
    registry = new_registry()
    metrics = ConsumerMetrics(registry, [])
    worker = worker_of(machine, metrics)
    session = SimpleNamespace(version=Version("l", 100, (0, 0)), watermark_ms=0, known_ms=0)
    worker._session = cast("Any", session)
    worker.seen_end(machine.clocks.wall_ms(), 50_000)
    session.version = Version("l", 49_900, (0, 0))
    worker._stop(PartitionStoppedError("partition 3: enough", Stop.FOLD))
    worker.seen_end(machine.clocks.wall_ms(), 50_000)
    assert registry.get_sample_value("ranker_lag_records", {"partition": "3"}) == 100
