"""Replays files: lines become page views; those that are not sent are counted by reason."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from producers import agents, ahead, event, lines
from producers.client.producer import Producer
from producers.replay import rows
from producers.replay.log_readers import LogReaders
from producers.replay.malformed import Malformed
from producers.replay.rows import ReplayRow
from producers.replay.summary import Fault, FileTally, Summary
from producers.times import LocalClock, shown
from schemas import article_id
from schemas.article_id import IdRule, NoArticleError

OnBytes = Callable[[str, int], None]
"""Called with the name of a file and the position reached in it."""

FURTHEST_ZONE_MS = 26 * 3_600_000
"""From UTC-12 to UTC+14: a clock of another zone is ahead by no more."""

AHEAD_S = 0.05
"""At a chosen speed, events due this soon are sent together."""


@dataclass(frozen=True)
class Rules:
    """How lines become events. `ids` are the rules for article ids by site; `pattern` is a source in place of theirs.

    `clock` is that of times without an offset; without one they are malformed.
    """

    site: str
    pattern: str | None = None
    bots: str = "mark"
    ids: Mapping[str, IdRule] = field(default_factory=dict)
    clock: LocalClock | None = None
    readers: LogReaders = field(default_factory=LogReaders)

    def rule_of(self, site: str) -> IdRule:
        """How this site's addresses become ids."""
        rule = self.ids.get(site, article_id.DEFAULT)
        return rule if self.pattern is None else IdRule(self.pattern, rule.trailing_slash)


@dataclass(frozen=True)
class Source:
    """A file, its format (one of rows.FORMATS), the digest that its event ids are made from, its size on disk."""

    name: str
    kind: str
    digest: bytes
    size_bytes: int = 0


def source(name: str, kind: str = "auto") -> Source:
    """A file with its format and digest.

    Raises OSError if it cannot be read, UnfitInputError if it holds no lines of text, UnfitHeaderError if it is CSV
    without the columns needed.
    """
    # Standard input is waited for only if need be: a pipe may be quiet.
    head = b"" if name == lines.STDIN and kind in {"combined", "jsonl"} else lines.head(name)
    text = head.decode("utf-8", "replace")
    first = next(filter(None, (line.strip("\ufeff \t\r") for line in text.split("\n"))), "")
    if kind == "auto":
        suffixes = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv"}
        kind = suffixes.get(name.removesuffix(".gz").rpartition(".")[2], "") or rows.guess(first)
    if kind == "csv" and "\n" in text:  # of a pipe a part of the line may have come
        rows.check_header(first)
    size_bytes = 0 if name == lines.STDIN else Path(name).stat().st_size
    return Source(name, kind, lines.digest(name), size_bytes)


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
        for _, row in rows.read_rows(one.kind, _numbered(one, on_bytes), clock)
    )
    async with contextlib.aclosing(ahead.portions(found, stop)) as portions:
        async for portion in portions:
            times = [at_ms for at_ms in (*portion, latest) if at_ms is not None]
            latest = max(times, default=None, key=lambda at_ms: (at_ms <= furthest_ms, at_ms))
    return latest


def outcomes(
    one: Source, rules: Rules, shift_ms: int = 0, on_bytes: OnBytes | None = None, tally: FileTally | None = None
) -> Iterator[dict[str, Any] | str | Fault]:
    """For every line in order: its event, or why it is not sent: one of REASONS, with a sentence if it is faulty."""
    base = hashlib.sha256(one.digest)
    tally = FileTally(one.name) if tally is None else tally
    for number, row in rows.read_rows(one.kind, _numbered(one, on_bytes), rules.clock):
        tally.lines += 1
        if isinstance(row, Malformed):
            tally.refuse(row)
            yield Fault("malformed", one.name, number, row.reason, row.usual)
            continue
        outcome = judge(row, rules)
        if isinstance(outcome, str):
            yield outcome
            continue
        outcome["occurred_at"] = max(0, outcome["occurred_at"] + shift_ms)
        ahead_ms = outcome["occurred_at"] - time.time_ns() // 1_000_000
        if ahead_ms > event.FUTURE_MS:
            tally.refuse()
            at = shown(outcome["occurred_at"])
            yield Fault("future", one.name, number, f"{at} is {ahead_ms // 60_000:,} minutes ahead of this clock")
            continue
        if rules.readers.keys and "repeat_key" not in outcome:
            rules.readers.add_key(outcome, row.before, row.agent)
        if "event_id" not in outcome:
            place = base.copy()
            place.update(b":%d" % number)
            outcome["event_id"] = place.hexdigest()[:32]
        yield outcome


def judge(row: ReplayRow, rules: Rules) -> dict[str, Any] | str:
    """The event of a row, without an id unless the row has one; or the reason why it is not sent.

    An address without an article by its site's rule, or with one of more than 512 bytes, counts as `pattern`.
    """
    if row.method != "GET":
        return "method"
    if row.status not in (200, 304):
        return "status"
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
    elif rules.readers.is_internal(row.before):
        view["agent_class"] = "internal"
    return view


async def send(
    outcomes: Iterator[dict[str, Any] | str | Fault],
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
        stack.push_async_callback(producer.flush)
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


def _numbered(one: Source, on_bytes: OnBytes | None) -> Iterator[tuple[int, str]]:
    if on_bytes is None:
        return lines.read_lines(one.name)
    return lines.read_lines(one.name, lambda position: on_bytes(one.name, position))
