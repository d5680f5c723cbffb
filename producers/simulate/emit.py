"""Sends invented traffic: first a past in time order, then live events at a steady rate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from producers.client.producer import Producer
from producers.replay.replaying import pause
from producers.simulate.collector_sender import CollectorSender
from producers.simulate.steady import Say, Steady, insist
from producers.simulate.traffic import Traffic

TICK_S = 0.1
"""How often live traffic is sent."""

MOST_AT_ONCE = 20_000
"""Records of one tick at most: a backlog behind a slow broker is sent in portions."""


@dataclass(frozen=True)
class Live:
    """Live traffic: `rate` events a second, until `events` or `duration_s` is reached, whichever is first."""

    rate: float
    events: int | None = None
    duration_s: float | None = None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def write_history(
    traffic: Traffic,
    producer: Producer,
    *,
    from_ms: int,
    to_ms: int,
    count: int,
    stop: asyncio.Event,
    advance: Callable[[int], None],
) -> None:
    """Sends `count` events between the two times, in order, as fast as Kafka accepts them.

    Each with the time of its step's end, so that a topic with producers' times looks as if they had been sent then.
    """
    done = 0
    for step_end_ms, records in traffic.history(from_ms, to_ms, count):
        await producer.send_records(records, step_end_ms)
        done += len(records)
        advance(done)
        if stop.is_set():
            break
    await producer.flush()


async def go_live(
    traffic: Traffic,
    line: Steady,
    live: Live,
    *,
    stop: asyncio.Event,
    publish_articles: Callable[[int, int], Awaitable[None]],
    say: Say,
    collector: CollectorSender | None = None,
) -> int:
    """Sends live traffic; returns the number of events. Awaits `publish_articles(from_ms, to_ms)` before each tick.

    Events through the collector are part of the rate and the number. While Kafka or the collector is away, which is
    reported, nothing is sent; the events of that time are sent afterwards, with the times at which they were due.
    """
    loop = asyncio.get_running_loop()
    start_s, last_ms, sent = loop.time(), now_ms(), 0
    over = False
    while not (over or stop.is_set()):
        elapsed = loop.time() - start_s
        if live.duration_s is not None and elapsed >= live.duration_s:
            elapsed, over = live.duration_s, True
        due = int(elapsed * live.rate)
        if live.events is not None and due >= live.events:
            due, over = live.events, True
        at_ms = max(now_ms(), last_ms)
        await publish_articles(last_ms, at_ms)
        while sent < due and not stop.is_set():
            count = min(due - sent, MOST_AT_ONCE)
            by_http = collector.part_of(count) if collector else 0
            records = traffic.burst(last_ms, at_ms, count - by_http, at_ms)
            others = collector.traffic.burst(last_ms, at_ms, by_http, at_ms) if collector else []
            if not (records or others):
                break
            if await insist(partial(line.deliver, records), stop, say):
                sent += len(records)
            if collector and await insist(partial(collector.send, others), stop, say):
                sent += len(others)
        last_ms = at_ms
        if not over:
            await pause(stop, TICK_S)
    return sent
