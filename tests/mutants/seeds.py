"""Hunts for a mutant by seeds: each is one random example of a check."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant


def hunt(mutant: Mutant, check: Callable[[int], None], seeds: int) -> int:
    """The first seed whose check fails with the mutant."""
    with mutate.python(mutant.where, mutant.old, mutant.new):
        for seed in range(seeds):
            try:
                check(seed)
            except Exception:  # an altered function may fail in any way
                return seed
    pytest.fail(f"{mutant.name}: {seeds} seeds did not notice")
