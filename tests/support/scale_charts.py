"""The charts of docs/scale.md, drawn from the formulas: `python -m tests.support.scale_charts` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from producers.simulate.popularity import DAY_MS, HOUR_MS, MINUTE_MS, Spike, by_hour
from ranker.core.generation import Generation
from ranker.core.memory_estimate import KEY_BYTES
from ranker.core.rules import memory_rules
from ranker.core.sizing import processes
from ranker.core.sizing.load import Load, keys_per_event
from ranker.core.sizing.plan import partitions_for
from ranker.core.sizing.redis_memory import redis_memory
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS
from tests.support.line_chart import Axis, Line, Panel, chart

FOLDER = Path(__file__).parents[2] / "docs" / "scale"
NONE = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
GROWTH = [10 ** (2 + step / 8) for step in range(33)]
"""Events a second: 100 to a million."""
NIGHT_MS = 20_780 * DAY_MS + 12 * HOUR_MS
"""Noon of a Monday."""
STEP_MS = 5 * MINUTE_MS
RATE = 3_000


def growing(rate: float) -> Load:
    """One site whose articles grow with its events: 5,000 at 1,000 a second."""
    return Load(rate, round(5_000 * (rate / 1_000) ** 0.6), 60, peak=1.0, members=2, lists=6)


def growth() -> str:
    """Memory, cores and partitions, without rules and with those of the press."""
    kinds = (("no rules", NONE, "#1f6f8b"), ("rules press", PRESS, "#c8553d"))

    def of(figure: Callable[[Load, Generation], float]) -> list[Line]:
        lines = []
        for name, generation, colour in kinds:
            points = []
            for rate in GROWTH:
                load = growing(rate)
                load = replace(load, partitions=partitions_for(load, generation))
                points.append((rate, figure(load, generation)))
            lines.append(Line(name, colour, points))
        return lines

    return chart(
        "Growth from 100 to 1,000,000 events a second",
        [
            Panel("Redis, GB", Axis("events/s", log=True), Axis("GB", log=True), of(lambda *a: redis_memory(*a).whole / 1e9)),
            Panel(
                "consumers, cores", Axis("events/s", log=True), Axis("cores", log=True),
                of(lambda *a: processes.consumers(*a).cores),
            ),
            Panel(
                "Redis, cores", Axis("events/s", log=True), Axis("cores", log=True),
                of(lambda load, generation: processes.redis(load, generation, 2)),
            ),
            Panel(
                "partitions needed", Axis("events/s", log=True), Axis("partitions", log=True),
                of(lambda load, _: load.partitions),
            ),
        ],
    )  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """What a viral night takes at one time: events a second of all, and of the article."""

    at_ms: int
    rate: float
    viral: float


def night() -> list[Moment]:
    """From noon to noon; at 19:00 UTC an article goes viral: an hour later it has three times the usual traffic."""
    spike = Spike("viral", NIGHT_MS + 7 * HOUR_MS, HOUR_MS, 2 * HOUR_MS, peak=0.75)
    moments = []
    for at_ms in range(NIGHT_MS, NIGHT_MS + DAY_MS + 1, STEP_MS):
        usual = RATE * by_hour(at_ms)
        share = spike.share(at_ms)
        viral = usual * share / (1 - share)
        moments.append(Moment(at_ms, usual + viral, viral))
    return moments


def viral_night() -> str:
    """Events, what rules remember of them, and CPU, at 3,000 events a second on the average and 12 partitions."""
    load, moments = Load(RATE, 10_000, 60, peak=1.0, partitions=12), night()
    rules = memory_rules(PRESS)
    assert rules is not None
    per_event, first = keys_per_event(load, PRESS), load.popularity.first()
    hours = [(moment.at_ms - NIGHT_MS) / HOUR_MS for moment in moments]
    whole, hot = [], []
    for moment in moments:
        live_from = (moment.at_ms - rules.grace_ms) // rules.per_ms * rules.per_ms
        live = [one for one in moments if live_from <= one.at_ms <= moment.at_ms]
        if live_from < NIGHT_MS:  # what had been before: as at noon
            live += [Moment(0, moments[0].rate, 0.0)] * int((NIGHT_MS - live_from) / STEP_MS)
        of_all = sum(one.rate for one in live) * STEP_MS / 1000 * per_event
        of_viral = sum(one.viral for one in live) * STEP_MS / 1000 * per_event
        whole.append(of_all)
        hot.append(of_viral + (of_all - of_viral) * (first + (1 - first) / load.partitions))
    kept = [min(one, rules.max_keys) + (every - one) for every, one in zip(whole, hot, strict=True)]
    counted = redis_memory(load, NONE).whole
    memory = [(counted + keys * KEY_BYTES) / 1e9 for keys in kept]
    kept = [min(one, rules.max_keys) + (every - one) for every, one in zip(whole, hot, strict=True)]
    counted = redis_memory(load, NONE).whole
    memory = [(counted + keys * KEY_BYTES) / 1e9 for keys in kept]
    cores = [processes.consumers(replace(load, rate=one.rate), PRESS).cores for one in moments]
    redis = [processes.redis(replace(load, rate=one.rate), PRESS, 2) for one in moments]

    def line(name: str, colour: str, values: Sequence[float]) -> Line:
        return Line(name, colour, list(zip(hours, values, strict=True)))

    time = Axis("hours from noon", log=False)
    return chart(
        "A viral night: 3,000 events a second on the average, rules press, 12 partitions",
        [
            Panel("events a second", time, Axis("events/s", log=False), [
                line("all", "#1f6f8b", [one.rate for one in moments]),
                line("one article", "#c8553d", [one.viral for one in moments]),
            ]),
            Panel("keys that rules remember, millions", time, Axis("million", log=False), [
                line("all shards", "#1f6f8b", [keys / 1e6 for keys in whole]),
                line("its shard", "#c8553d", [keys / 1e6 for keys in hot]),
                line("rules.max_keys", "#8a8a8a", [rules.max_keys / 1e6] * len(hours)),
            ]),
            Panel("cores", time, Axis("cores", log=False), [
                line("consumers", "#1f6f8b", cores), line("Redis", "#c8553d", redis),
            ]),
            Panel("Redis, GB", time, Axis("GB", log=False), [line("all", "#1f6f8b", memory)]),
        ],
    )  # fmt: skip


def figures() -> Iterator[tuple[Path, str]]:
    """Every chart and its file."""
    yield FOLDER / "growth.svg", growth()
    yield FOLDER / "viral-night.svg", viral_night()


def main() -> None:
    """Write them."""
    for path, text in figures():
        path.write_text(text)
        print(path.relative_to(FOLDER.parents[1]))


if __name__ == "__main__":
    main()
