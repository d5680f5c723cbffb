"""The compiled module (src/lib.rs). Bytes of a fetch are shared, not copied."""

from collections.abc import Iterable, Iterator
from typing import Final, Self

from ranker.core.sequences import Sequences as AnySequences

VERSION: Final[str]

class Record:
    """As the plain fold takes it. Of a topic of ours no header is read: `headers` is empty."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]: ...

class Stretch:
    """Records of one batch that lie one behind the other: bytes [begin, end) of what was fetched, up to the offset
    `next_offset`.
    """

    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def next_offset(self) -> int: ...
    @property
    def records(self) -> int: ...
    def record(self, at: int) -> tuple[Record, int]:
        """The record that begins at byte `at`, and where the next one begins."""

def home(key: bytes, partitions: int) -> int:
    """As that of core/home.py."""

def crc_fits(data: bytes, begin: int, end: int) -> bool:
    """Whether the batch data[begin:end] has the CRC-32C that its header says."""

def cut(
    data: bytes, begin: int, end: int, from_offset: int, room: int, most: int, most_bytes: int
) -> list[Stretch] | None:
    """The records of the unpacked batch data[begin:end] from an offset on, in stretches of at most `room` records, then
    of `most` each, and of `most_bytes`, but of one record at least. None if they cannot be walked to the batch's end.
    """

def clean_batches(
    data: bytes, at: int, from_offset: int, room: int, most_bytes: int, *, check_crcs: bool
) -> tuple[list[Stretch], int, int, int, bool] | None:
    """The clean batches of a fetch from byte `at` on, as far as their records from an offset on are at most `room` and
    `most_bytes`: whole ones of version 2, neither compressed nor in a transaction, of one leader epoch. Returns their
    stretches (none if the first batch alone is more), where the next batch begins, the offset behind the last one, the
    epoch, and whether a record carries its producer's time. None if the first batch is not clean.
    """

class Keys:
    """The live keys of one bucket, as `KeySet`."""

    def add(self, key: bytes) -> bool: ...

class Buckets:
    """What `Memory` of core/memory.py keeps beside versions; methods of the same name do the same."""

    def __init__(self, per_ms: int, grace_ms: int, most: int, latest_ms: int, first: int) -> None: ...
    def expect(self, bucket: int, keys: int) -> None: ...
    def hold(self, bucket: int, keys: bytes) -> None: ...
    def keys_at(self, occurred_ms: int) -> Keys | None: ...
    def passed(self, occurred_ms: int) -> None: ...
    def take_change(self) -> tuple[int, int, dict[int, bytearray], list[int], int, int]:
        """The fields of `MemoryChange`, in their order."""

    def stored(self, bucket: int, keys: int) -> None:
        """The store has so many of the oldest pending keys of a bucket."""

    def gone(self, bucket: int) -> None:
        """The store has forgotten a bucket."""

    def drop_pending(self, latest_ms: int, first: int) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def bytes(self) -> int: ...

class Columns:
    """Counts by slice, site, outcome and article; methods as those of `Columns` in core/partial_counts.py."""

    def add(self, other: Columns) -> None: ...
    def cost_with(self, other: Columns, enough: int) -> int: ...
    @property
    def cost(self) -> int: ...
    def events(self) -> dict[str, int]: ...
    def as_dicts(self) -> dict[tuple[int, str, str], dict[str, int]]:
        """As `PartialCounts.counts`, for comparisons."""

    def route(self, routing: Routing, floors: list[int]) -> Routed: ...

class Routing:
    """What a generation's counts are routed by, as `Router` has it."""

    def __init__(self, lanes: int, fine_per_slice: list[int], boards_of: dict[str, list[tuple[str, int]]]) -> None: ...

class Routed:
    """The changes of columns above some floors. Slices are asked for by number."""

    def slices(self) -> list[tuple[tuple[int, int], int]]:
        """(tier, slice) and its number of counts."""

    def sums(self) -> dict[tuple[str, int, str], int]: ...
    def increases(self) -> list[tuple[str, str, list[int], bytes, bytes, int]]:
        """Site, board, windows, articles and increments as msgpack, and how many these are."""

    def strays(self, partition: int, partitions: int) -> list[str]: ...
    def delta(self, number: int, sealed: bool) -> tuple[bool, bytes]:
        """Whether it holds columns, and a slice's delta without its first byte, before it is compressed."""

class Sequences:
    """As that of core/sequences.py. One too large for 64 bits becomes the largest that is not: neither is a count."""

    def __init__(self, of: Iterable[int], /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[int]: ...
    def __iadd__(self, later: Iterable[int], /) -> Self: ...
    def bounds(self) -> tuple[int, int]: ...
    def split(self, bound: int) -> tuple[Sequences, Sequences]: ...
    def halves(self) -> tuple[Sequences, Sequences]: ...
    def bitmap(self, low: int, size: int) -> bytes: ...

class Fold:
    """Folds for one generation. Names known to be valid outlive a call."""

    def __init__(
        self,
        *,
        grain_ms: int,
        late_grain_ms: int,
        late_ms: int,
        future_ms: int,
        only_sites: list[str] | None,
        duplicate: bool,
        bots: bool,
        internal: bool,
        types: list[str],
        seed: int,
        unfit: list[tuple[int, int]],
        sums_cost: int,
        article_costs: dict[str, int],
        fields: list[str | None],
        required: list[bool],
        is_ours: bool,
        site: str,
        event_type: str,
        event_types: dict[str, str],
        time: tuple[int, int],
    ) -> None:
        """`unfit` are ranges of characters that no article's id has, in their order; the costs are those of
        core/costs.py, and the last seven the topic's form (kernel/shape.py).
        """

    def fold(
        self, stretches: list[Stretch], at: int, memory: Buckets | None, most_cost: int
    ) -> tuple[
        int,
        int,
        int,
        Columns,
        int,
        int,
        int | None,
        tuple[int, int, int] | None,
        dict[str, AnySequences],
        dict[str, int],
    ]:
        """Folds stretches, the first of them from byte `at` on, with the GIL released.

        Returns where it stopped, a stretch's number and a byte of it: behind the record with which the cost reaches
        `most_cost`, at one that it declines, or (their number, 0); and of what it folded the cost, `columns`,
        `records`, `late`, `first_append_ms`, `mark`, `sequences` and `last_seen_ms`, as in `PartialCounts`. Raises
        RuntimeError if it panics.
        """

    def columns(self, counts: dict[tuple[int, str, str], dict[str, int]]) -> Columns:
        """What the plain fold has counted."""
