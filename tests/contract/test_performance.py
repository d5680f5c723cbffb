"""docs/performance.md has the figures of the report that it is made from."""

from __future__ import annotations

import json

from tests.support import performance_page


def test_the_page_is_current() -> None:
    assert performance_page.REPORT is not None
    words = performance_page.PAGE.read_text()
    report = json.loads(performance_page.REPORT.read_text())
    assert performance_page.page(report, words) == words, "run python -m tests.support.performance_page"
