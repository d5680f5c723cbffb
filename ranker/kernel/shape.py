"""What the kernel is told of a topic's form: our own contract, or a flat [source] that it can read."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ranker.core import shape
from ranker.core.event import PageView
from ranker.core.generation import Generation
from ranker.core.paths import parts
from ranker.core.source import Source

_TIMES = {"ms": (1, 1), "us": (1, 1000), "s": (1000, 1)}
"""Unit to what a whole number of it is multiplied and divided by."""


class KernelShape(NamedTuple):
    """`fields` are the names in a record, None of what is not read, and `required` whether it has to be there, both in
    the order of the contract; the rest as in `Source`.
    """

    fields: list[str | None]
    required: list[bool]
    is_ours: bool
    site: str
    event_type: str
    event_types: dict[str, str]
    time: tuple[int, int]


def shape_of(generation: Generation) -> KernelShape | None:
    """None if the plain fold alone can read the topic."""
    ours = msgspec.structs.fields(PageView)
    if isinstance(source := generation.source, msgspec.UnsetType):
        required = [field.default is msgspec.NODEFAULT for field in ours]
        return KernelShape([field.name for field in ours], required, True, "", "", {}, _TIMES["ms"])
    if not _is_plain(source):
        return None
    leaves = shape.leaves(source, source.time, nullable=False)
    named = {name: str(parts(path)[0]) for name, path in source.fields.items()}
    return KernelShape(
        [named.get(field.name) for field in ours],
        [field.name in leaves and leaves[field.name].default is msgspec.NODEFAULT for field in ours],
        False,
        source.constants.get("site_id", ""),
        source.constants.get("event_type", ""),
        source.event_types if "event_type" in named else {},
        _TIMES[source.time],
    )


def _is_plain(source: Source) -> bool:
    """Whether an event is made of its fields alone, at the top level of JSON."""
    unset = source.format, source.ids, source.bot_agents
    return (
        all(one is msgspec.UNSET for one in unset)
        and source.time in _TIMES
        and not source.filters
        and shape.is_flat(source)
        and all(isinstance(parts(path)[0], str) for path in source.fields.values())
    )
