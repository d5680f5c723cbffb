"""The way from a consumer to a shard: requests and replies that come late, get lost, or arrive twice."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ranker.core.step import Reply, SliceId, Step, Version
from ranker.store.errors import StoreFullError, StoreUnavailableError
from ranker.store.program import Program
from ranker.store.shard import ShardState

_T = TypeVar("_T")


@dataclass
class Weather:
    """Shares of requests that suffer, and what is true of the server for now."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    slow: float = 0.0
    twice: float = 0.0
    away: bool = False
    full: bool = False
    replies: dict[Reply, int] = field(default_factory=dict)


class Network:
    """`carry` runs a command on a shard, one at a time, and looks at what it did."""

    def __init__(
        self,
        rng: random.Random,
        carry: Callable[[int, Callable[[Any], Awaitable[Any]]], Awaitable[Any]],
    ) -> None:
        self.weather = Weather()
        self.calm = False
        self.recent: deque[tuple[int, Program]] = deque(maxlen=16)
        """Steps that have been sent: zombies may send them again."""
        self._rng = rng
        self._carry = carry
        self._under_way: set[asyncio.Task[Any]] = set()

    def link(self, partition: int, assemble: Callable[[Step], Program], slow: float = 0.0) -> Link:
        """`slow` is the share of steps that this consumer sends late."""
        return Link(self, partition, assemble, slow)

    async def hold(self, share: float) -> None:
        if self._rng.random() < share and not self.calm:
            await asyncio.sleep(self._rng.uniform(0.1, 1.5))

    def send_again(self, partition: int, program: Program, after_s: float) -> None:
        self._detached(partition, lambda shard: shard.advance(program), after_s)

    async def ask(self, partition: int, command: Callable[[Any], Awaitable[_T]]) -> _T:
        """A request: if it or its reply gets lost, nothing has happened."""
        rng, weather = self._rng, self.weather
        lost = rng.random() < weather.lost_request + weather.lost_reply or weather.away
        there, back = self._delay(), self._delay()
        await asyncio.sleep(there)
        if lost:
            raise StoreUnavailableError("lost on purpose")
        answer: _T = await self._carry(partition, command)
        await asyncio.sleep(back)
        return answer

    async def tell(self, partition: int, command: Callable[[Any], Awaitable[_T]]) -> _T:
        """A command: once on its way it arrives, whether its sender lives, waits, or has given up."""
        rng, weather = self._rng, self.weather
        lost_request = rng.random() < weather.lost_request or weather.away
        lost_reply, twice = rng.random() < weather.lost_reply, rng.random() < weather.twice
        there, back, later = self._delay(), self._delay(), rng.uniform(0, 1.5)
        if lost_request:
            await asyncio.sleep(there)
            raise StoreUnavailableError("lost on purpose")
        arriving = self._detached(partition, command, there)
        if twice:
            self._detached(partition, command, there + later)
        if lost_reply:
            await asyncio.sleep(back)  # the sender may give up before it has arrived
            raise StoreUnavailableError("reply lost on purpose")
        reply: _T = await asyncio.shield(arriving)
        await asyncio.sleep(back)
        return reply

    def _delay(self) -> float:
        if self._rng.random() < self.weather.slow:
            return self._rng.uniform(0.2, 2.5)
        return self._rng.uniform(0.0002, 0.004)

    def _detached(self, partition: int, command: Callable[[Any], Awaitable[Any]], after_s: float) -> asyncio.Task[Any]:
        async def arrive() -> Any:
            await asyncio.sleep(after_s)
            return await self._carry(partition, command)

        task = asyncio.create_task(arrive())
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return task

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # a divergence has been noted where it was found

    async def quiet(self) -> None:
        """Until nothing is under way any more."""
        while self._under_way:
            await asyncio.wait(self._under_way)


class Link:
    """The interface of ranker.store.shard.ShardStore, for one consumer and one partition."""

    def __init__(self, network: Network, partition: int, assemble: Callable[[Step], Program], slow: float) -> None:
        self._network = network
        self._slow = slow
        self._partition = partition
        self.assemble = assemble

    async def load(self) -> ShardState | None:
        state: ShardState | None = await self._network.ask(self._partition, lambda shard: shard.load())
        return state

    async def read_slices(self, slice_ids: Iterable[SliceId]) -> tuple[Version | None, dict[SliceId, list[bytes]]]:
        wanted = list(slice_ids)
        return await self._network.ask(self._partition, lambda shard: shard.read_slices(wanted))

    async def slice_lengths(self, slice_ids: Iterable[SliceId]) -> dict[SliceId, int]:
        wanted = list(slice_ids)
        return await self._network.ask(self._partition, lambda shard: shard.slice_lengths(wanted))

    async def remembered(self, bucket: int) -> AsyncIterator[tuple[tuple[str, int] | None, list[bytes]]]:
        """Each piece is a request of its own, and anything may happen in between."""
        made: list[AsyncIterator[Any]] = []

        async def next_piece(shard: Any) -> Any:
            if not made:
                made.append(shard.remembered(bucket))
            return await anext(made[0], None)

        while (piece := await self._network.ask(self._partition, next_piece)) is not None:
            yield piece

    async def last_seen_elsewhere(self, runs: Collection[str], partitions: int) -> dict[str, int]:
        wanted = list(runs)
        return await self._network.ask(self._partition, lambda shard: shard.last_seen_elsewhere(wanted, partitions))

    async def strays(self) -> set[str]:
        return await self._network.ask(self._partition, lambda shard: shard.strays())

    async def init(self, version: Version, watermark_ms: int, partitions: int, gap_ms: int | None) -> None:
        if self._network.weather.full:
            raise StoreFullError("full on purpose")
        await self._network.tell(self._partition, lambda shard: shard.init(version, watermark_ms, partitions, gap_ms))

    async def advance(self, program: Program, *, when_full: bool = False) -> tuple[Reply, int]:
        network = self._network
        if network.weather.full and not when_full:
            raise StoreFullError("full on purpose")
        await network.hold(self._slow)
        network.recent.append((self._partition, program))
        answer: tuple[Reply, int] = await network.tell(
            self._partition, lambda shard: shard.advance(program, when_full=when_full)
        )
        network.weather.replies[answer[0]] = network.weather.replies.get(answer[0], 0) + 1
        return answer
