"""Sequences of both forms, each against a list; random ones through the tracker: tests/property/sequence_forms.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ranker import kernel
from ranker.core.sequence_tracker import BLOCK, KEPT, MAX_SEQUENCE, Run
from ranker.core.sequences import SequenceList, Sequences

needs_kernel = pytest.mark.skipif(not kernel.VERSION, reason="the kernel is not built: make kernel")


def compiled(some: Iterable[int] = ()) -> Sequences:
    from ranker.kernel._kernel import Sequences as Compiled

    return Compiled(some)


@pytest.fixture(params=[SequenceList, pytest.param(compiled, marks=needs_kernel)])
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_none(form: Any) -> None:
    none = form([])
    assert not none
    assert [*none] == []
    assert none == form([])
    assert [len(half) for half in (*none.halves(), *none.split(5))] == [0, 0, 0, 0]
    assert none.bitmap(7, 0) == b""
    assert none.bitmap(0, 8) == b"\0"
    with pytest.raises(ValueError, match=r"empty|none"):
        none.bounds()


def test_parts_keep_the_order(form: Any) -> None:
    some = form([5, 3, 9, 3, 0])
    assert len(some) == 5
    assert some.bounds() == (0, 9)
    assert [[*part] for part in some.halves()] == [[5, 3], [9, 3, 0]]
    assert [[*part] for part in some.split(5)] == [[3, 3, 0], [5, 9]]
    assert [[*part] for part in some.split(0)] == [[], [5, 3, 9, 3, 0]]
    assert [*some] == [5, 3, 9, 3, 0]
    assert some != form([5, 3, 9, 0, 3])
    assert some != 5


def test_bits_are_in_the_order_of_sequences(form: Any) -> None:
    some = form([16, 17, 24, 39, 24])
    assert some.bitmap(16, 24) == bytes((0b11, 0b1, 0b1000_0000))
    assert int.from_bytes(some.bitmap(0, 1_024), "little") == 1 << 16 | 1 << 17 | 1 << 24 | 1 << 39
    assert form([MAX_SEQUENCE]).bitmap(MAX_SEQUENCE - 7, 8) == b"\x80"


@needs_kernel
@pytest.mark.parametrize(("low", "size"), [(17, 24), (16, 23), (0, 16), (-(2**63), 8)])
def test_none_is_marked_outside(low: int, size: int) -> None:
    """The callers never do that; the plain list does not check it."""
    with pytest.raises(ValueError, match="outside"):
        compiled([16, 39]).bitmap(low, size)


@needs_kernel
def test_each_form_takes_the_other() -> None:
    """A batch mixes what the kernel folded and what it left: the order is the log's."""
    of_kernel, plain = compiled([1, 2]), SequenceList([1, 2])
    for some in (of_kernel, plain):
        same = some
        same += compiled([9, 0])
        same += SequenceList([4])
        assert same is some
        assert [*some] == [1, 2, 9, 0, 4]
    assert of_kernel == plain
    assert plain == of_kernel
    of_kernel += of_kernel
    assert [*of_kernel] == [1, 2, 9, 0, 4] * 2
    with pytest.raises(TypeError):
        of_kernel += ["1"]  # type: ignore[list-item]


@needs_kernel
def test_what_needs_more_than_64_bits_is_no_count_either() -> None:
    """It is one sequence more, and nothing is marked."""
    too_large = [2**63 - 1, 2**63, 2**70]
    some = compiled(too_large)
    assert [*some] == [2**63 - 1] * 3
    assert some == SequenceList(too_large)
    some += [2**64, 7]
    run = Run(0)
    assert run.record(some) == ({0}, set())
    assert run == Run(0, 0, 7, 1, 0, [], {0: 1 << 7})


def test_late_ones_and_jumps(form: Any) -> None:
    """Beyond the kept blocks and back, within one call."""
    jump = KEPT * BLOCK
    run = Run(0)
    assert run.record(form([BLOCK, 3 * BLOCK, BLOCK + 1, jump * 2, BLOCK, 3, MAX_SEQUENCE + 1])) == ({2 * KEPT}, {1, 3})
    assert (run.first, run.high, run.distinct, run.repeats) == (1, 2 * jump, 5, 0)
    assert (run.heads, run.blocks) == ([3, 0, 1], {2 * KEPT: 1})
    assert run.record(form([BLOCK, 2 * jump, 2 * jump - 1])) == ({2 * KEPT, 2 * KEPT - 1}, set())
    assert (run.distinct, run.repeats, run.heads) == (7, 1, [4, 0, 1])
