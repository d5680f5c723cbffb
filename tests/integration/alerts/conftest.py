"""Rules over the processes of one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.alerting import Watch, watching

StartWatch = Callable[..., Watch]


@pytest.fixture
def watch(find_tool: Callable[[str, str], Path], tmp_path: Path) -> Iterator[StartWatch]:
    """Start a Prometheus: watch(factor, job=targets, …); `factor` hours are one."""
    with ExitStack() as stack:
        binary = find_tool("prometheus", "prometheus")

        def start(factor: float, **targets: Sequence[str]) -> Watch:
            return stack.enter_context(watching(binary, tmp_path / f"rules-{factor:g}", targets, factor))

        yield start
