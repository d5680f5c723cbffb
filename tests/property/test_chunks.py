"""What counts once is a function of the log, however it is cut into chunks and steps; see chunks.py."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.property import chunks

TODAY = int(f"{datetime.now(UTC):%Y%m%d}") * 1_000


@pytest.mark.parametrize("first", [0, TODAY, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_chunks_count_as_the_log_says(first: int) -> None:
    """Outcomes, counters, and what is remembered; a part of the seeds are the day's."""
    for seed in range(first, first + (6_000 if first == 1_000_000 else 100)):
        try:
            chunks.check(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
