"""A live shard is read in pieces, each at a version of its own: the second count differs from none of them."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ranker.core.floors import first_append_ms, floors_at
from ranker.core.generation import FUTURE_MS, Generation, Window
from ranker.recount.recount import Recount
from tests.property import chunks
from tests.property.check import home
from tests.property.chunks import BEGIN, GRAIN, WINDOW
from tests.support import folded_shard, recount_pieces
from tests.support.recount import Raw

TODAY = int(f"{datetime.now(UTC):%Y%m%d}")
PARTITIONS = 2
WINDOWS = (Window("short", WINDOW // 2, GRAIN // 2), Window("long", WINDOW, GRAIN))
BOARDS = {"read": {"view": 1}, "engaged": {"view": 1, "share": 3}}


def drawn(rng: random.Random) -> tuple[Generation, list[Raw]]:
    """A generation with two windows and lanes, mostly with rules; a log of two sites, with records that are none."""
    generation, _ = chunks._drawn(rng)
    more: dict[str, Any] = {} if rng.random() < 0.8 else {"rules": msgspec.UNSET}
    generation = msgspec.structs.replace(
        generation, windows=WINDOWS, boards=BOARDS, lanes=rng.choice((1, 4, 64)), **more
    )
    log = []
    for raw in chunks.records(rng):
        event = json.loads(raw.value or b"")
        event["site_id"], event["article_id"] = rng.choice("st"), rng.choice("abcdefgh")
        value = rng.choice((json.dumps(event).encode(),) * 12 + (b"{", None))
        log.append(Raw(raw.offset, rng.choice((raw.timestamp,) * 60 + (-1, raw.timestamp * 1000)), b"key", value))
    return generation, log


def verified(seed: int) -> Recount:
    """The second count of a shard whose pieces were read at several versions; half of the logs were cut meanwhile."""
    rng = random.Random(seed)
    generation, log = drawn(rng)
    watermark_ms = next(raw.timestamp for raw in log[rng.randrange(60, 120) :] if 0 < raw.timestamp < BEGIN * 2)
    begin = floors_at(generation, watermark_ms)
    since = first_append_ms(generation, begin, FUTURE_MS)
    n0 = next(raw.offset for raw in log if raw.timestamp >= since)
    ends = sorted(rng.randint(n0, len(log)) for _ in range(3))
    dumps, floors = [], begin
    for n in ends:
        dumps.append(asyncio.run(folded_shard.dump(generation, log, n0, n, floors, partitions=PARTITIONS, rng=rng)))
        floors = tuple(floor + rng.choice((0, 0, 1, 3, 2 * generation.lanes)) for floor in floors)
    definition = recount_pieces.definition_of(generation)
    pieces = recount_pieces.pieces(dumps[0], definition, PARTITIONS, lambda: rng.choice(dumps))
    pieces += recount_pieces.pieces(dumps[1], definition, PARTITIONS)[:1]
    kept = rng.choice((0, 0, rng.randint(0, len(log))))
    return recount_pieces.recounted(definition, pieces, log, is_stray, n0=n0, kept=kept)


def is_stray(site: str, article: str) -> bool:
    return home(f"{site}/{article}".encode(), PARTITIONS) != 0


@pytest.mark.parametrize("first", [0, TODAY * 1_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_pieces_of_several_versions_are_those_of_the_log(first: int) -> None:
    """Each takes the records below its own n, at its own floors; what the log no longer has is unchecked."""
    whole = compared = 0
    for seed in range(first, first + (5_000 if first == 1_000_000 else 60)):
        recount = verified(seed)
        assert list(recount.differences()) == [], f"seed {seed}"
        whole += not recount.unchecked()
        compared += recount.compared
    assert whole > 20
    assert compared > 1_000
