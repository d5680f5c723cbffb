"""Findings of `ranker check` and clocks that are off."""

from __future__ import annotations

import time
from collections.abc import Callable

from ranker.operate.findings import Finding


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def off_by(seconds: int) -> Callable[[], int]:
    """This machine's clock, set wrong by so many seconds."""
    return lambda: now_ms() + seconds * 1000


def of(kind: str, findings: list[Finding]) -> list[str]:
    return [f"{finding.subject}: {finding.text} | {finding.fix}" for finding in findings if finding.kind == kind]
