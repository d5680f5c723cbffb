"""A test of the tests: with any one step of receiving frames taken away, some bytes are lost, repeated or waited for."""

from __future__ import annotations

import asyncio

import pytest

from tests.mutants.catalogue import Mutant, hunted
from tests.mutants.frames import FRAMES
from tests.mutants.seeds import hunt
from tests.property import frames

SEEDS = 300


def check(seed: int) -> None:
    asyncio.run(frames.check(seed))


@pytest.mark.parametrize("mutant", hunted(FRAMES))
def test_a_step_that_is_taken_from_frames_is_missed(mutant: Mutant) -> None:
    check(hunt(mutant, check, SEEDS))
