"""Replays files: lines become page views; those that are not sent are counted by reason."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from producers import agents, ahead, event
from producers.client.producer import Producer
from producers.replay import formats, merging
from producers.replay.log_readers import LogReaders
from producers.replay.malformed import Malformed
from producers.replay.rows import ReplayRow
from producers.replay.sources import OnBytes, Source
from producers.replay.summary import Fault, FileTally, Summary
from producers.times import LocalClock, shown
from schemas import article_id
from schemas.article_id import IdRule, NoArticleError

FURTHEST_ZONE_MS = 26 * 3_600_000
"""From UTC-12 to UTC+14: a clock of another zone is ahead by no more."""

AHEAD_S = 0.05
"""At a chosen speed, events due this soon are sent together."""


@dataclass(frozen=True)
class Rules:
    """How lines become events. `ids` are the rules for article ids by site; `pattern` is a source in place of theirs.

    `clock` is that of times without an offset; without one they are malformed. `hosts` are those of the site, in lower
    case; if there are none, all are.
    """

    site: str
    pattern: str | None = None
    bots: str = "mark"
    ids: Mapping[str, IdRule] = field(default_factory=dict)
    clock: LocalClock | None = None
    readers: LogReaders = field(default_factory=LogReaders)
    hosts: frozenset[str] = frozenset()

    def rule_of(self, site: str) -> IdRule:
        """How this site's addresses become ids."""
        rule = self.ids.get(site, article_id.DEFAULT)
        return rule if self.pattern is None else IdRule(self.pattern, rule.trailing_slash)


async def latest_ms(
    sources: Sequence[Source], stop: asyncio.Event, on_bytes: OnBytes | None = None, zone: ZoneInfo | None = None
) -> int | None:
    """The latest time in the input, sent or not, as far as it was read before `stop`; None if no line has one.

    A time that no zone can explain is not taken unless all are such: one of 2062 would leave all others in the past.
    """
    latest: int | None = None
    furthest_ms = time.time_ns() // 1_000_000 + FURTHEST_ZONE_MS
    clock = None if zone is None else LocalClock(zone)
    found = (
        row.at_ms if isinstance(row, ReplayRow) else None
        for one in sources
        for _, row in formats.read_rows(one.kind, one.numbered(on_bytes), clock)
    )
    async with contextlib.aclosing(ahead.portions(found, stop)) as portions:
        async for portion in portions:
            times = [at_ms for at_ms in (*portion, latest) if at_ms is not None]
            latest = max(times, default=None, key=lambda at_ms: (at_ms <= furthest_ms, at_ms))
    return latest


Outcome = dict[str, Any] | str | Fault
"""Of a line: its event, or why it is not sent: one of REASONS, with a sentence if it is faulty."""


def in_time_order(
    sources: Sequence[Source], tallies: Sequence[FileTally], rules: Rules, shift_ms: int, on_bytes: OnBytes | None
) -> Iterator[Outcome]:
    """The outcomes of all files, merged by the times of their lines; standard input comes last."""
    parts = list(zip(sources, tallies, strict=True))
    last = (outcomes(one, rules, shift_ms, on_bytes, tally) for one, tally in parts if one.first_ms is None)
    files = [(one, tally) for one, tally in parts if one.first_ms is not None]
    if len(files) == 1:
        merged = outcomes(files[0][0], rules, shift_ms, on_bytes, files[0][1])
    else:
        merged = merging.in_time_order(
            [(one.first_ms or 0, partial(_timed, one, rules, shift_ms, on_bytes, tally)) for one, tally in files]
        )
    return itertools.chain(merged, itertools.chain.from_iterable(last))


def outcomes(
    one: Source, rules: Rules, shift_ms: int = 0, on_bytes: OnBytes | None = None, tally: FileTally | None = None
) -> Iterator[Outcome]:
    """What becomes of every line of a file, in order."""
    for _, outcome in _timed(one, rules, shift_ms, on_bytes, FileTally(one.name) if tally is None else tally):
        yield outcome


def _timed(
    one: Source, rules: Rules, shift_ms: int, on_bytes: OnBytes | None, tally: FileTally
) -> Iterator[tuple[int, Outcome]]:
    """(time, outcome) of every line; one without a time has that of the line before."""
    outcome_of = outcome_maker(one.name, one.kind, one.digest, rules, tally, shift_ms)
    at_ms = 0
    for number, row in formats.read_rows(one.kind, one.numbered(on_bytes), rules.clock):
        if isinstance(row, ReplayRow):
            at_ms = row.at_ms
        yield at_ms, outcome_of(number, row)


