"""Reads a live shard in pieces, each in one transaction with the version that it belongs to: for `ranker verify`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from ranker.recount.definition import Definition
from ranker.recount.pieces import At, Bucket, Index, Slice, SliceId, Total
from ranker.store import keys
from ranker.store.atomic_reads import Word, read_atomically, read_each_atomically
from ranker.store.errors import translated
from ranker.store.generations import GenerationError
from ranker.store.shard import FORMAT, fields_of, parsed_slice

_TOGETHER = 4
"""Slices in one transaction."""
_AT_ONCE = 8
"""Transactions that are sent at once, which Redis may run without a break. The sooner all is read, the fewer floors are
there to count at."""
_FIRST = 1_000
"""Rows that are read of every list; most have no more."""
_PAGE = 2_000
"""Rows of a list in one transaction: some 0.6 ms of Redis."""
_PIECES = 128
"""Elements of a bucket's list in one transaction: a megabyte, if all are full."""
_TRIES = 5
_MOST_STRAYS = 1_000_000
"""Some 100 MB; more are not compared."""
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
        reads: list[tuple[Word, ...]] = [
            ("HGETALL", names.meta),
            ("SMEMBERS", names.slices),
            ("SMEMBERS", names.sites),
            ("HGETALL", names.sums),
            ("SCARD", names.strays),
            ("SMEMBERS", names.buckets),
        ]
        try:
            with translated():
                flat, slices, sites, sums, strays, buckets = await read_atomically(self._client, reads)
        except ResponseError as error:
            raise self._unreadable(error) from error
        meta = {_text(name.encode()): _text(value) for name, value in fields_of(flat).items()}
        if not meta:
            return None
        if meta.get("format") != FORMAT or "dropped" in meta:
            raise GenerationError(
                f"partition {self._partition}: its counts were dropped, or written by another version of the software"
            )
        try:
            marked = int(meta["P"]) == partitions and strays <= _MOST_STRAYS
            index = Index(
                at=self._version(meta["n"], meta["floors"]),
                slices=frozenset(map(self._place, slices)),
                sites=frozenset(map(_text, sites)),
                sums={_sum_name(field): int(count) for field, count in fields_of(sums).items()},
                strays=await self._strays(meta["lineage"]) if marked else None,
                buckets=frozenset(map(int, buckets)),
                latest_ms=int(meta.get("latest_ms", 0)),
                first=int(meta.get("first", 0)),
                last=meta.get("last", ""),
            )
            return index, int(meta["n0"])
        except (ValueError, KeyError) as error:
            raise self._unreadable(error) from error

    async def slices(self, places: Iterable[SliceId]) -> AsyncIterator[Slice]:
        """These slices, oldest first."""
        for some in _batches(_batches(sorted(places), _TOGETHER), _AT_ONCE):
            reads = [[("LRANGE", self._keys.slice(*place), 0, -1) for place in group] for group in some]
            for group, (at, lists) in zip(some, await self._read(reads), strict=True):
                for (tier, slice_), deltas in zip(group, lists, strict=True):
                    name = f"slice {self._definition.windows[tier].name}:{slice_}"
                    yield Slice(at, (tier, slice_), deltas, name)

    async def totals(self, lists: Iterable[tuple[str, str, str]]) -> AsyncIterator[Total]:
        """These lists, each (window, site, board), whole."""
        for some in _batches(lists, _AT_ONCE):
            names = [self._keys.total(*each) for each in some]
            firsts = await self._read([[_rows(name, 0, _FIRST)] for name in names])
            for each, name, (at, (first,)) in zip(some, names, firsts, strict=True):
                version, flat = at, first
                if len(first) >= 2 * _FIRST:
                    version, flat = await self._whole(("ZCARD", name), partial(_rows, name), _PAGE)
                rows = {_text(flat[i]): _number(flat[i + 1]) for i in range(0, len(flat), 2)}
                yield Total(version, *each, ours=rows)

    async def bucket(self, bucket: int) -> Bucket:
        """What rules remember of a bucket."""
        name = self._keys.remembered(bucket)
        at, elements = await self._whole(("LLEN", name), partial(_elements, name), _PIECES)
        return Bucket(at, bucket, b"".join(elements))

    async def _whole(
        self, length: tuple[Word, ...], page: Callable[[int, int], tuple[Word, ...]], size: int
    ) -> tuple[At, list[bytes]]:
        """A large key in pages of one version; if it never stands still for so long, at one moment."""
        for _ in range(_TRIES):
            ((version, (number,)),) = await self._read([[length]])
            found: list[bytes] = []
            for firsts in _batches(range(0, number, size), _AT_ONCE):
                pages = await self._read([[page(first, size)] for first in firsts])
                if any(at != version for at, _ in pages):
                    break
                for _, (some,) in pages:
                    found += some
            else:
                return version, found
        ((version, (found,)),) = await self._read([[page(0, 1 << 62)]])
        return version, found

    async def _strays(self, lineage: str) -> frozenset[str] | None:
        """Those that are marked now, and so all that were when the index was read; None if they were made anew."""
        found: set[str] = set()
        cursor = 0
        while True:
            with translated():
                cursor, some = await self._client.sscan(self._keys.strays, cursor, count=1_000)
            found.update(map(_text, some))
            if not cursor:
                break
        with translated():
            now = await self._client.hget(self._keys.meta, "lineage")
        return frozenset(found) if now == lineage.encode() else None

    async def _read(self, groups: Sequence[Sequence[tuple[Word, ...]]]) -> list[tuple[At, list[Any]]]:
        """The replies of each group, with the version they belong to."""
        version: tuple[Word, ...] = ("HMGET", self._keys.meta, "n", "floors", "dropped")
        found = []
        with translated():
            for replies in await read_each_atomically(self._client, [[version, *reads] for reads in groups]):
                if isinstance(replies, BaseException):
                    raise replies
                for reply in replies:
                    if isinstance(reply, ResponseError):  # a key of another type
                        raise self._unreadable(reply)
                found.append((self._at(*replies[0]), replies[1:]))
        return found

    def _unreadable(self, error: Exception) -> GenerationError:
        return GenerationError(
            f"partition {self._partition}: a key of its shard cannot be read ({error!r}): it was changed by hand; "
            "raise epoch in ranker.toml, which counts the log anew"
        )

    def _at(self, n: bytes | None, floors: bytes | None, dropped: bytes | None) -> At:
        if n is None or floors is None or dropped is not None:
            raise GenerationError(f"partition {self._partition}: its shard was deleted while it was read; run it again")
        try:
            return self._version(n.decode(), floors.decode())
        except ValueError as error:
            raise self._unreadable(error) from error

    def _version(self, n: str, floors: str) -> At:
        at = At(int(n), tuple(map(int, floors.split(","))))
        if len(at.floors) != len(self._definition.windows) or not all(
            0 <= number < 1 << 53 for number in (at.n, *at.floors)
        ):
            raise ValueError(f"n {n}, floors {floors}")
        return at

    def _place(self, member: bytes) -> SliceId:
        tier, slice_ = parsed_slice(member)
        if not 0 <= tier < len(self._definition.windows):
            raise ValueError(f"a slice {member!r}")
        return tier, slice_


def _batches(them: Iterable[_Each], size: int) -> Iterator[list[_Each]]:
    rest = iter(them)
    while some := list(itertools.islice(rest, size)):
        yield some


def _rows(name: str, first: int, number: int) -> tuple[Word, ...]:
    return ("ZRANGE", name, first, first + number - 1, "WITHSCORES")


def _elements(name: str, first: int, number: int) -> tuple[Word, ...]:
    return ("LRANGE", name, first, first + number - 1)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _number(score: bytes) -> int | float:
    """Scores are integers unless somebody has changed one."""
    number = float(score)
    return int(number) if number.is_integer() else number


def _sum_name(field: str) -> tuple[str, str, str]:
    site, window, outcome = field.split(":", 2)
    return site, window, outcome
