"""A typed page view is valid or is not made, and says what to do."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest

import schemas
from producers import InvalidEventError, PageView, Producer, event

LEAST: dict[str, Any] = {"site_id": "demo", "article_id": "/a"}


def test_the_least_event_is_a_whole_one() -> None:
    """Site and article suffice; what the contract requires is written, what says nothing is left out."""
    view = PageView(**LEAST)
    written = orjson.loads(event.stamped(view, "python/1", 7)[1])
    assert schemas.faults("page-view", written) == []
    assert written == {
        "event_id": view.event_id,
        "event_type": "view",
        "site_id": "demo",
        "article_id": "/a",
        "occurred_at": view.occurred_at,
        "producer_id": "python/1",
        "sequence": 7,
    }


def test_every_field_is_written() -> None:
    """With the producer's own id and number, whatever the event had."""
    fields = orjson.loads(schemas.examples("page-view", valid=True)["every-field"])
    key, value = event.stamped(PageView(**fields), "python/1", 0)
    assert orjson.loads(value) == {**fields, "producer_id": "python/1", "sequence": 0}
    assert key == event.key(fields["site_id"], fields["article_id"])


def test_producers_that_start_together_are_distinguished() -> None:
    """However short the time between them; the longest name leaves room for its run."""
    ids = {Producer(name="n" * 64).producer_id for _ in range(100)}
    assert len(ids) == 100
    assert all(PageView(**LEAST, producer_id=one).producer_id == one for one in ids)


def test_ids_are_new_each_time() -> None:
    """Two events are two."""
    assert PageView(**LEAST).event_id != PageView(**LEAST).event_id


def test_an_event_stays_what_was_checked() -> None:
    """No field can be set to what would not be valid."""
    with pytest.raises(AttributeError):
        PageView(**LEAST).value = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"site_id": "Demo"}, "Not a page view: site_id is 'Demo'; give 1 to 64 of a-z 0-9 . _ -."),
        ({"article_id": "a b"}, "article_id is 'a b'; give 1 to 512 bytes"),
        ({"article_id": None}, "article_id is missing; give 1 to 512 bytes"),
        ({"article_id": 5}, "article_id is 5; give"),
        ({"event_type": "Page view"}, "event_type is 'Page view'; give view, comment, share"),
        ({"occurred_at": 1.5}, "occurred_at is 1.5; give milliseconds"),
        ({"occurred_at": datetime(2026, 11, 24, tzinfo=UTC)}, "up to the year 2100: int(t.timestamp() * 1000)."),
        (
            {"occurred_at": 1_795_396_624_735_000},
            "occurred_at is 1795396624735000, which looks like microseconds; give",
        ),
        ({"occurred_at": 1_795_396_624_735_000_000}, "which looks like nanoseconds; give milliseconds since 1970"),
        ({"event_id": ""}, "event_id is ''; give 1 to 128 characters"),
        ({"event_id": "\ud800"}, "event_id is '\\ud800'; give 1 to 128 characters"),
        ({"visitor_id": "v" * 129}, "visitor_id is 'v"),
        ({"repeat_key": 7}, "repeat_key is 7; give up to 128 characters or None"),
        ({"agent_class": "robot"}, "agent_class is 'robot'; give person, bot, internal or unknown"),
        ({"value": 0}, "value is 0; give an int from 1 to 1000"),
        ({"value": True}, "value is True; give"),
        ({"producer_id": "p" * 129}, "producer_id is 'p"),
        ({"sequence": -1}, "sequence is -1; give an int from 0 on"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_is_reported_with_the_fix(fields: dict[str, Any], sentence: str) -> None:
    """The field, what it is, what it has to be; in bounded length."""
    with pytest.raises(InvalidEventError) as caught:
        PageView(**{**LEAST, **fields})
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 250


def test_json_is_decoded_and_checked_in_one_go() -> None:
    """The fault is the same sentence."""
    with pytest.raises(msgspec.ValidationError, match="value is 0; give an int"):
        msgspec.json.decode(b'{"site_id": "demo", "article_id": "/a", "value": 0}', type=PageView)


@pytest.mark.parametrize("at_s", [946_684_800, 1_795_396_624, 4_102_444_800])
def test_the_unit_of_a_time_is_told_by_its_size(at_s: int) -> None:
    """From the year 2000 to 2100, the contract's last."""
    assert event.other_unit(at_s) == "seconds"
    assert event.other_unit(at_s + 0.5) == "seconds"
    assert event.other_unit(at_s * 1_000) == ""
    assert event.other_unit(at_s * 1_000_000) == "microseconds"
    assert event.other_unit(at_s * 1_000_000_000) == "nanoseconds"
    assert event.other_unit(at_s / 86_400 + 25_569) == "days, as spreadsheets count them"
