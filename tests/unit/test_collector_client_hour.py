"""How often one client counts for one article in an hour: exact if little happens, bounded whatever happens."""

from collections import Counter

import pytest

from producers.collector import client_hour
from producers.collector.client_hour import HOUR_MS, ClientHour
from producers.event import PageView

HOUR = 500_000 * HOUR_MS


def view(article: str = "/a", event_type: str = "view", site_id: str = "demo") -> PageView:
    return PageView(site_id=site_id, article_id=article, event_type=event_type)


def take(hour: ClientHour, client: bytes, one: PageView, now_ms: int) -> bool:
    """Whether there was room for it; then it is counted."""
    cells = hour.room(client, one, now_ms)
    if cells:
        hour.count(cells)
    return cells is not None


def test_so_many_an_hour() -> None:
    """
    10:00 ▓▓▓  three are taken, the fourth is not, until the last millisecond
    11:00 ▓▓▓  three more
    """
    hour = ClientHour(3)
    assert [take(hour, b"me", view(), HOUR + at) for at in (0, 0, 5, 5, HOUR_MS - 1)] == [True] * 3 + [False] * 2
    assert [take(hour, b"me", view(), HOUR + HOUR_MS) for _ in range(4)] == [True] * 3 + [False]


def test_each_has_a_count_of_its_own() -> None:
    """Client, article, type and site; none is mistaken for another, whatever their names end with."""
    hour = ClientHour(1)
    several = [view(), view("/b"), view(event_type="share"), view(site_id="other"), view("/av", "iew")]
    assert all(take(hour, client, one, HOUR) for one in several for client in (b"me", b"you", b"yo\0u"))
    assert not any(take(hour, client, one, HOUR) for one in several for client in (b"me", b"you", b"yo\0u"))


def test_a_clock_that_jumps_ahead_and_back_holds_nobody_up() -> None:
    """The hour that it is decides, not the latest there was."""
    hour = ClientHour(1)
    assert [take(hour, b"me", view(), HOUR + at) for at in (0, 24 * HOUR_MS, 0, 0)] == [True, True, True, False]


def test_a_flood_makes_nothing_forgotten_and_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three events a cell, as 7 million an hour are: who has had their share gets no more, and one in 2,000 readers at most
    gets less.
    """
    monkeypatch.setattr(client_hour, "WIDTH", 1 << 12)
    hour = ClientHour(30)
    assert sum(take(hour, b"buyer", view("/bought"), HOUR) for _ in range(100)) == 30
    size = [row.buffer_info() for row in hour._rows]
    for number in range(7 << 11):
        take(hour, b"flood", view(f"/{number}"), HOUR)
    assert take(hour, b"buyer", view("/bought"), HOUR) is False
    assert [row.buffer_info() for row in hour._rows] == size
    taken = Counter(take(hour, b"%d" % number, view("/read"), HOUR) for number in range(2_000))
    assert taken[False] <= 1


def test_the_next_hour_cannot_be_distinguished_from_this_one() -> None:
    """Its key is another, so that nothing says what one client read in both; and neither is another process'."""
    one, other = ClientHour(3), ClientHour(3)
    for hour in (one, other):
        take(hour, b"me", view(), HOUR)
    keys = [one._key, other._key]
    take(one, b"me", view(), HOUR + HOUR_MS)
    assert len({*keys, one._key}) == 3
    assert sum(map(sum, one._rows)) == 2
