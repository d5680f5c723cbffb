"""A test of the tests: with any one sentence of what counts once taken away, chunks of some log count otherwise."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.remembered import CHUNKS
from tests.mutants.seeds import hunt
from tests.property import chunks

SEEDS = 300


@pytest.mark.parametrize("mutant", hunted(CHUNKS))
def test_a_sentence_that_is_taken_from_what_counts_once_is_missed(mutant: Mutant) -> None:
    """Some log counts otherwise with the mutant, and as it says without it."""
    chunks.check(hunt(mutant, chunks.check, SEEDS))
