"""A shard's dump as the pieces that `ranker verify` reads, and the log counted a second time for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from ranker.core.generation import Generation
from ranker.recount import definition as definitions
from ranker.recount.definition import Definition
from ranker.recount.pieces import At, Bucket, Index, Slice, Total
from ranker.recount.recount import Piece, Recount
from tests.support.recount import Raw

IsStray = Callable[[str, str], bool]


def definition_of(generation: Generation) -> Definition:
    return definitions.read(generation.canonical(), generation.id)


def pieces(dump: Mapping[str, Any], definition: Definition, partitions: int) -> list[Piece]:
    """Every piece of a shard, all of one version. Names have no prefix, and text is text."""
    meta = dump["meta"]
    at = At(int(meta["n"]), tuple(map(int, meta["floors"].split(","))))
    sites = frozenset(dump.get("sites", ()))
    index = Index(
        at=at,
        slices=frozenset(map(_pair, dump.get("slices", ()))),
        sites=sites,
        sums={_triple(name): int(count) for name, count in dump.get("sums", {}).items()},
        strays=frozenset(dump.get("strays", ())) if meta["P"] == str(partitions) else None,
        buckets=frozenset(map(int, dump.get("buckets", ()))),
        latest_ms=int(meta.get("latest_ms", 0)),
        first=int(meta.get("first", 0)),
        last=meta["last"],
    )
    found: list[Piece] = [index]
    for place in sorted(index.slices):
        name = f"slice {definition.windows[place[0]].name}:{place[1]}"
        found.append(Slice(at, place, list(dump.get(f"slice:{place[0]}:{place[1]}", ())), name))
    found += [Bucket(at, bucket, b"".join(dump.get(f"remembered:{bucket}", ()))) for bucket in sorted(index.buckets)]
    for window, site, board in product(
        [window.name for window in definition.windows], sorted(sites), definition.boards
    ):
        rows = {article: int(count) for article, count in dump.get(f"total:{window}:{site}:{board}", {}).items()}
        found.append(Total(at, window, site, board, rows))
    return found


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
    wanted = next((number for number, raw in enumerate(there) if raw.timestamp >= begins_ms), len(there))
    if kept > n0 and wanted == 0:
        recount.log_is_cut()
    for raw in there[wanted:]:
        recount.feed(*raw)
    return recount
