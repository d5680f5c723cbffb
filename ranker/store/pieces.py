"""Reads a live shard in pieces, each in one transaction with the version that it belongs to: for `ranker verify`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from ranker.recount.definition import Definition
from ranker.recount.pieces import At, Bucket, Index, Slice, SliceId, Total
from ranker.store import keys
from ranker.store.atomic_reads import Word, read_atomically
from ranker.store.errors import translated
from ranker.store.generations import GenerationError
from ranker.store.shard import FORMAT, fields_of, parsed_slice

_AT_ONCE = 8
"""Slices or lists in one transaction."""
_PAGE = 10_000
"""Rows of a list, and 80 kB of a bucket's keys, in one transaction: 3 ms of Redis."""
_TRIES = 5
_MOST_STRAYS = 100_000
_Each = TypeVar("_Each")


async def canonical(client: Any, generation: str) -> bytes:
    """The bytes that a generation's name is the hash of. GenerationError if they are not there."""
    with translated():
        stored: bytes | None = await client.get(keys.configuration(generation))
    if stored is None:
        raise GenerationError(f"generation {generation} is not known here; `ranker generations` lists those that are")
    return stored


class PieceReader:
    """Reads one shard. What its steps change meanwhile does no harm: every piece has a version of its own."""

    def __init__(self, client: Any, definition: Definition, partition: int) -> None:
        self._client = client
        self._definition = definition
        self._partition = partition
        self._keys = keys.ShardKeys(definition.generation, partition)

    async def index(self, partitions: int) -> tuple[Index, int] | None:
        """The small keys, and n0; None if the shard does not exist. `partitions` is the topic's number now.

        Raises GenerationError if the shard was dropped, or written in another format.
        """
        names = self._keys
        with translated():
            flat, slices, sites, sums, strays, buckets = await read_atomically(
                self._client,
                [
                    ("HGETALL", names.meta),
                    ("SMEMBERS", names.slices),
                    ("SMEMBERS", names.sites),
                    ("HGETALL", names.sums),
                    ("SRANDMEMBER", names.strays, _MOST_STRAYS + 1),
                    ("SMEMBERS", names.buckets),
                ],
            )
        meta = {name: value.decode() for name, value in fields_of(flat).items()}
        if not meta:
            return None
        if meta.get("format") != FORMAT or "dropped" in meta:
            raise GenerationError(
                f"partition {self._partition}: its counts were dropped, or written by another version of the software"
            )
        marked = meta["P"] == str(partitions) and len(strays) <= _MOST_STRAYS
        index = Index(
            at=At(int(meta["n"]), tuple(map(int, meta["floors"].split(",")))),
            slices=frozenset(map(parsed_slice, slices)),
            sites=frozenset(map(_text, sites)),
            sums={_sum_name(field): int(count) for field, count in fields_of(sums).items()},
            strays=frozenset(map(_text, strays)) if marked else None,
            buckets=frozenset(map(int, buckets)),
            latest_ms=int(meta.get("latest_ms", 0)),
            first=int(meta.get("first", 0)),
            last=meta.get("last", ""),
        )
        return index, int(meta["n0"])

    async def slices(self, places: Iterable[SliceId]) -> AsyncIterator[Slice]:
        """These slices, oldest first, a few at a time."""
        for some in _batches(sorted(places)):
            at, lists = await self._read([("LRANGE", self._keys.slice(*place), 0, -1) for place in some])
            for (tier, slice_), deltas in zip(some, lists, strict=True):
                name = f"slice {self._definition.windows[tier].name}:{slice_}"
                yield Slice(at, (tier, slice_), deltas, name)

    async def totals(self, lists: Iterable[tuple[str, str, str]]) -> AsyncIterator[Total]:
        """These lists, each (window, site, board), whole."""
        for some in _batches(lists):
            names = [self._keys.total(*each) for each in some]
            at, firsts = await self._read([_page(name, 0) for name in names])
            for each, name, first in zip(some, names, firsts, strict=True):
                version, flat = at, first
                if len(first) >= 2 * _PAGE:
                    version, flat = await self._whole(
                        partial(_page, name), 2 * _PAGE, ("ZRANGE", name, 0, -1, "WITHSCORES")
                    )
                rows = {_text(flat[i]): _number(flat[i + 1]) for i in range(0, len(flat), 2)}
                yield Total(version, *each, ours=rows)

    async def bucket(self, bucket: int) -> Bucket:
        """What rules remember of a bucket."""
        name = self._keys.remembered(bucket)
        pieces = 128
        at, elements = await self._whole(
            lambda number: ("LRANGE", name, number * pieces, (number + 1) * pieces - 1), pieces, ("LRANGE", name, 0, -1)
        )
        return Bucket(at, bucket, b"".join(elements))

    async def _whole(
        self, page: Callable[[int], tuple[Word, ...]], full: int, all_of_it: tuple[Word, ...]
    ) -> tuple[At, list[bytes]]:
        """A large key in pages of one version; if it never stands still for so long, at one moment."""
        for _ in range(_TRIES):
            found: list[bytes] = []
            version: At | None = None
            for number in itertools.count():
                at, (some,) = await self._read([page(number)])
                version = version or at
                if at != version:
                    break
                found += some
                if len(some) < full:
                    return version, found
        at, (found,) = await self._read([all_of_it])
        return at, found

    async def _read(self, reads: Sequence[tuple[Word, ...]]) -> tuple[At, list[Any]]:
        with translated():
            (n, floors), *replies = await read_atomically(
                self._client, [("HMGET", self._keys.meta, "n", "floors"), *reads]
            )
        if n is None or floors is None:
            raise GenerationError(f"partition {self._partition}: its shard was deleted while it was read")
        return At(int(n), tuple(map(int, floors.split(b",")))), replies


def _batches(them: Iterable[_Each]) -> Iterator[list[_Each]]:
    rest = iter(them)
    while some := list(itertools.islice(rest, _AT_ONCE)):
        yield some


def _page(name: str, number: int) -> tuple[Word, ...]:
    return ("ZRANGE", name, number * _PAGE, (number + 1) * _PAGE - 1, "WITHSCORES")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _number(score: bytes) -> int | float:
    """Scores are integers unless somebody has changed one."""
    number = float(score)
    return int(number) if number.is_integer() else number


def _sum_name(field: str) -> tuple[str, str, str]:
    site, window, outcome = field.split(":", 2)
    return site, window, outcome
