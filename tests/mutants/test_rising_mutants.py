"""A test of the tests: with any one step of the rising lists taken away, some list of random counts is another one."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.rising import RISING
from tests.mutants.seeds import hunt
from tests.property import rising

SEEDS = 3_000


@pytest.mark.parametrize("mutant", hunted(RISING))
def test_a_step_that_is_taken_from_the_rising_lists_is_missed(mutant: Mutant) -> None:
    """Some list is another one with the mutant, and as the definition has it without."""
    rising.check(hunt(mutant, rising.check, SEEDS))
