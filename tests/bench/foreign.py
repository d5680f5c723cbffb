"""Events per second from topics that are not ours, beside one that is: what names, times, paths and frames cost."""

from __future__ import annotations

import asyncio
import datetime as dt
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial

from tests.bench import backlog, folding, produce
from tests.bench.backlog import PARTITIONS, Consumed
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.stack import Stack
from tests.bench.traffic import OWN_FORM, SITE, Backlog, form

SHARE = 0.5
"""How much of the backlog each of the topics has."""
FORM = '{"id":"%s","action":"%s","blog":"' + SITE + '","path":"%s","ts":%s,"client":"person"}'
NESTED_FORM = FORM.replace('"path":"%s"', '"page":{"path":"%s"}')

_SOURCE = """
[source]
time = "{time}"
[source.fields]
event_type = "action"
site_id = "blog"
article_id = "path"
occurred_at = "ts"
agent_class = "client"
"""


@dataclass(frozen=True)
class Kind:
    """A topic with the same events as the others, each of the same length. Our own is keyed, the others have no keys."""

    name: str
    label: str
    form: str
    source: str = ""
    told: Callable[[int], object] = int
    """Makes of milliseconds what stands in the record."""


def _rfc3339(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms // 1000, dt.UTC)
    return f'"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"'


OWN = Kind("own", "ours, keyed", OWN_FORM)
KEYLESS = Kind("keyless", "ours, without keys", OWN_FORM)
MS = Kind("ms", "foreign, times in ms", FORM, _SOURCE.format(time="ms"))
NESTED = Kind(
    "nested", "foreign, fields in objects", NESTED_FORM, _SOURCE.format(time="ms").replace('"path"', '"page.path"')
)
RFC3339 = Kind("rfc3339", "foreign, times in RFC 3339", FORM, _SOURCE.format(time="rfc3339"), _rfc3339)
KINDS = (OWN, KEYLESS, MS, NESTED, RFC3339)


def run(stack: Stack, events: int, repeats: int, progress: Progress) -> Part:
    """Rates are the median of `repeats` runs, the topics taking turns."""
    part = Part("foreign")
    events = max(100_000, int(events * SHARE))
    backlogs = {kind: Backlog(events, PARTITIONS, int(time.time() * 1000)) for kind in KINDS}
    for kind, made in backlogs.items():
        _write(stack, kind, made, progress)
    runs: dict[Kind, list[Consumed]] = {kind: [] for kind in KINDS}
    with progress.task("reading them", repeats * len(KINDS)) as done:
        for _ in range(repeats):
            for kind, made in backlogs.items():
                runs[kind].append(backlog.consume(stack, _topic(kind), made, more=kind.source))
                done(1)
    part.details["consumed"] = {kind.name: [asdict(one) for one in runs[kind]] for kind in KINDS}
    _figures(part, events, runs)
    folding.figures(part, repeats)
    part.notes.append(
        "Without keys, records go to the partitions in turn, so nearly every article stands in every shard and is a "
        "stray in all but one: more increments and marks for the same events. The foreign topics have no keys either, "
        "so what they take beyond ours without keys is the price of other names and times."
    )
    return part


def _topic(kind: Kind) -> str:
    return f"bench-foreign-{kind.name}"


def _write(stack: Stack, kind: Kind, made: Backlog, progress: Progress) -> None:
    topic, bootstrap = _topic(kind), stack.kafka.bootstrap
    chunks = made.chunks() if kind is OWN else _in_turn(kind, made)
    with progress.task(f"writing {made.events:,} events, {kind.label}", made.events) as written:
        asyncio.run(produce.make_topics(bootstrap, [topic, f"{topic}.dead"], PARTITIONS))
        asyncio.run(produce.write(bootstrap, topic, PARTITIONS, chunks, produce.BATCHES["big"], written))


def _in_turn(kind: Kind, made: Backlog) -> Iterator[list[produce.Event]]:
    """Records without keys, to one partition after the other."""
    value = form(kind.form, kind.told(made.end_ms))
    for drawn in made.drawn():
        yield [
            (number % PARTITIONS, None, value(number, event_type, article, kind.told(time_ms)))
            for number, event_type, article, time_ms in drawn
        ]


def _figures(part: Part, events: int, runs: dict[Kind, list[Consumed]]) -> None:
    def median(kind: Kind, figure: Callable[[Consumed], float]) -> float:
        return statistics.median(figure(one) for one in runs[kind])

    rate = partial(median, figure=lambda one: events / one.seconds)
    cpu = partial(median, figure=lambda one: one.cpu_s * 1e6 / events)
    redis_cpu = partial(median, figure=lambda one: one.redis_cpu_s * 1e6 / events)
    for kind in KINDS:
        label = f"{kind.label}: "
        part.add(label + "ranker consume", rate(kind), "events/s", beside=f"{events:,} events, {len(runs[kind])} runs")
        part.add(label + "CPU of the consumer", cpu(kind), "s / million")
        part.add(label + "CPU of Redis", redis_cpu(kind), "s / million")
        part.add(
            label + "mean script",
            median(kind, lambda one: one.mean_script_ms),
            "ms",
            beside=f"longest {max(one.longest_script_ms for one in runs[kind]):.3g} ms, "
            f"{median(kind, lambda one: one.scripts):,.0f} scripts",
        )
    for kind in (MS, NESTED, RFC3339):
        part.add(f"{kind.label}: rate / ours", rate(kind) / rate(OWN), "times")
        part.add(f"{kind.label}: rate / ours without keys", rate(kind) / rate(KEYLESS), "times")
        part.add(f"{kind.label}: CPU of the consumer / ours without keys", cpu(kind) / cpu(KEYLESS), "times")
    part.add("strays: rate without keys / with", rate(KEYLESS) / rate(OWN), "times")
    part.add("strays: CPU of Redis without keys / with", redis_cpu(KEYLESS) / redis_cpu(OWN), "times")
    part.add("strays: CPU of the consumer without keys / with", cpu(KEYLESS) / cpu(OWN), "times")