def outcome_maker(
    name: str, kind: str, digest: bytes, rules: Rules, tally: FileTally, shift_ms: int = 0
) -> Callable[[int, ReplayRow | Malformed], Outcome]:
    """Makes the outcome of each row of a file, and counts it in `tally`.

    An event without an id gets one made of `digest` and the number given with its row.
    """
    base = hashlib.sha256(digest)
    is_log = kind in formats.LOGS

    def outcome_of(number: int, row: ReplayRow | Malformed) -> Outcome:
        tally.lines += 1
        if isinstance(row, Malformed):
            tally.refuse(row)
            return Fault("malformed", name, number, row.reason, row.usual)
        outcome = judge(row, rules)
        if isinstance(outcome, str):
            return outcome
        outcome["occurred_at"] = max(0, outcome["occurred_at"] + shift_ms)
        ahead_ms = outcome["occurred_at"] - time.time_ns() // 1_000_000
        if ahead_ms > event.FUTURE_MS:
            tally.refuse()
            at = shown(outcome["occurred_at"])
            return Fault("future", name, number, f"{at} is {ahead_ms // 60_000:,} minutes ahead of this clock")
        if is_log:
            tally.without_agent += not row.agent
            if row.host and row.host not in tally.hosts:
                tally.add_host(row.host)
        if rules.readers.keys and "repeat_key" not in outcome:
            rules.readers.add_key(outcome, row)
        if "event_id" not in outcome:
            place = base.copy()
            place.update(b":%d" % number)
            outcome["event_id"] = place.hexdigest()[:32]
        return outcome

    return outcome_of


def judge(row: ReplayRow, rules: Rules) -> dict[str, Any] | str:
    """The event of a row, without an id unless the row has one; or the reason why it is not sent.

    An address without an article by its site's rule, or with one of more than 512 bytes, counts as `pattern`. So does
    one of a host that is not among those chosen.
    """
    if row.method != "GET":
        return "method"
    if row.status not in (200, 304):
        return "status"
    if rules.hosts and row.host not in rules.hosts:
        return "pattern"
    rule = rules.rule_of(row.fields.get("site_id", rules.site))
    given = row.fields.get("article_id")
    try:
        if row.target is not None and (given is None or rules.pattern is not None):
            found = article_id.from_address(row.target, rule)
        else:
            found = article_id.normalized(str(given), rule)
    except NoArticleError:
        return "pattern"
    view = {"event_type": "view", "site_id": rules.site, **row.fields, "article_id": found}
    view["occurred_at"] = row.at_ms
    if rules.bots != "keep" and (row.fields.get("agent_class") == "bot" or agents.is_bot(row.agent)):
        if rules.bots == "drop":
            return "bot"
        view["agent_class"] = "bot"
    elif rules.readers.is_internal(row):
        view["agent_class"] = "internal"
    return view


async def send(
    outcomes: Iterator[Outcome],
    producer: Producer,
    summary: Summary,
    *,
    stop: asyncio.Event,
    speed: float | None = None,
) -> None:
    """Send the events among `outcomes` and count them all in `summary`, until `stop` is set. Raises DamagedInputError.

    Events without a producer are numbered as this producer's own, to detect losses. `speed` is how many times
    faster than they happened; None sends as fast as Kafka accepts them. Lines before a damaged place are sent.
    """
    loop = asyncio.get_running_loop()
    start_s, start_ms = loop.time(), None
    ready: list[tuple[bytes, bytes]] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(partial(_flushed, producer))
        portions = await stack.enter_async_context(contextlib.aclosing(ahead.portions(outcomes, stop)))
        async for portion in portions:
            for outcome in portion:
                if isinstance(outcome, dict):
                    if start_ms is None:
                        start_ms = outcome["occurred_at"]
                    if speed is not None:
                        wait_s = start_s + (outcome["occurred_at"] - start_ms) / 1000 / speed - loop.time()
                        if wait_s > AHEAD_S:
                            await _hand_over(producer, ready)
                            await pause(stop, wait_s)
                            if stop.is_set():
                                return
                    if outcome.get("producer_id") is None:
                        outcome["producer_id"], outcome["sequence"] = producer.producer_id, producer.next_sequence()
                    ready.append(event.encode(outcome))
                summary.add(outcome)
            await _hand_over(producer, ready)


async def _flushed(producer: Producer, kind: type[BaseException] | None, *_: object) -> None:
    """Also behind an error of the input; not if this is cancelled, when Kafka has had its time."""
    if kind is not asyncio.CancelledError:
        await producer.flush()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


async def _hand_over(producer: Producer, ready: list[tuple[bytes, bytes]]) -> None:
    await producer.send_records(ready)
    ready.clear()
