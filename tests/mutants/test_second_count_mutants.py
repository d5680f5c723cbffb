"""A test of `ranker verify`: with any one rule of the engine taken away that decides counts, the second count differs.

The oracle says nothing here: what is found, the second count alone has found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant
from tests.mutants.test_mutants import profile_of
from tests.property import machine, second_count
from tests.property.history import PROFILES, Profile
from tests.property.machine import Server
from tests.support.recount import Expected

SEEDS = 60


@contextmanager
def judged_by_the_second_count() -> Iterator[None]:
    """Every state is counted a second time, and the oracle is not called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_count, "EVERY", 1)
        patch.setattr(machine, "expected", lambda *_: Expected())
        patch.setattr(machine, "compare", lambda *_: None)
        patch.setattr(machine.lists, "compare", lambda *_: None)
        yield


def rules_profile() -> Profile:
    return next(profile for profile in PROFILES if profile.ruled == 1)


def found(mutant: Mutant, server: Callable[[], Server], seeds: int = SEEDS) -> str:
    """The first difference that the second count finds; "" if it finds none."""
    altered = mutate.lua if mutant.in_lua else lambda old, new: mutate.python(mutant.where, old, new)
    profile = rules_profile() if mutant.hunt == "chunks" else profile_of(mutant)
    with judged_by_the_second_count(), altered(mutant.old, mutant.new):
        for seed in range(seeds):
            failure = machine.run(seed, server, profile).failure or ""
            if "the second count" in failure:
                return f"seed {seed}: {failure}"
    return ""
