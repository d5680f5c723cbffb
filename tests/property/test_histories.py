"""Random histories of the whole consumer against the oracle; see machine.py.

Some seeds are always the same; one is the day's, so that every day looks where none has looked. A failure names its
seed: run it again with HISTORY_SEED=N.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from tests.property.history import PROFILES, Profile
from tests.property.machine import run
from tests.property.memory import MemoryServer
from tests.property.real import RealServer

TODAY = int(os.environ.get("HISTORY_SEED") or f"{datetime.now(UTC):%Y%m%d}")
SEEDS = (0, 1, 2, 3, TODAY)
REAL_SEED = 0

named = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: f"{profile.name}{PROFILES.index(profile)}")


def failed(seed: int, failure: str) -> str:
    return f"seed {seed}: {failure}\nThe same again: HISTORY_SEED={seed} make test TESTS={os.path.relpath(__file__)}"


@named
def test_every_state_is_the_recount_of_the_log(profile: Profile) -> None:
    """After every step of every history: slices, totals, sums, counters, T, floors, strays, lists; in the end all is level."""
    states = 0
    for seed in SEEDS:
        report = run(seed, MemoryServer, profile)
        assert report.failure is None, failed(seed, report.failure)
        states += report.states
    assert states > 20 * len(SEEDS), "histories in which hardly anything happens prove nothing"


@named
def test_a_real_redis_has_the_same_history(profile: Profile, redis_url: str) -> None:
    """Every reply and every state is the one that the reference has, in the same order, at the same moment."""
    real = run(REAL_SEED, lambda: RealServer(redis_url), profile, length_s=8.0)
    assert real.failure is None, f"seed {REAL_SEED}: {real.failure}"
    assert real.trace == run(REAL_SEED, MemoryServer, profile, length_s=8.0).trace


def test_a_seed_is_a_history() -> None:
    """The same seed gives the same history: what has failed once can be looked at."""
    assert run(3, MemoryServer).trace == run(3, MemoryServer).trace


def test_histories_with_rules_meet_all_that_these_say() -> None:
    """Every rule drops, records are settled, buckets given up, memories loaded and kept."""
    (profile,) = [profile for profile in PROFILES if profile.ruled == 1]
    wanted = {"!duplicate", "!bot", "!internal", "!repeat", "settled", "given_up", "memory_loaded", "memory_kept"}
    for seed in range(20):
        report = run(seed, MemoryServer, profile)
        wanted -= report.outcomes | report.faults.keys()
        if not wanted:
            return
    assert not wanted


def test_a_second_count_finds_nothing_and_says_what_it_cannot_know() -> None:
    """Some states of every history are verified; if the log was cut, the rest of them is, and nothing differs."""
    (profile,) = [profile for profile in PROFILES if profile.name == "gaps"]
    reports = [run(seed, MemoryServer, profile) for seed in range(3)]
    assert [report.failure for report in reports] == [None] * 3
    whole, in_part = (
        sum(report.faults.get(name, 0) for report in reports) for name in ("verified", "verified_in_part")
    )
    assert 0 < in_part < whole


def test_histories_meet_every_reply() -> None:
    """What is concluded from a reply that never came is worth nothing."""
    wanted = {"applied", "already", "floors", "behind", "rewound", "missing"}
    for seed in range(20):
        wanted -= run(seed, MemoryServer).replies.keys()
        if not wanted:
            return
    assert not wanted
