"""A test of the tests: with any one rule of periods taken away, its property does not hold."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.periods import PERIODS
from tests.mutants.test_list_mutants import search
from tests.property.periods import PROPERTIES


@pytest.mark.parametrize("mutant", hunted(PERIODS))
def test_a_rule_that_is_taken_from_periods_is_missed(mutant: Mutant) -> None:
    """Its property fails for some example with the mutant, and holds for it without."""
    drawn, holds = PROPERTIES[mutant.hunt]
    holds(search(mutant, drawn, holds))
