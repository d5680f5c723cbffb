"""A shard's dump as the pieces that `ranker verify` reads, and the log counted a second time for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from ranker.core.generation import Generation
from ranker.recount import definition as definitions
from ranker.recount.definition import FIRST_MS, Definition
from ranker.recount.pieces import At, Bucket, Index, Slice, SliceId, Total
from ranker.recount.recount import Piece, Recount
from tests.support.recount import Raw

IsStray = Callable[[str, str], bool]


def definition_of(generation: Generation) -> Definition:
    return definitions.read(generation.canonical(), generation.id)


Dump = Mapping[str, Any]
"""The keys of a shard. Names have no prefix, and text is text."""


def pieces(dump: Dump, definition: Definition, partitions: int, later: Callable[[], Dump] | None = None) -> list[Piece]:
    """The pieces that the index names. They are of `dump` too, or each of another one that `later` gives."""
    found: list[Piece] = [index := index_of(dump, partitions)]
    then = later or (lambda: dump)
    found += [slice_of(then(), place, definition) for place in sorted(index.slices)]
    found += [bucket_of(then(), bucket) for bucket in sorted(index.buckets)]
    windows = [window.name for window in definition.windows]
    found += [total_of(then(), *each) for each in product(windows, sorted(index.sites), definition.boards)]
    return found


def _at(dump: Dump) -> At:
    return At(int(dump["meta"]["n"]), tuple(map(int, dump["meta"]["floors"].split(","))))


def index_of(dump: Dump, partitions: int) -> Index:
    meta = dump["meta"]
    return Index(
        at=_at(dump),
        slices=frozenset(map(_pair, dump.get("slices", ()))),
        sites=frozenset(dump.get("sites", ())),
        sums={_triple(name): int(count) for name, count in dump.get("sums", {}).items()},
        strays=frozenset(dump.get("strays", ())) if meta["P"] == str(partitions) else None,
        buckets=frozenset(map(int, dump.get("buckets", ()))),
        latest_ms=int(meta.get("latest_ms", 0)),
        first=int(meta.get("first", 0)),
        last=meta["last"],
    )


def slice_of(dump: Dump, place: SliceId, definition: Definition) -> Slice:
    tier, slice_ = place
    name = f"slice {definition.windows[tier].name}:{slice_}"
    return Slice(_at(dump), place, list(dump.get(f"slice:{tier}:{slice_}", ())), name)


def bucket_of(dump: Dump, bucket: int) -> Bucket:
    return Bucket(_at(dump), bucket, b"".join(dump.get(f"remembered:{bucket}", ())))


def total_of(dump: Dump, window: str, site: str, board: str) -> Total:
    rows = {article: int(count) for article, count in dump.get(f"total:{window}:{site}:{board}", {}).items()}
    return Total(_at(dump), window, site, board, rows)


def _pair(text: str) -> tuple[int, int]:
    tier, slice_ = text.split(":")
    return int(tier), int(slice_)


def _triple(text: str) -> tuple[str, str, str]:
    first, second, third = text.split(":", 2)
    return first, second, third


def recounted(
    definition: Definition,
    some: Sequence[Piece],
    log: Sequence[Raw | None],
    is_stray: IsStray,
    *,
    n0: int = 0,
    kept: int = 0,
) -> Recount:
    """The log from `kept` on, counted from where `ranker verify` begins. Its offsets are those of the list."""
    floors = next((piece.at.floors for piece in some if not isinstance(piece, Bucket)), some[0].at.floors)
    begins_ms = definitions.begins_ms(definition, floors, len(floors))
    recount = Recount(definition, some, is_stray)
    there = [raw for raw in log[kept : recount.end] if raw is not None]

    def first_at(append_ms: int) -> int:
        return next((number for number, raw in enumerate(there) if raw.timestamp >= append_ms), len(there))

    wanted = first_at(begins_ms)
    if kept > n0 and wanted <= first_at(FIRST_MS):
        recount.log_is_cut()
    for raw in there[wanted:]:
        recount.feed(*raw)
    return recount
