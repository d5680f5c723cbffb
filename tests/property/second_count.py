"""Compares a shard's dump with the second count of its log, as `ranker verify` does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.property.check import DivergedError, home
from tests.support import recount_pieces

if TYPE_CHECKING:
    from tests.property.machine import World

EVERY = 8
"""So many states of a history between two that are compared: 3 ms each."""


def compare(world: World, partition: int, dump: Mapping[str, Any]) -> None:
    """Raises DivergedError if they differ anywhere."""
    if world.report.states % EVERY:
        return
    definition = recount_pieces.definition_of(world.drawn.generation)
    pieces = recount_pieces.pieces(dump, definition, world.active_partitions)
    is_stray = partial(_is_stray, partition, world.active_partitions)
    log, n0 = world.broker.partitions[partition], int(dump["meta"]["n0"])
    recount = recount_pieces.recounted(definition, pieces, log.entries, is_stray, n0=n0, kept=log.start)
    if found := list(recount.differences()):
        raise DivergedError(f"the second count: {found[:5]}")
    world.happened("verified")
    if recount.unchecked():
        world.happened("verified_in_part")


def _is_stray(partition: int, partitions: int, site: str, article: str) -> bool:
    return home(f"{site}/{article}".encode(), partitions) != partition
