"""Random histories of the whole consumer against the oracle; see machine.py. A failure names its seed: run it again with
`python -m tests.property --seed N`.
"""

from __future__ import annotations

import pytest

from tests.property.history import PROFILES, Profile
from tests.property.machine import run
from tests.property.memory import MemoryServer
from tests.property.real import RealServer

SEEDS = 4
REAL_SEEDS = 1

named = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: f"{profile.name}{PROFILES.index(profile)}")


@named
def test_every_state_is_the_recount_of_the_log(profile: Profile) -> None:
    """After every step of every history: slices, totals, sums, counters, T, floors, strays, lists; in the end all is level."""
    states = 0
    for seed in range(SEEDS):
        report = run(seed, MemoryServer, profile)
        assert report.failure is None, f"seed {seed}: {report.failure}"
        states += report.states
    assert states > 20 * SEEDS, "histories in which hardly anything happens prove nothing"


@named
def test_a_real_redis_has_the_same_history(profile: Profile, redis_url: str) -> None:
    """Every reply and every state is the one that the reference has, in the same order, at the same moment."""
    for seed in range(REAL_SEEDS):
        real = run(seed, lambda: RealServer(redis_url), profile, length_s=8.0)
        assert real.failure is None, f"seed {seed}: {real.failure}"
        assert real.trace == run(seed, MemoryServer, profile, length_s=8.0).trace


def test_a_seed_is_a_history() -> None:
    """The same seed gives the same history: what has failed once can be looked at."""
    assert run(3, MemoryServer).trace == run(3, MemoryServer).trace


def test_histories_meet_every_reply() -> None:
    """What is said of a reply that never came is worth nothing."""
    wanted = {"applied", "already", "floors", "behind", "rewound", "missing"}
    for seed in range(20):
        wanted -= run(seed, MemoryServer).replies.keys()
        if not wanted:
            return
    assert not wanted
