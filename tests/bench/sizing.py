"""What the formulas of `ranker size` stand on and how far they are off: tables of compressed ids, and real runs by kind."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable
from functools import partial

from ranker.core import delta
from ranker.core.sizing import constants
from ranker.store import history
from tests.bench.figures import Part
from tests.bench.progress import Progress
from tests.bench.sized_events import article_ids
from tests.bench.stack import Stack
from tests.support import sized_run

DRAWS = 3


def sealed_bytes(kind: str, length: int, articles: int, seed: int) -> float:
    """Bytes an article of a sealed slice with one site, one outcome and counts by Zipf's law."""
    ids = article_ids(4 * articles + 10, length, kind, seed)
    rng = random.Random(seed + 2)
    counts = {article: 1 + int(rng.paretovariate(1)) for article in rng.sample(ids, articles)}
    return len(delta.seal({"demo": {"view": counts}})) / articles


def history_bytes(kind: str, length: int, places: int, seed: int) -> float:
    """Bytes a place of an entry of the rank history."""
    return len(history.pack(article_ids(5 * places, length, kind, seed)[:places])) / places


def median(draw: Callable[[int], float]) -> float:
    """Of some draws."""
    return statistics.median(draw(seed) for seed in range(DRAWS))


def run(stack: Stack, quick: bool, progress: Progress) -> Part:
    """The tables drawn again, and each configuration counted once."""
    part = Part("sizing")
    _tables(part)
    runs = sized_run.QUICK if quick else sized_run.QUICK | sized_run.WIDE
    with progress.task("real runs beside the formulas", len(runs)) as done:
        for number, (name, (load, press)) in enumerate(runs.items()):
            stack.empty_redis()
            directory = stack.directory / f"size-{number}"
            directory.mkdir()
            sized = asyncio.run(sized_run.run(stack.kafka.bootstrap, stack.redis.url, directory, load, press=press))
            for kind, error in sized.errors(sized_run.MATTERS_BYTES).items():
                said = getattr(sized.formula, kind)
                beside = f"measured {sized.took[kind] / 1e6:,.3g} MB, formula {said / 1e6:,.3g} MB"
                part.add(f"{name}: {kind}", 100 * error, "% off", beside=beside)
                part.details[f"{name}: {kind}"] = {"measured": sized.took[kind], "formula": said}
            done(1)
    stack.empty_redis()
    part.notes.append(
        "Each run is six hours of events with the usual grains of minutes and ten minutes, counted by `ranker consume`, with a "
        "catalogue and 192 hours of rank history written by the engine's own code. Kinds by MEMORY USAGE, the whole by used_memory. "
        f"Kinds below {sized_run.MATTERS_BYTES / 1000:g} kB are left out."
    )
    return part


def _tables(part: Part) -> None:
    for kind in ("words", "random"):
        for length in constants.SEALED[kind]:
            of_slices = [median(partial(sealed_bytes, kind, length, count)) for count in constants.SEALED_ARTICLES]
            of_history = [median(partial(history_bytes, kind, length, count)) for count in constants.HISTORY_PLACES]
            part.details[f"{kind}, {length}"] = {"sealed": of_slices, "history": of_history}
            name = f"{kind}, {length} bytes, {constants.SEALED_ARTICLES[6]:,} articles in a slice"
            part.add(name, of_slices[6], "bytes", beside=f"{of_slices[0]:.3g} alone, {of_slices[-1]:.3g} of 10,000")
