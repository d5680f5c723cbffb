"""docs/verify/recount.py, which auditors read, takes the same records for events as the engine, but for what its page names."""

from __future__ import annotations

import json
import random
import runpy
from pathlib import Path
from typing import Any

import pytest

import schemas
from ranker.recount.contract import Contract
from tests.property import odd_values

PLAIN = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "verify" / "recount.py"))
CONTRACT = Contract(None)
EXAMPLES = {**schemas.examples("page-view", valid=True), **schemas.examples("page-view", valid=False)}


class OutOfItsReachError(Exception):
    """What the page says that the plain program does not read as the engine does."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise OutOfItsReachError("a field twice")
    return dict(pairs)


def _short(digits: str) -> int:
    if len(digits) > 4300:
        raise OutOfItsReachError("a number of more than 4,300 digits")
    return int(digits)


def is_in_reach(value: bytes) -> bool:
    try:
        json.loads(value.decode(), object_pairs_hook=_once, parse_int=_short)
    except (OutOfItsReachError, UnicodeDecodeError):
        return False
    except (ValueError, RecursionError):
        pass
    return True


def same(value: bytes | None) -> bool:
    event, plain = CONTRACT.event(value), PLAIN["event_of"](value)
    assert (event is None) == (plain is None), value
    if event is None or plain is None:
        return False
    assert not isinstance(event, str)
    read = [
        plain[name]
        for name in ("site_id", "article_id", "event_type", "occurred_at", "event_id", "agent_class", "value")
    ]
    assert read == [*event[:5], event.agent_class, event.value]
    assert (plain.get("repeat_key") or plain.get("visitor_id") or "") == event.reader
    return True


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_contract(name: str) -> None:
    assert same(EXAMPLES[name]) == (name in schemas.examples("page-view", valid=True))


def test_odd_values() -> None:
    rng = random.Random(14)
    values = [value for value in (odd_values.value(rng) for _ in range(8_000)) if is_in_reach(value)]
    assert len(values) > 3_000
    assert sum(map(same, values)) > 500


@pytest.mark.parametrize(
    "article", ["\U0001fae9", "\u0600", "\u034f", "\u3164", "\u2800", "a\u200cb", "é" * 256, "é" * 257]
)
def test_ids_of_every_alphabet(article: str) -> None:
    """By the contract's own pattern, not by what this Python calls printable."""
    same(json.dumps({**odd_values.OURS, "article_id": article}).encode())


@pytest.mark.parametrize("value", [None, b"", b"[" * 5_000, b'{"event_id":"\\ud800"}', b"{}", b"[]"])
def test_hostile_records_end_nothing(value: bytes | None) -> None:
    assert not same(value)
