"""When a partition stops because its records are mostly bad."""

from __future__ import annotations

import pytest

from ranker.consume.dead_letter_limit import DeadLetterLimit
from ranker.consume.errors import PartitionStoppedError
from ranker.core.partial_counts import PartialCounts, Rejected


def stretch(bad: int, skipped: int, records: int) -> PartialCounts:
    rejected = [Rejected(offset, 0, "schema", None, None) for offset in range(bad)]
    return PartialCounts(records=records, skipped={"pattern": skipped, "method": 0}, rejected=rejected)


def test_what_is_no_page_view_makes_the_share_no_smaller() -> None:
    """Of an access log nine lines in ten are files: all page views may be bad, and are a tenth of it."""
    limit = DeadLetterLimit(3, 0.5, 100)
    limit.look(0, 900, stretch(90, 810, 900))
    with pytest.raises(PartitionStoppedError, match="partition 3: 100 of 100 records at offsets 0 to 999"):
        limit.look(900, 1000, stretch(10, 90, 100))
    limit.look(0, 1000, stretch(49, 900, 1000))
