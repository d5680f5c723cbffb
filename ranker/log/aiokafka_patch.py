"""Takes records out of fetched batches inside aiokafka, many at a time.

`PartitionRecords._unpack_records` of aiokafka 0.14 turns each record of a fetched batch into a `ConsumerRecord`, which
is most of the cost of a naive loop. If a consumer's value_deserializer is a `ChunkingDeserializer`, the function below
runs instead: clean batches are the kernel's, the outer loop over all others (corrupt batches, aborted transactions,
control batches) is the client's own, and the inner one differs. It yields `Chunk`s, each starting where the last one
ended, also over holes, skipped batches, and records that cannot be unpacked or read: of these the first is a dead
letter, the offsets behind it are lost.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from itertools import chain
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError

from ranker.log.chunks import CHUNK_BYTES, Chunk, ChunkBuilder, UnreadableBatchError
from ranker.log.old_batches import OldBatch
from ranker.log.record_batches import Batch
from ranker.log.records import UnreadableError

_KNOWN_SOURCE = "b803e6d46480732c"
"""First digits of the SHA-256 of the client's function that this file replaces; a different one is not replaced."""

_original = fetcher.PartitionRecords._unpack_records  # noqa: SLF001  # the function that is replaced


class ChunkingDeserializer:
    """A value_deserializer that makes the patched client yield chunks of at most `limit` records.

    What the kernel can walk is for it, in chunks of at most `raw` records; 0: nothing is.
    """

    def __init__(self, limit: int, raw: int = 0) -> None:
        self.limit, self.raw = limit, raw

    def __call__(self, value: bytes | None) -> bytes | None:
        """Called by the client if the patch is not active: values stay bytes."""
        return value


def _unpack_records(self: Any) -> Iterator[Any]:
    if not isinstance(self._value_deserializer, ChunkingDeserializer):
        yield from _original(self)
        return
    chunking = self._value_deserializer
    builder = ChunkBuilder(chunking.limit, self.next_fetch_offset, chunking.raw)
    fault = None
    try:
        yield from _chunks(self, builder)
    except Exception as error:  # corrupt, or an unknown codec: must not concern other partitions
        fault = UnreadableBatchError(
            f"{type(error).__name__}: {error}; if the batch is damaged, restore it from another replica"
        )
    # set before the yield, here and below: the client compares it with its position afterwards
    self.next_fetch_offset = builder.position
    if builder.start < builder.position:
        yield builder.chunk()
    if fault is not None:
        yield Chunk(builder.position, builder.position, error=fault)


def _chunks(self: Any, builder: ChunkBuilder) -> Iterator[Chunk]:
    """Clean batches by the kernel, the others by the client's own loop.

    Yields chunks that are full or end with a leader epoch; leaves the rest.
    """
    records = self._records
    while records.has_next():
        clean = builder.clean(records, check_crcs=self._check_crcs)
        if clean is not None and builder.ends_before(clean):
            self.next_fetch_offset = builder.position
            yield builder.chunk()
            if clean.is_too_large:
                continue
        if clean is not None and not clean.is_too_large:
            builder.add_clean(clean)
            if builder.full:
                self.next_fetch_offset = builder.position
                yield builder.chunk()
            continue
        batch = records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        if batch.leader_epoch != builder.epoch and builder.start < builder.position:
            self.next_fetch_offset = builder.position
            yield builder.chunk()
        builder.epoch = batch.leader_epoch
        skip = False
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            skip = batch.is_transactional and batch.producer_id in self._aborted_producers
        if not skip and not batch.is_control_batch:
            for chunk in _chunks_of(batch, builder):
                self.next_fetch_offset = builder.position
                yield chunk
        builder.position = max(builder.position, batch.next_offset)


def _chunks_of(batch: Batch | OldBatch, builder: ChunkBuilder) -> Iterator[Chunk]:
    """Full chunks of one batch, and one that steps over its unreadable part. A chunk is all raw, or all read."""
    stretches = builder.stretches(batch)
    if stretches is None:
        if builder.has_stretches:
            yield builder.chunk()
        yield from _read_chunks_of(batch, builder)
        return
    if builder.has_records:
        yield builder.chunk()
    assert isinstance(batch, Batch)
    for number, stretch in enumerate(stretches):
        if number and builder.has_stretches:  # only the first was cut to what the chunk had room for
            yield builder.chunk()
        builder.add_stretch(batch, stretch)
        if builder.full:
            yield builder.chunk()


def _read_chunks_of(batch: Batch | OldBatch, builder: ChunkBuilder) -> Iterator[Chunk]:
    incoming: Iterator[Any] | None = None
    careful = False
    while True:
        some: list[Any] = []
        rest = None
        try:
            if incoming is None:
                incoming = batch.carefully(builder.position) if careful else _from(batch, builder.position)
            some.extend(builder.next_records(batch, incoming))  # keeps the records before an exception
            ended = not some
        except UnreadableError as unreadable:
            # the traceback would keep this frame and the unpacked data alive until the garbage collector runs
            rest, ended = unreadable.with_traceback(None), True
        except UnsupportedCodecError:
            raise
        except Exception:  # the client gives up with any of several errors
            if careful:
                raise
            incoming, careful, ended = None, True, False
        if some and not builder.position <= some[-1].offset < batch.next_offset:
            # offsets outside the batch: the client would continue from there
            some, incoming, careful, ended = [], None, True, False
        if some:
            builder.add(batch, some)
        # a large batch ends its chunk: bytes of its records besides keys and values are not counted
        if builder.full or (ended and builder.has_records and (rest is not None or batch.size >= CHUNK_BYTES)):
            yield builder.chunk()
        if rest is not None and builder.position < batch.next_offset:
            yield builder.unreadable_chunk(batch, rest)
        if ended:
            return


def _from(batch: Batch | OldBatch, start: int) -> Iterator[Any]:
    """The batch's records from offset `start` on: a fetch from inside a batch returns its beginning too."""
    records = batch.opened()
    # wrapped: the client's iterator can be started only once, and not be advanced again after its end
    return chain(records if batch.base_offset >= start else (r for r in records if r.offset >= start))


def install() -> bool:
    """Patches the client; False if it is not the version that the patch was written for (then records come singly)."""
    if fetcher.PartitionRecords._unpack_records is _unpack_records:  # noqa: SLF001
        return True
    if source_digest() != _KNOWN_SOURCE:
        return False
    fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
    return True


def source_digest() -> str:
    """First digits of the SHA-256 of the client's own function."""
    try:
        return hashlib.sha256(inspect.getsource(_original).encode()).hexdigest()[:16]
    except OSError:  # no source available: unknown
        return ""
