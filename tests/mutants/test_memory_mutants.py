"""A test of the tests: with any one sentence of what counts once taken away, chunks of some log count otherwise."""

from __future__ import annotations

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.remembered import CHUNKS
from tests.property import chunks

SEEDS = 300


def hunt(mutant: Mutant) -> int:
    """The first seed whose log counts otherwise with the mutant."""
    with mutate.python(mutant.where, mutant.old, mutant.new):
        for seed in range(SEEDS):
            try:
                chunks.check(seed)
            except Exception:  # an altered function may fail in any way
                return seed
    pytest.fail(f"{mutant.name}: {SEEDS} logs did not notice")


@pytest.mark.parametrize("mutant", hunted(CHUNKS))
def test_a_sentence_that_is_taken_from_what_counts_once_is_missed(mutant: Mutant) -> None:
    """Some log counts otherwise with the mutant, and as it says without it."""
    chunks.check(hunt(mutant))
