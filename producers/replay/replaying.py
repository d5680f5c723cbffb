"""Replays files: lines become page views; those that are not sent are counted by reason."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producers import agents, ahead, event, lines
from producers.client.producer import Producer
from producers.replay import rows
from producers.replay.rows import ReplayRow
from schemas.article_id import is_article_id

REASONS = ("malformed", "method", "status", "pattern", "bot")
"""Why a line is not sent; a line that fails in several ways counts under the first."""

WHOLE_PATH = re.compile(r"(.+)", re.DOTALL)
OnBytes = Callable[[str, int], None]
"""Called with the name of a file and the position reached in it."""

AHEAD_S = 0.05
"""At a chosen speed, events due this soon are sent together."""


@dataclass(frozen=True)
class Rules:
    """How lines become events. `pattern` None: an article's id is the whole path, or the id in the event."""

    site: str
    pattern: re.Pattern[str] | None = None
    bots: str = "mark"


@dataclass(frozen=True)
class Source:
    """A file, its format (one of rows.FORMATS), the digest that its event ids are made from, its size on disk."""

    name: str
    kind: str
    digest: bytes
    size_bytes: int = 0


@dataclass
class Summary:
    """The outcomes of all lines. Times in milliseconds since the epoch, after the shift; None if nothing was sent."""

    lines: int = 0
    sent: int = 0
    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    shift_ms: int = 0
    first_occurred_at: int | None = None
    last_occurred_at: int | None = None

    def add(self, outcome: dict[str, Any] | str) -> None:
        """Count a line: the event that it became, or the reason why it is none."""
        self.lines += 1
        if isinstance(outcome, str):
            self.skipped[outcome] += 1
            return
        self.sent += 1
        at = outcome["occurred_at"]
        self.first_occurred_at = at if self.first_occurred_at is None else min(at, self.first_occurred_at)
        self.last_occurred_at = at if self.last_occurred_at is None else max(at, self.last_occurred_at)


def source(name: str, kind: str = "auto") -> Source:
    """A file with its format and digest. Raises OSError if it cannot be read, DamagedInputError if gzip is cut."""
    if kind == "auto":
        suffixes = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv"}
        kind = suffixes.get(name.removesuffix(".gz").rpartition(".")[2], "")
    if not kind:
        kind = rows.guess(lines.first(name))
    size_bytes = 0 if name == lines.STDIN else Path(name).stat().st_size
    return Source(name, kind, lines.digest(name), size_bytes)


async def latest_ms(sources: Sequence[Source], stop: asyncio.Event, on_bytes: OnBytes | None = None) -> int | None:
    """The latest time in the input, sent or not, as far as it was read before `stop`; None if no line has one."""
    latest: int | None = None
    found = (row for one in sources for _, row in rows.read_rows(one.kind, _numbered(one, on_bytes)))
    async with contextlib.aclosing(ahead.portions(found, stop)) as portions:
        async for portion in portions:
            times = [row.at_ms for row in portion if row is not None]
            latest = max(times, default=latest) if latest is None else max([latest, *times])
    return latest


def outcomes(
    one: Source, rules: Rules, shift_ms: int = 0, on_bytes: OnBytes | None = None
) -> Iterator[dict[str, Any] | str]:
    """For every line in order: its event, or the reason (one of REASONS) why it is not sent."""
    base = hashlib.sha256(one.digest)
    for number, row in rows.read_rows(one.kind, _numbered(one, on_bytes)):
        if row is None:
            yield "malformed"
            continue
        outcome = judge(row, rules)
        if isinstance(outcome, str):
            yield outcome
            continue
        outcome["occurred_at"] += shift_ms
        if "event_id" not in outcome:
            place = base.copy()
            place.update(b":%d" % number)
            outcome["event_id"] = place.hexdigest()[:32]
        yield outcome


def judge(row: ReplayRow, rules: Rules) -> dict[str, Any] | str:
    """The event of a row, without an id unless the row has one; or the reason why it is not sent.

    An id that the contract does not allow (a space, more than 512 bytes) counts as `pattern`, like no match at all.
    """
    if row.method != "GET":
        return "method"
    if row.status not in (200, 304):
        return "status"
    given = row.fields.get("article_id")
    if rules.pattern is None and given is not None:
        article_id = given
    else:
        found = (rules.pattern or WHOLE_PATH).search(str(given) if row.path is None else row.path)
        article_id = found[1] if found else None
        if article_id is None or not is_article_id(article_id):
            return "pattern"
    view = {"event_type": "view", "site_id": rules.site, **row.fields, "article_id": article_id}
    view["occurred_at"] = row.at_ms
    if rules.bots != "keep" and (row.fields.get("agent_class") == "bot" or agents.is_bot(row.agent)):
        if rules.bots == "drop":
            return "bot"
        view["agent_class"] = "bot"
    return view


async def send(
    outcomes: Iterator[dict[str, Any] | str],
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
