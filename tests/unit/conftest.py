"""What several modules of unit tests share."""

import pytest
from aiokafka.consumer import fetcher


@pytest.fixture
def unpatched_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """How the client reads batches is after the test what it was before."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
