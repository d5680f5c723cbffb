"""A test of the tests: with any one step of the rising lists taken away, some list of random counts is another one."""

from __future__ import annotations

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.rising import RISING
from tests.property import rising

SEEDS = 3_000


def hunt(mutant: Mutant) -> int:
    """The first seed whose list is another one with the mutant."""
    with mutate.python(mutant.where, mutant.old, mutant.new):
        for seed in range(SEEDS):
            try:
                rising.check(seed)
            except Exception:  # an altered function may fail in any way
                return seed
    pytest.fail(f"{mutant.name}: {SEEDS} lists did not notice")


@pytest.mark.parametrize("mutant", hunted(RISING))
def test_a_step_that_is_taken_from_the_rising_lists_is_missed(mutant: Mutant) -> None:
    """Some list is another one with the mutant, and as the definition has it without."""
    rising.check(hunt(mutant))
