"""A test of the tests: with any one rule of the engine taken away, the random histories find it out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import MUTANTS, Mutant, hunted
from tests.mutants.remembered import HISTORIES
from tests.property.history import PROFILES, Profile
from tests.property.machine import Server, run
from tests.property.memory import MemoryServer
from tests.property.real import RealServer

SEEDS = 150
"""Most need one; what is found in less than one history of four needs some."""

LUA = [mutant for mutant in MUTANTS if mutant.in_lua]
PYTHON = [mutant for mutant in (*MUTANTS, *HISTORIES) if not mutant.in_lua]


def profile_of(mutant: Mutant) -> Profile:
    return next(profile for profile in PROFILES if profile.name == mutant.hunt)


def hunt(mutant: Mutant, altered: AbstractContextManager[None], server: Callable[[], Server]) -> int:
    """The first seed whose history fails with the mutant."""
    with altered:
        for seed in range(SEEDS):
            if run(seed, server, profile_of(mutant)).failure is not None:
                return seed
    pytest.fail(f"{mutant.name}: {SEEDS} histories of profile {mutant.hunt} did not notice")


@cache
def sound(seed: int, profile: Profile) -> str | None:
    """What the unaltered engine fails with in this history."""
    return run(seed, MemoryServer, profile).failure


@pytest.mark.parametrize("mutant", hunted(PYTHON))
def test_a_rule_that_is_taken_from_the_code_is_missed(mutant: Mutant) -> None:
    """Some history fails with the mutant and passes without it."""
    seed = hunt(mutant, mutate.python(mutant.where, mutant.old, mutant.new), MemoryServer)
    assert sound(seed, profile_of(mutant)) is None


@pytest.mark.parametrize("mutant", hunted(LUA))
def test_a_rule_that_is_taken_from_the_script_is_missed(mutant: Mutant, redis_url: str) -> None:
    """The same for the script, on a real Redis."""
    seed = hunt(mutant, mutate.lua(mutant.old, mutant.new), lambda: RealServer(redis_url))
    assert sound(seed, profile_of(mutant)) is None
