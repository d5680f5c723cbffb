"""Which log lines pass."""

from __future__ import annotations

import logging

from ranker.service import logs

UNABLE = "Unable connect to node with id %s: %s"


def test_kafkas_client_says_the_same_once_in_ten_seconds() -> None:
    """By template and logger, counting what it held back; our own sentences all pass."""
    now_s = 100.0
    seldom = logs.Seldom(lambda: now_s)

    def said(name: str, template: str, *values: object) -> logging.LogRecord | None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, template, values, None)
        return record if seldom.filter(record) else None

    assert said("aiokafka.client", UNABLE, 1, "refused")
    assert not said("aiokafka.client", UNABLE, 1, "refused")
    assert not said("aiokafka.client", UNABLE, 2, "reset")
    assert said("aiokafka.client", "Topic %s is not available", "a")
    assert said("aiokafka.consumer.fetcher", UNABLE, 1, "refused")
    for _ in range(2):
        assert said("ranker.consume.loop", "waiting")
        assert said("aiokafkaesque", "waiting")
    now_s += logs.SELDOM_S - 0.01
    assert not said("aiokafka.client", UNABLE, 1, "refused")
    now_s += 0.01
    again = said("aiokafka.client", UNABLE, 1, "refused")
    assert again is not None
    assert again.unsaid == 3  # type: ignore[attr-defined]
    assert not said("aiokafka.client", UNABLE, 1, "refused")


def test_what_is_kept_of_templates_is_bounded() -> None:
    """Should the client ever write values into its templates."""
    seldom = logs.Seldom()
    for number in range(5000):
        record = logging.LogRecord("aiokafka.client", logging.ERROR, "", 0, f"node {number}", (), None)
        assert seldom.filter(record)
        assert len(seldom._said) <= 1000
