"""Mutants follow the meaning of the code: its names and its layout may change, what they take away may not vanish."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from ranker.store import shard
from tests.mutants import mutate
from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.foreign_records import FOREIGN
from tests.mutants.frames import FRAMES
from tests.mutants.kernel import Mutant as KernelMutant
from tests.mutants.kernel_columns import COLUMNS
from tests.mutants.kernel_folds import FOLDS
from tests.mutants.kernel_records import RECORDS
from tests.mutants.lists import LISTS
from tests.mutants.periods import PERIODS
from tests.mutants.remembered import CHUNKS, HISTORIES
from tests.mutants.rising import RISING
from tests.mutants.second_count import SECOND
from tests.support.deploy_tools import CHECKOUT

PLAIN = """
def least(numbers, limit):
    found = [number for number in numbers if number >= limit]
    found.sort()
    return min(found, default=limit)

class ImportDefaults:
    def __init__(self):
        self.books = 0

    @property
    def full(self):
        return self.books >= 2

    def put(self):
        self.books += 1
        print("put")
"""
OTHERWISE = PLAIN.replace("number", "one").replace("limit", "bound").replace(", bound)", ",\n    bound)")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(tmp_path)

    def make(text: str) -> ModuleType:
        (tmp_path / "mutated.py").write_text(text)
        monkeypatch.delitem(sys.modules, "mutated", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("mutated")

    return make


@pytest.mark.parametrize("text", [PLAIN, OTHERWISE], ids=["plain", "otherwise"])
def test_a_mutant_lives_through_other_names_and_another_layout(module: Callable[[str], ModuleType], text: str) -> None:
    """An operator, a call with whatever arguments, two statements: changed meanwhile, and put back."""
    made = module(text)
    with mutate.python("mutated:least", "A >= B", "A > B"):
        assert made.least([3, 2, 1], 2) == 3
    with mutate.python("mutated:least", "min(...)", "max(...)"):
        assert made.least([3, 2, 1], 2) == 3
    assert made.least([3, 2, 1], 2) == 2
    shelf = made.ImportDefaults()
    with mutate.python("mutated:ImportDefaults.put", "A.books += 1; print(...)", "A.books -= 1"):
        shelf.put()
    assert shelf.books == -1
    with mutate.python("mutated:ImportDefaults.full", "A >= 2", "A < 2"):
        assert shelf.full
    assert not shelf.full


def test_a_mutant_that_has_lost_its_place_is_noticed(module: Callable[[str], ModuleType]) -> None:
    """It would prove nothing. The sentence lists what the function holds of that kind."""
    module(PLAIN)
    for where, old, new, sentence in (
        ("mutated:least", "A < B", "A", r"holds 0 times.*'A < B'.*Compare.*number >= limit"),
        ("mutated:least", "A", "None", r"holds \d+ times"),
        ("mutated:least", "A >= B", "A >= bound", r"does not know \['bound'\]"),
        ("mutated:most", "A", "None", "no such function"),
    ):
        with pytest.raises(mutate.NotThereError, match=f"(?s){sentence}"), mutate.python(where, old, new):
            pass
    with pytest.raises(mutate.NotThereError), mutate.lua("call(", "call("):
        shard.script("advance")


@pytest.mark.parametrize(
    "mutant",
    [*MUTANTS, *LISTS, *CHUNKS, *HISTORIES, *SECOND, *PERIODS, *RISING, *FOREIGN, *FRAMES],
    ids=lambda mutant: mutant.name,
)
def test_every_mutant_has_its_place(mutant: Mutant) -> None:
    """Also those that only make test-long hunts for."""
    with mutate.lua(mutant.old, mutant.new) if mutant.in_lua else mutate.python(mutant.where, mutant.old, mutant.new):
        shard.script("advance")


@pytest.mark.parametrize("mutant", [*RECORDS, *FOLDS, *COLUMNS], ids=lambda mutant: mutant.what)
def test_every_mutant_of_the_kernel_has_its_place(mutant: KernelMutant) -> None:
    source = CHECKOUT / "ranker" / "kernel" / "src" / mutant.file
    assert source.read_text().count(mutant.old) == 1
