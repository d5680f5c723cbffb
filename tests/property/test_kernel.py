"""The kernel's fold equals the plain one; see kernel.py."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from aiokafka.consumer import fetcher

pytest.importorskip("ranker.kernel._kernel", reason="the kernel is not built: make kernel")

from ranker.core.costs import SEQUENCES, Costs
from ranker.core.generation import Generation
from ranker.core.home import home
from ranker.kernel import _kernel
from ranker.kernel.fold import KernelFold
from ranker.kernel.memory import KernelMemory
from tests.property import chunks, clean_batches, columns, kernel, sequence_forms
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.raw_records import Given
from tests.support.stretches import stretches

TODAY = int(f"{datetime.now(UTC):%Y%m%d}") * 1_000


def declined_share(first: int, *, is_foreign: bool = False) -> float:
    """Of the records of these seeds; raises AssertionError where the folds differ."""
    records = declined = 0
    for seed in range(first, first + (20_000 if first == 1_000_000 else 300)):
        try:
            seen, plain = kernel.check(seed, is_foreign=is_foreign)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        records, declined = records + seen, declined + plain
    return declined / records


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_both_folds_agree(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the seeds are the day's. Most records are clean, and some of every kind are not."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)  # patched by `check`
    assert 0.2 < declined_share(first) < 0.6


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_both_folds_agree_on_topics_of_others(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other names, constants, types, numbers as ids, units of time; most records are the kernel's."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)  # patched by `check`
    assert 0.2 < declined_share(first, is_foreign=True) < 0.8


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_columns_make_the_same_changes(first: int) -> None:
    """Floors everywhere, boards of every kind, counts of every size; batches of one piece and of several."""
    merged = 0
    for seed in range(first, first + (50_000 if first == 1_000_000 else 500)):
        try:
            merged += columns.check(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert merged > 300


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_chunks_count_as_the_log_says(first: int) -> None:
    """As for the plain fold (test_chunks.py): steps that are lost, folded again, loaded from the store."""
    for seed in range(first, first + (6_000 if first == 1_000_000 else 100)):
        try:
            chunks.check(seed, KernelFold, KernelMemory)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("first", [0, TODAY])
def test_a_walk_finds_what_the_client_finds(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed, aborted, control and old batches among clean ones, damaged or cut off; chunks of few records and bytes."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)  # patched by `check`
    stretches = 0
    for seed in range(first, first + 700):
        try:
            stretches += clean_batches.check(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    assert stretches > 1_000


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_sequences_of_both_forms_are_tracked_alike(first: int) -> None:
    for seed in range(first, first + (20_000 if first == 1_000_000 else 300)):
        try:
            sequence_forms.check(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_a_piece_ends_where_its_sequences_are_paid() -> None:
    """Random logs are too short for that."""
    settings = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    value = b'{"event_id":"e","event_type":"view","site_id":"demo","article_id":"/a","occurred_at":%d,"producer_id":"p"'
    value = value % kernel.BEGIN + b',"sequence":%d}'
    log = [Given(offset, kernel.BEGIN, b"demo/a", value % (16 * offset)) for offset in range(10 * SEQUENCES)]
    pieces = KernelFold(settings).raw(stretches(log), None, Costs.of(settings).dearest_record + 3)
    assert [len(counts.sequences["p"]) / SEQUENCES for _, counts in pieces] == [3, 3, 3, 1]


def test_homes_agree() -> None:
    """Keys of every length modulo four; as many partitions as there may be."""
    rng = random.Random(3)
    for length in range(60):
        for _ in range(40):
            key, partitions = rng.randbytes(length), rng.choice((1, 2, 3, 64, 1_000, 2**31 - 1))
            assert _kernel.home(key, partitions) == home(key, partitions)
    with pytest.raises(ValueError, match="a partition at least"):
        _kernel.home(b"", 0)
