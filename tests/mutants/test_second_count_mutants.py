"""A test of `ranker verify`: with any one rule of the engine taken away that decides counts, the second count differs.

The oracle has no part in this: what is found, the second count alone has found. And a test of its tests: with any one
sentence taken away from the second count, it differs from a right shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.mutants import mutate
from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.remembered import CHUNKS
from tests.mutants.second_count import NOT_COUNTED, QUICK, SECOND
from tests.mutants.test_mutants import LUA, PYTHON, profile_of
from tests.property import lists, machine, second_count, test_recount_versions
from tests.property.history import PROFILES
from tests.property.machine import Server
from tests.property.memory import MemoryServer
from tests.property.real import RealServer
from tests.support.recount import Expected

LOGS, HISTORIES = 300, 60


@contextmanager
def judged_by_the_second_count() -> Iterator[None]:
    """Every state is counted a second time, and the oracle is not called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_count, "EVERY", 1)
        patch.setattr(machine, "expected", lambda *_: Expected())
        patch.setattr(machine, "compare", lambda *_: None)
        patch.setattr(lists, "compare", lambda *_: None)
        yield


def in_logs(seed: int) -> str:
    """The first difference of this log's pieces. If a mutant makes the engine fail, the second count has found nothing."""
    try:
        return next((str(one) for one in test_recount_versions.verified(seed).differences()), "")
    except Exception:
        return ""


def in_histories(mutant: Mutant, seed: int, server: Callable[[], Server] = MemoryServer) -> str:
    """The first difference of this history; other failures are not the second count's."""
    rules = next(profile for profile in PROFILES if profile.ruled == 1)
    profile = rules if mutant.hunt == "chunks" else profile_of(mutant)
    failure = machine.run(seed, server, profile).failure or ""
    return failure if "the second count" in failure else ""


def found(mutant: Mutant, server: Callable[[], Server] = MemoryServer) -> str:
    """The first difference that the second count finds, "" if it finds none."""
    altered = (
        mutate.lua(mutant.old, mutant.new) if mutant.in_lua else mutate.python(mutant.where, mutant.old, mutant.new)
    )
    with judged_by_the_second_count(), altered:
        if mutant.hunt in ("chunks", "versions") and (first := next(filter(None, map(in_logs, range(LOGS))), "")):
            return first
        if mutant.hunt == "versions":
            return ""
        return next(filter(None, (in_histories(mutant, seed, server) for seed in range(HISTORIES))), "")


def counting(mutants: Iterable[Mutant]) -> list[Any]:
    """Those that decide counts, marks or keys; a few in the normal run."""
    chosen = [mutant for mutant in mutants if mutant.name not in NOT_COUNTED]
    return [pytest.param(one, id=one.name, marks=[] if one.name in QUICK else [pytest.mark.long]) for one in chosen]


@pytest.mark.parametrize("mutant", counting([*PYTHON, *CHUNKS]))
def test_what_the_engine_counts_wrongly_is_found(mutant: Mutant) -> None:
    assert found(mutant)


@pytest.mark.parametrize("mutant", counting(LUA))
def test_what_the_script_stores_wrongly_is_found(mutant: Mutant, redis_url: str) -> None:
    assert found(mutant, lambda: RealServer(redis_url))


def test_what_decides_no_count_is_named() -> None:
    """Each of these is a mutant still, and another test finds it."""
    assert {mutant.name for mutant in (*PYTHON, *CHUNKS, *LUA)} >= NOT_COUNTED.keys() | QUICK


@pytest.mark.parametrize("mutant", hunted(SECOND))
def test_a_sentence_that_is_taken_from_the_second_count_is_missed(mutant: Mutant) -> None:
    """It differs from some right shard, and without the mutant from none (test_recount_versions.py, test_histories.py)."""
    assert found(mutant)
