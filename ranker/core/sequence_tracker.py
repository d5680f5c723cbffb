"""The sequences that one shard has seen of each producer: what is missing, what came again.

A *run* is one producer_id, `NAME/RUN`: its sequence counts from 0, and its events spread over all shards. Sequences
are marked in bitmaps of blocks of 1,024. The last 128 blocks up to the highest sequence are kept; of older ones only
the number of sequences. Below the kept blocks a sequence cannot be told from one seen before, and counts as new.

All of it is a function of the log's records, however they are batched, and so it moves with n. Only which runs are
forgotten depends on more than the log (`inactive`); such a step begins a new lineage.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from ranker.core.sequences import Sequences

BLOCK = 1_024
"""Sequences of a block: 128 bytes, the least that a step rewrites of a run. A multiple of 8."""
KEPT = 128
"""Blocks kept: 131,072 sequences. Missing ones are determined some 15 s back (consume/jobs/watch_producers.py)."""
HEAD = 8
"""First blocks whose counts are kept: if a run was under way when counting began, losses in them are not judged."""
MAX_RUNS = 256
"""Runs of a shard; further ones are counted as untracked until some are forgotten."""
INACTIVE_MS = 90_000_000
"""A run without records for 25 h is forgotten, an hour after reports leave it out (core/loss.py): shards forget it one
after the other, and what is still there in some of them looks like loss."""
INACTIVE_FULL_MS = 3_600_000
"""The same while the shard has no place for another run."""
MAX_SEQUENCE = 2**53 - 1
"""Larger numbers are no count of events."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[int]).decode


