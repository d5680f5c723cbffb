"""The catalogue on the board while a part of it cannot be read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ranker.lists import catalogue
from ranker.metrics import ReaderMetrics, new_registry
from ranker.serve.live.build_live import build_live
from ranker.serve.live.published import Ages
from ranker.store.errors import StoreUnavailableError
from ranker.store.topic_copy import Changes, Position

HIDDEN = orjson.dumps({"site_id": "demo", "article_id": "/a", "hidden": True})


async def test_a_takedown_is_shown_although_a_later_node_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that starts meanwhile must not show what is hidden."""

    async def read_changes(_: Any, partition: int, __: Position) -> Changes:
        if partition:
            raise StoreUnavailableError("the node of partition 1 is away")
        return Changes(
            records=[(b"demo//a #editor", HIDDEN, 0)], position=Position("aa" * 8, 1), partitions=2, more=False
        )

    monkeypatch.setattr(catalogue, "read_changes", read_changes)
    live = build_live(None, sites={}, refresh_ms=1_000, ages=Ages(1, 1), metrics=ReaderMetrics(new_registry()))
    with pytest.raises(StoreUnavailableError):
        await live.refresh._read_catalogue()
    assert live.board.articles.of("demo")["/a"].hidden
