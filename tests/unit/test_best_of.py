"""The document of a period: its bytes, its hash, its key, its size, and what a correction says."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest
import rfc8785

import schemas
from ranker.core.best_of import Counted, Earlier, Key, Offsets, Row, Source, changes, digest, document
from ranker.log.documents import MAX_BYTES
from tests.support.calendars import calendar

WEEK = Key("demo", "week", date(2026, 11, 21), "read")
SOURCE = Source("page-views", "0123456789ab", ["bots@1"], [Offsets(0, 1, 5, 6)], 9, "2026-11-28T05:00:00.000Z")


def made(rows: list[Row], total: int = 100, key: Key = WEEK, **more: Any) -> bytes:
    days = calendar(places=200)
    counted = Counted(total, 0, {"bot": 3}, rows)
    return document(key, days, days.period(key.kind, key.first), SOURCE, counted, Earlier(), **more)


def test_bytes_are_canonical_and_hashed() -> None:
    """Read and written again they are the same; the hash leaves itself and what delivery adds out."""
    raw = made([Row("/é", 30), Row("/b", 20, "Titre")])
    found = orjson.loads(raw)
    assert rfc8785.dumps(found) == raw
    assert schemas.faults("best-of", found) == []
    assert found["sha256"] == digest(found) == digest(found | {"next": "2026-11-28"})
    for altered in ({"late": 1}, {"previous": "2026-11-14"}, {"items": found["items"][:1]}):
        assert digest(found | altered) != found["sha256"]


@pytest.mark.parametrize("name", schemas.examples("best-of", valid=True))
def test_the_examples_are_documents(name: str) -> None:
    found = orjson.loads(schemas.examples("best-of", valid=True)[name])
    assert found["sha256"] == digest(found)


@pytest.mark.parametrize(("total", "share"), [(100, 0.3), (0, None), (-5, None), (7_000_000, 4e-06)])
def test_shares(total: int, share: float | None) -> None:
    """Of a total that is above zero. Six digits: small ones are written as the canonical form writes them."""
    assert orjson.loads(made([Row("/a", 30)], total))["items"][0]["share"] == share


def test_keys() -> None:
    assert Key.parse(str(WEEK)) == WEEK
    assert str(WEEK._replace(revision=12)) == "demo/week/2026-11-21/read/12"
    for wrong in ("", "demo/week/2026-11-21/read", "demo/month/2026-11-01/read/1", "demo/week/2026-11-31/read/1",
                  "demo/week/2026-11-21/read/0", "demo/week/2026-11-21/Read/1", "a/b/week/2026-11-21/read/1",
                  "demo/week/2026-11-21/read/1\n"):  # fmt: skip
        with pytest.raises(ValueError, match=r"is no key|day is out of range"):
            Key.parse(wrong)


def test_what_a_correction_changes() -> None:
    """Places, counts, titles and all else; who comes and who goes. What stays as it was is not named."""
    rows = [Row("/1", 9), Row("/2", 8), Row("/3", 7)]
    old = orjson.loads(made(rows))["items"]
    new = orjson.loads(made([Row("/1", 9, url="https://x.example"), Row("/3", 8), Row("/4", 7, "Neu")]))["items"]
    assert changes(old, new) == [
        {"article_id": "/1", "fields": ["url"], "before": short(1, 9), "after": short(1, 9)},
        {"article_id": "/3", "fields": ["count", "peak", "rank", "share"], "before": short(3, 7), "after": short(2, 8)},
        {"article_id": "/4", "fields": [], "before": None, "after": short(3, 7, "Neu")},
        {"article_id": "/2", "fields": [], "before": short(2, 8), "after": None},
    ]
    assert changes(old, old) == []


def short(rank: int, count: int, title: str | None = None) -> dict[str, Any]:
    return {"rank": rank, "count": count, "title": title}


def test_weeks_of_another_weekday_are_no_weeks_of_this_calendar() -> None:
    """After week_starts has changed, no row was listed before, and the period before has no document."""
    days = calendar(places=200)
    monday, saturday = date(2026, 11, 16), date(2026, 11, 14)
    found = {}
    for first in (monday, saturday):
        counted = Counted(1, 0, {}, [Row("/a", 1)])
        week = days.period("week", WEEK.first)
        raw = document(WEEK, days, week, SOURCE, counted, Earlier({first: ["/a"]}, {first: 3}))
        found[first] = orjson.loads(raw)
    assert found[monday]["items"][0]["periods"] == 1
    assert (found[monday]["previous"], found[monday]["previous_revision"]) == (None, None)
    assert found[monday]["made_of"]["earlier"] == 0
    assert found[saturday]["items"][0]["periods"] == 2
    assert (found[saturday]["previous"], found[saturday]["previous_revision"]) == ("2026-11-14", 3)
    assert found[saturday]["made_of"]["earlier"] == 1


def largest(n: int) -> Row:
    """All that the contract of articles allows, in characters that take six bytes each in JSON."""
    text, id_ = "\x01", f"/{n:03}" + "é" * 254
    return Row(id_, 10**9, text * 1000, "https://" + text * 2040, text * 64, text * 64, "2026-11-20T05:30:00.000Z")


def test_the_largest_document_fits_into_its_topic() -> None:
    """4 MB, as the schema says; a correction of which nothing stays has all titles twice."""
    rows = [largest(n) for n in range(200)]
    plain = made(rows)
    assert schemas.faults("best-of", orjson.loads(plain)) == []
    assert 3_000_000 < len(plain) < 4_000_000
    other = [largest(n) for n in range(200, 400)]
    changed = changes(orjson.loads(plain)["items"], orjson.loads(made(other))["items"])
    about = {"replaces": 1, "why": "x" * 500, "changed": changed}
    corrected = made(other, key=WEEK._replace(revision=2), revision=about)
    assert schemas.faults("best-of", orjson.loads(corrected)) == []
    assert len(corrected) < 7_000_000 < MAX_BYTES