@dataclass(slots=True)
class Run:
    """One run as one shard sees it. `first` and the keys of `blocks` are numbers of blocks; -1 before any sequence."""

    last_ms: int
    """Append time of its last record."""
    first: int = -1
    high: int = -1
    distinct: int = 0
    repeats: int = 0
    heads: list[int] = field(default_factory=list)
    """Number of sequences in each block from `first` on that is no longer kept; empty for a run seen from its start."""
    blocks: dict[int, int] = field(default_factory=dict)
    """Bitmaps: bit i of block b is sequence b · BLOCK + i."""

    @property
    def base(self) -> int:
        """The oldest block that may be kept."""
        return max(0, self.high // BLOCK - KEPT + 1)

    def copy(self) -> Run:
        return Run(
            self.last_ms, self.first, self.high, self.distinct, self.repeats, list(self.heads), dict(self.blocks)
        )

    def record(self, sequences: Sequences) -> tuple[set[int], set[int]]:
        """Marks sequences in the order of the log; returns (blocks marked, blocks no longer kept), both once kept."""
        touched: set[int] = set()
        closed: set[int] = set()
        if not sequences:
            return touched, closed
        low, high = sequences.bounds()
        if high > MAX_SEQUENCE:
            return self.record(sequences.split(MAX_SEQUENCE + 1)[0])
        if low // BLOCK > max(high, self.high) // BLOCK - KEPT:
            self._mark(sequences, low, high, touched, closed)
        elif high <= self.high:
            late, kept = sequences.split(self.base * BLOCK)
            for sequence in late:
                self._late(sequence // BLOCK)
            if kept:
                self._mark(kept, *kept.bounds(), touched, closed)
        else:
            # The kept blocks move on within these sequences (those of a whole outage at once, or a producer's fault).
            # Halves are soon short enough for them not to; one sequence alone always is.
            for half in sequences.halves():
                marked, gone = self.record(half)
                touched |= marked
                closed |= gone
        return touched - closed, closed

    def _mark(self, sequences: Sequences, low: int, high: int, touched: set[int], closed: set[int]) -> None:
        """Marks sequences of which none is or becomes too old to be kept: their order does not matter."""
        first, last = low // BLOCK, high // BLOCK
        self.first = first if self.first < 0 else min(self.first, first)
        if high > self.high:
            self.high = high
            self._close(closed)
        bits, size = sequences.bitmap(first * BLOCK, (last - first + 1) * BLOCK), BLOCK // 8
        new = 0
        for block, at in zip(range(first, last + 1), range(0, len(bits), size), strict=True):
            if found := int.from_bytes(bits[at : at + size], "little"):
                before = self.blocks.get(block, 0)
                self.blocks[block] = marked = before | found
                new += marked.bit_count() - before.bit_count()
                touched.add(block)
        self.distinct += new
        self.repeats += len(sequences) - new

    def _close(self, closed: set[int]) -> None:
        """Drops the bitmaps that are too old, however far the sequence has jumped."""
        base = self.base
        for block in [block for block in self.blocks if block < base]:
            self._add_to_head(block, self.blocks.pop(block).bit_count())
            closed.add(block)

    def _late(self, block: int) -> None:
        """Counts a sequence that is too old to be kept; those before the run was first seen are ignored."""
        if block >= self.first:
            self.distinct += 1
            self._add_to_head(block, 1)

    def _add_to_head(self, block: int, count: int) -> None:
        at = block - self.first
        if self.first > 0 and at < HEAD:
            self.heads += [0] * (at + 1 - len(self.heads))
            self.heads[at] += count

    def below(self, sequence: int) -> int | None:
        """Distinct sequences below this one; None if that is no longer known."""
        if sequence > self.high:
            return self.distinct
        block = sequence // BLOCK
        if block >= self.base:
            above = sum(bits.bit_count() for kept, bits in self.blocks.items() if kept > block)
            return self.distinct - above - (self.blocks.get(block, 0) >> sequence % BLOCK).bit_count()
        if sequence % BLOCK == 0 and self.first > 0 and block <= self.first + HEAD:
            kept = sum(bits.bit_count() for kept, bits in self.blocks.items() if kept < block)
            return sum(self.heads[: max(0, block - self.first)]) + kept
        return None


@dataclass(slots=True)
class TrackerUpdate:
    """A step's change to the tracking: the runs as they are after it, and the fields of the store that change."""

    runs: dict[str, Run] = field(default_factory=dict)
    marked: dict[str, set[int]] = field(default_factory=dict)
    closed: dict[str, set[int]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    untracked: int = 0
    """Sequences of runs that the shard has no place for."""

    def set_runs(self) -> dict[str, bytes]:
        """producer_id to the packed run, without its blocks."""
        return {name: _packed(run) for name, run in self.runs.items()}

    def set_blocks(self) -> dict[str, bytes]:
        """Field of the bitmap to its 128 bytes."""
        return {
            block_field(block, name): self.runs[name].blocks[block].to_bytes(BLOCK // 8, "little")
            for name, blocks in self.marked.items()
            for block in sorted(blocks)
        }

    def deleted_blocks(self) -> list[str]:
        return [block_field(block, name) for name, blocks in self.closed.items() for block in sorted(blocks)]


@dataclass(slots=True)
class SequenceTracker:
    """The runs of one shard. A step's update is computed first (`plan_update`, `forget`), and applied with the step."""

    runs: dict[str, Run] = field(default_factory=dict)

    def plan_update(self, sequences: Mapping[str, Sequences], last_seen_ms: Mapping[str, int]) -> TrackerUpdate:
        """The update for these sequences of each producer, in the order of the log; changes nothing yet."""
        update = TrackerUpdate()
        free = MAX_RUNS - len(self.runs)
        for name, new in sequences.items():
            run = self.runs.get(name)
            if run is None:
                if not free:
                    update.untracked += len(new)
                    continue
                free -= 1
            run = Run(0) if run is None else run.copy()
            run.last_ms = last_seen_ms[name]
            closed_before = set(run.blocks)
            marked, closed = run.record(new)
            update.runs[name] = run
            if marked:
                update.marked[name] = marked
            if closed := closed & closed_before:  # others never reached the store
                update.closed[name] = closed
        return update

    def forget(self, names: Iterable[str]) -> TrackerUpdate:
        """The update that forgets these runs; changes nothing yet."""
        gone = [name for name in names if name in self.runs]
        return TrackerUpdate(gone=gone, closed={name: set(self.runs[name].blocks) for name in gone})

    def apply(self, update: TrackerUpdate) -> None:
        """Takes over the update of a step that was applied."""
        self.runs |= update.runs
        for name in update.gone:
            del self.runs[name]

    def inactive(self, watermark_ms: int, elsewhere_ms: Mapping[str, int] | None = None) -> list[str]:
        """Runs to forget at this T of the shard; `elsewhere_ms` is when other shards last saw them."""
        limit = watermark_ms - (INACTIVE_FULL_MS if len(self.runs) >= MAX_RUNS else INACTIVE_MS)
        other = elsewhere_ms or {}
        return [name for name, run in self.runs.items() if max(run.last_ms, other.get(name, 0)) < limit]


def block_field(block: int, name: str) -> str:
    """The number first: a producer_id may hold any character."""
    return f"{block}:{name}"


def _packed(run: Run) -> bytes:
    return _pack((run.last_ms, run.first, run.high, run.distinct, run.repeats, *run.heads))


def unpacked(runs: Mapping[str, bytes], blocks: Mapping[str, bytes]) -> SequenceTracker:
    """The tracker from the fields in the store."""
    found = {}
    for name, packed in runs.items():
        last_ms, first, high, distinct, repeats, *heads = _unpack(packed)
        found[name] = Run(last_ms, first, high, distinct, repeats, heads)
    for field_, bits in blocks.items():
        block, _, name = field_.partition(":")
        if name in found:
            found[name].blocks[int(block)] = int.from_bytes(bits, "little")
    return SequenceTracker(found)


def last_seen(runs: Mapping[str, bytes], names: Collection[str]) -> dict[str, int]:
    """Append time of the last record of each of these runs; absent runs are left out."""
    return {name: _unpack(runs[name])[0] for name in names if name in runs}
