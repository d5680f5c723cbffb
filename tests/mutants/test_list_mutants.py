"""A test of the tests: with any one rule of the merge or of the lists taken away, its property does not hold."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.lists import LISTS
from tests.property.test_lists_property import PROPERTIES

EXAMPLES = 4_000


def search(mutant: Mutant, drawn: SearchStrategy[Any], holds: Callable[[Any], None]) -> Any:
    """The first example, always the same, for which the mutant's property does not hold."""
    last: Any = None
    one_by_one = settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate]
    )

    @one_by_one
    @given(drawn)
    def property_(example: Any) -> None:
        nonlocal last
        last = deepcopy(example)
        holds(example)

    with mutate.python(mutant.where, mutant.old, mutant.new), pytest.raises(AssertionError):
        property_()
    return last


@pytest.mark.parametrize("mutant", hunted(LISTS))
def test_a_rule_that_is_taken_from_the_lists_is_missed(mutant: Mutant) -> None:
    """Its property fails for some example with the mutant, and holds for it without."""
    drawn, holds = PROPERTIES[mutant.hunt]
    holds(search(mutant, drawn, holds))
