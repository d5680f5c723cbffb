"""One broker for the package that refuses in every way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.faults import MissingTool
from tests.conftest import standing, without
from tests.support.refusing_kafka import RefusingKafka


@pytest.fixture(scope="package")
def refusing(services_directory: Path) -> Iterator[RefusingKafka]:
    try:
        broker = RefusingKafka(services_directory / "kafka-refusing")
    except MissingTool as missing:
        without(missing)
    with standing(broker):
        yield broker
