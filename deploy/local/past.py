"""The demonstration's past: so long that it has two whole weeks, whose documents `ranker freeze` makes.

A broker that keeps the producers' times has it as if it had been sent then; otherwise all of it would be appended now,
behind the close of every day and week, and count in none of them.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from deploy.local.faults import LocalFault
from ranker.connect.kafka import KafkaSettings
from ranker.core.periods import WEEK, Calendar

TOPIC = "page-views"
WEEKS = 2
# Without a calendar: what the longest list shows.
SHORTEST = timedelta(days=7)
# What is older than page-views keeps would be deleted while the consumer reads it.
KEPT = timedelta(days=60)


def table(site: str) -> list[str]:
    """Return the lines of ranker.toml that give a site the calendar of the French press."""
    return [f'[sites."{site}".calendar]', 'zone = "Europe/Paris"', 'week_starts = "saturday"']


def length(calendar: Calendar | None, now_ms: int) -> timedelta:
    """Return how long the past is. It begins with a week, so that no day or week of it is cut."""
    if calendar is None:
        return SHORTEST
    *_, first = islice(calendar.latest(WEEK, now_ms), WEEKS)
    return max(SHORTEST, timedelta(milliseconds=now_ms - first.from_ms))


@contextlib.contextmanager
def producers_times(bootstrap: str) -> Iterator[None]:
    """Have an Apache Kafka of ours keep the producers' times in the block, and all of the past for good."""
    kept_ms = KEPT // timedelta(milliseconds=1)
    asyncio.run(_alter(bootstrap, {"message.timestamp.type": "CreateTime", "retention.ms": str(kept_ms)}))
    yield  # if the block fails, the run ends, and its broker with it
    asyncio.run(_alter(bootstrap, {"message.timestamp.type": "LogAppendTime"}))


async def _alter(bootstrap: str, settings: dict[str, str]) -> None:
    from ranker.log import admin
    from ranker.log.errors import LogRefusedError, LogUnavailableError

    try:
        async with admin.connected(KafkaSettings(bootstrap)) as log:
            await log.alter(TOPIC, settings)
    except (LogRefusedError, LogUnavailableError) as error:
        raise LocalFault(str(error)) from error


def frozen(site: str, output: Path) -> str:
    """Return how many weeks and days `ranker freeze` has made, by what it has printed."""
    text = output.read_text("utf-8", errors="replace")
    made = set(re.findall(rf"^{re.escape(site)}/(week|day)/([0-9-]+)/", text, re.MULTILINE))
    kinds = [kind for kind, _ in made]
    return " and ".join(_number(kinds.count(kind), kind) for kind in ("week", "day"))


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
