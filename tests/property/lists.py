"""The lists that a reader would merge from all shards at one moment, against a recount of all partitions' logs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from ranker.core.merge import ExtraKeys, Hints, ListQuery, ListReply, Merged, ShardMeta, merge, span
from tests.property.check import DivergedError, Lineage, Shard, home
from tests.property.history import ARTICLES, SITES, Drawn
from tests.property.log import Partition
from tests.support.recount import Expected, recount


def compare(
    drawn: Drawn,
    shards: Mapping[int, Shard | None],
    wanted: Mapping[int, Expected],
    log: Sequence[Partition],
    lineages: Mapping[tuple[int, str], Lineage],
    partitions: int,
) -> None:
    """`wanted` are the oracle's counts of these shards. Raises DivergedError if a merged list or what is reported of it differs."""
    begun = {number: shard for number in range(partitions) if (shard := shards.get(number)) is not None}
    if not begun:
        return
    aliases = _aliases(drawn, sum(shard.n for shard in begun.values()))
    lost = {}
    for number, shard in begun.items():
        lineage = lineages[number, shard.lineage]
        if lineage.lost:
            gone = [raw for raw in log[number].entries[: shard.n] if raw is not None and not lineage.keeps(raw.offset)]
            lost[number] = recount(gone, lineage.n0, shard.floors, drawn.rules)
    for tier, window in enumerate(drawn.generation.windows):
        clocks = [_clock(shard) for shard in begun.values()]
        said = span(clocks, partitions, tier, window, drawn.generation.lanes)
        from_ms = max(shard.floors[tier] // drawn.rules.lanes * window.grain_ms for shard in begun.values())
        if (said.from_ms, said.as_of_ms) != (from_ms, min(shard.watermark_ms for shard in begun.values())):
            raise DivergedError(f"span of {window.name} differs: {said}")
        lacking = [number for number, counts in lost.items() if any(w == window.name for _, w, _ in counts.sums)]
        if said.complete and (lacking or len(begun) < partitions):
            raise DivergedError(f"{window.name} says complete; shards that lack counts: {lacking}")
        for site in SITES:
            for board in drawn.generation.boards:
                for moved in ({}, aliases):
                    counts: Counter[str] = Counter()
                    for number in begun:
                        for article, count in wanted[number].totals.get((window.name, site, board), {}).items():
                            counts[moved.get(article, article)] += count
                    rows = sorted(
                        ((count, article.encode()) for article, count in counts.items() if count > 0), reverse=True
                    )
                    got = merged(begun, partitions, (window.name, site, board), moved)
                    if got.rows != rows:
                        raise DivergedError(
                            f"list {window.name} {site} {board} with {moved} differs: got {got.rows}, want {rows}"
                        )


def _aliases(drawn: Drawn, moment: int) -> dict[str, str]:
    """Chains and cycles among the history's articles, others at each moment."""
    rng = random.Random(moment)
    articles = ARTICLES[: drawn.profile.articles]
    moved = rng.sample(articles, rng.randrange(6))
    return {article: to for article in moved if (to := rng.choice(articles)) != article}


def merged(
    shards: Mapping[int, Shard], partitions: int, name: tuple[str, str, str], aliases: Mapping[str, str]
) -> Merged:
    """Drives the product's merge with what the shards hold now."""
    site = name[1]

    def home_of(article: bytes) -> int:
        return home(f"{site}/".encode() + article, partitions)

    extra = ExtraKeys({moved.encode(): to.encode() for moved, to in aliases.items()})
    steps = merge(range(partitions), partitions, home_of, Hints(), extra)
    asks = next(steps)
    while True:
        answers = {number: _answer(shards.get(number), ask, name, partitions) for number, ask in asks.items()}
        try:
            asks = steps.send(answers)
        except StopIteration as end:
            found: Merged = end.value
            return found


def _answer(shard: Shard | None, ask: ListQuery, name: tuple[str, str, str], partitions: int) -> ListReply:
    if shard is None:
        return ListReply(partitions, ())
    totals = {article.encode(): count for article, count in shard.totals.get(name, {}).items()}
    rows = sorted(
        ((count, article) for article, count in totals.items() if ask.places is None or count > 0), reverse=True
    )
    prefix = f"{name[1]}/"
    strays = frozenset(stray.removeprefix(prefix).encode() for stray in shard.strays if stray.startswith(prefix))
    return ListReply(
        int(shard.meta["P"]),
        rows[: ask.places],
        strays,
        {article: totals.get(article, 0) for article in ask.counts_of},
    )


def _clock(shard: Shard) -> ShardMeta:
    gap = shard.meta.get("gap_ms")
    return ShardMeta(shard.floors, shard.watermark_ms, None if gap is None else int(gap), shard.meta["refused"] == "1")
