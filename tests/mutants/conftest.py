"""A third of the mutants runs each day, all of them in three days; `make test-long` runs all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

HERE, DAYS = Path(__file__).parent, 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as long what another day runs."""
    today = datetime.now(UTC).toordinal()
    hunts = [item for item in items if item.path.parent == HERE and item.path.name != "test_mutate.py"]
    for number, item in enumerate(hunts):
        if "long" in config.option.markexpr or (number + today) % DAYS:
            item.add_marker("long")
