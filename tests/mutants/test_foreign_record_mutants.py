"""A test of tests/property/test_recount_contract.py: with any one sentence taken away, records are not read alike."""

from __future__ import annotations

import random

import pytest

from ranker.core.generation import from_table
from schemas import configuration
from tests.mutants import mutate
from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.foreign_records import FOREIGN
from tests.property import odd_avro, odd_records
from tests.property.test_recount_contract import both

DRAWN = 1_500


def differs(rng: random.Random, *, avro: bool) -> bool:
    """Whether a drawn record is read as two things; a failure of either is one, too."""
    drawn = odd_records.drawn(rng)
    if avro:
        drawn.table["source"]["format"] = "avro"
        if not odd_avro.is_fit(drawn):
            return False
        schemas, record = odd_avro.record(rng, drawn, 7)
        records = [record]
    else:
        schemas, records = {}, [odd_records.record(rng, drawn) for _ in range(20)]
    try:
        engine, second = both(from_table(configuration.filled(drawn.table)), schemas)
        return any(engine(record) != second(record) for record in records)
    except Exception:
        return True


@pytest.mark.parametrize("mutant", hunted(FOREIGN))
def test_a_sentence_that_is_taken_away_is_missed(mutant: Mutant) -> None:
    rng = random.Random(7)
    with mutate.python(mutant.where, mutant.old, mutant.new):
        assert any(differs(rng, avro=mutant.hunt == "avro") for _ in range(DRAWN)), f"{DRAWN} tables did not notice"


@pytest.mark.parametrize("avro", [False, True])
def test_without_a_mutant_nothing_differs(avro: bool) -> None:
    rng = random.Random(7)
    assert not any(differs(rng, avro=avro) for _ in range(60))
