"""What articles that the catalogue does not know may cost."""

import random
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from producers.collector import new_articles as budget
from producers.collector.admission import Bounds, admit
from producers.collector.authorize import Speaker
from producers.collector.catalogue import Catalogue
from producers.collector.client_hour import ClientHour
from producers.collector.known_articles import MAX_PAIRS, NEVER, Known, name
from producers.collector.new_articles import ALIVE_MINUTES, DEAREST_BYTES, HOURLY, NewArticles, cost
from producers.collector.validate import Arrival
from producers.event import PageView
from ranker.service.buckets import Buckets
from schemas.article_id import DEFAULT
from tests.support.defaults import LONGEST_WINDOW_MS, TABLE, collector_site

PER_MINUTE, BURST, REPEATS_KB = (
    TABLE["collect"]["new_articles_per_minute"],
    TABLE["collect"]["new_articles_burst"],
    TABLE["collect"]["repeats_kb_per_minute"],
)


def view(article: str, event_type: str = "view", site_id: str = "demo") -> PageView:
    return PageView(site_id=site_id, article_id=article, event_type=event_type)


def invented() -> Iterator[PageView]:
    """Articles of the longest id that nobody has written."""
    return (view(f"/{number:0511}") for number in range(10**9))


def addresses(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


def new_articles(directory: Path, per_minute: int = PER_MINUTE, burst: int = BURST) -> NewArticles:
    """With the usual numbers, and of the catalogue article /listed alone."""
    catalogue = Catalogue({"demo": DEFAULT, "other": DEFAULT})
    catalogue.take(b"demo/listed", orjson.dumps({"site_id": "demo", "article_id": "/listed", "status": "published"}))
    return NewArticles(catalogue, Known(directory, ["demo", "other"]), per_minute, burst, REPEATS_KB)


def used_up(articles: NewArticles) -> None:
    """Strangers take all that single addresses can have, to the last short id."""
    strangers = iter(addresses(10_000))
    for inventions in (invented(), (view(f"/{number:04}") for number in range(10_000))):
        stranger, refused = next(strangers), 0
        while refused < 2:
            if not articles.admit(next(inventions), stranger, 0):
                refused = 0
            else:
                stranger, refused = next(strangers), refused + 1


async def test_articles_known_before_a_restart_are_no_new_ones(tmp_path: Path) -> None:
    """10,000 living articles of a site without a catalogue lose no view, nor after a restart with nothing to spend."""
    readers = addresses(100)
    async with Known.open(tmp_path, ["demo", "other"]) as first:
        articles = NewArticles(Catalogue({"demo": DEFAULT, "other": DEFAULT}), first, PER_MINUTE, BURST, REPEATS_KB)
        assert not any(articles.admit(view(f"/{i}"), readers[i % 100], 0) for i in range(10_000))
        assert articles.admit(view("/from-the-server"), None, 0) == 0
    async with Known.open(tmp_path, ["demo", "other"]) as second:
        articles = NewArticles(Catalogue({"demo": DEFAULT, "other": DEFAULT}), second, 1, 1, REPEATS_KB)
        assert not any(articles.admit(view(f"/{i}"), readers[i % 100], 0) for i in range(10_000))
        assert articles.admit(view("/from-the-server"), readers[0], 0) == 0
        refused = [articles.admit(view(f"/new/{i}"), readers[i], 0) for i in range(20)]
        assert (refused[0], refused[-1] > 0) == (0, True)
        assert articles.admit(view("/new/0", site_id="other"), readers[0], 0) == 0


def test_the_catalogues_articles_and_servers_are_free(tmp_path: Path) -> None:
    """Whatever has been used up."""
    articles = new_articles(tmp_path)
    used_up(articles)
    assert articles.admit(view("/listed"), b"late", 0) == 0
    assert articles.admit(view("/listed", "share"), b"late", 0) == 0
    assert articles.admit(view("/unlisted"), b"late", 0) > 0
    assert not any(articles.admit(view(f"/of/the/server/{i}"), None, 0) for i in range(1_000))


def test_one_stranger_cannot_lock_out_a_new_article(tmp_path: Path) -> None:
    """
    s    0 │ a stranger invents 20,000 articles from one address ──▶ 400 are taken, 2 % of the budget
    s    0 │ a new article                                        ──▶ from its first view on
    s 3600 │ the stranger again                                   ──▶ 16, and the first ones as often as 2 % of a day allow
    """
    articles, stranger = new_articles(tmp_path), b"me"
    inventions = list(zip(invented(), range(20_000), strict=False))
    assert sum(not articles.admit(one, stranger, 0) for one, _ in inventions) == 400
    assert articles.admit(view("/true"), b"reader", 0) == 0
    assert articles.left("demo", 0) > 0.97
    assert sum(not articles.admit(one, stranger, 3_600) for one, _ in inventions[400:]) == 16


def test_what_is_counted_again_costs_its_client(tmp_path: Path) -> None:
    """A long id in each minute's slice is dear too: one address stays within its share; with the site's ids it is nothing."""
    articles = new_articles(tmp_path)
    long, short = next(invented()), view("/an/article/of/the/usual/length")
    assert not articles.admit(long, b"me", 0)
    assert not articles.admit(short, b"you", 0)
    times = [
        sum(not articles.admit(one, who, 0) for _ in range(30_000)) for one, who in ((long, b"me"), (short, b"you"))
    ]
    share = budget.CLIENT * BURST * DEAREST_BYTES
    assert (times[0], times[1] > 26_000) == ((share - cost(512)) // 512, True)


def test_many_strangers_cannot_lock_out_what_two_addresses_read(tmp_path: Path) -> None:
    """
    nothing is left for what one address names
    first reader  │ waits, also the second time and with another article, which costs nothing of their own share
    second reader │ is counted, and from then on everybody is
    next hour     │ nobody remembers who the first was
    """
    articles = new_articles(tmp_path)
    used_up(articles)
    assert [articles.admit(view("/true"), b"first", 0) > 0 for _ in range(2)] == [True, True]
    assert articles._clients.left(("demo", b"first"), 0) == 1
    assert articles.admit(view("/other"), b"second", 0) > 0
    assert articles.admit(view("/true"), b"second", 0) == 0
    assert articles.admit(view("/true"), b"first", 0) == 0
    assert articles.admit(view("/slow"), b"first", 0) > 0
    assert articles._waiting.named_by_another(b"x", b"first", 3_599) is False
    assert articles._waiting.named_by_another(b"x", b"second", 3_600) is False


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(budget, "MAX_WAITING", 10)
    articles = new_articles(tmp_path)
    used_up(articles)
    for number in range(50):
        assert articles.admit(view(f"/{number}"), b"first", 0) > 0
    assert len(articles._waiting._first) == 10
    assert articles.admit(view("/49"), b"second", 0) == 0
    assert articles.admit(view("/0"), b"second", 0) > 0


def test_a_week_costs_at_most_200_mb(tmp_path: Path) -> None:
    """Whatever is known at its beginning and whatever is invented in it; shown for a day of a smaller budget, when 500
    addresses invent all they can, and each article is named by two of them.
    """
    per_minute, burst = 1, 400
    articles = new_articles(tmp_path, per_minute, burst)
    strangers, inventions, bytes_ = addresses(500), invented(), 0
    for hour in range(25):
        refused = 0
        while refused < 5:
            one = next(inventions)
            first = bytes_ // cost(512) + refused
            pair = (strangers[(first + 7 * at) % 500] for at in (0, 1))
            taken = any(not articles.admit(one, client, 3_600 * hour) for client in pair)
            bytes_ += cost(512) * taken
            refused = 0 if taken else refused + 1
    day = (burst + 1_440 * per_minute) * DEAREST_BYTES
    assert 0.9 * day < bytes_ <= day
    assert MAX_PAIRS * cost(512) + (BURST + 10_080 * PER_MINUTE) * DEAREST_BYTES <= 200e6
    assert ALIVE_MINUTES * REPEATS_KB * 1_000 <= 325e6


def test_what_is_refused_is_none_of_the_articles_hour(tmp_path: Path) -> None:
    """A reader whose views of a new article had to wait counts as often as anybody, once it is taken."""
    articles = new_articles(tmp_path)
    used_up(articles)
    bounds = Bounds(Buckets(1, 1), Buckets(1, 1), articles, ClientHour(3), LONGEST_WINDOW_MS)
    speaker = Speaker("demo", collector_site(), keyed=False)
    arrival = Arrival(0, False, None, LONGEST_WINDOW_MS, b"reader")
    refused = admit([{"article_id": "/true"}] * 10, speaker, arrival, bounds)
    assert (len(refused.rejected), refused.wait_s > 0) == (10, True)
    assert articles.admit(view("/true"), b"second", 0) == 0
    taken = admit([{"article_id": "/true"}] * 10, speaker, arrival, bounds)
    assert (len(taken.accepted), len(taken.not_counted)) == (3, 7)


def test_many_strangers_cannot_have_paid_articles_counted_again_without_end(tmp_path: Path) -> None:
    """Two hours of 1,000 long ids in each minute, from 2,000 addresses, which a share each does not hold up.

    What is new in minute and hour slices stays under what the formula has for so long, and the metric says that it is
    used up; what is in the slice already goes on.
    """
    articles, strangers = new_articles(tmp_path), addresses(2_000)
    paid = [view(f"/{number:0511}") for number in range(1_000)]
    for one in paid:
        articles.admit(one, None, 0)
    minutes, hours = set(), set()
    for minute in range(120):
        for at, one in enumerate(paid):
            if not articles.admit(one, strangers[(minute * 613 + at) % 2_000], 60 * minute):
                minutes.add((minute, at))
                hours.add((minute // 60, at))
                assert not articles.admit(one, strangers[at], 60 * minute)
    kilobyte = REPEATS_KB * 1_000
    assert 0.9 * 120 * kilobyte < 512 * len(minutes) <= 122 * kilobyte
    assert 512 * len(hours) <= 3 * HOURLY * kilobyte
    assert articles.left("demo", 60 * 119) < 0.05
    assert articles.left("other", 60 * 119) == 1


def test_one_stranger_cannot_use_up_what_repeats_may_add(tmp_path: Path) -> None:
    """Of 2,000 long ids, each paid and in no slice of this hour, one address adds a fiftieth of a budget and no more."""
    articles = new_articles(tmp_path)
    paid = [view(f"/{number:0511}") for number in range(2_000)]
    for one in paid:
        articles.admit(one, None, 0)
    for minute in (0, 60):
        added = sum(not articles.admit(one, b"me", 60 * minute) for one in paid)
        assert 1 <= added <= budget.CLIENT * 2 * REPEATS_KB * 1_000 / 512
        assert articles.left("demo", 60 * minute) > 0.97
        assert not articles.admit(paid[-1], b"reader", 60 * minute)


@pytest.mark.long
def test_a_busy_site_without_a_catalogue_loses_nothing(tmp_path: Path) -> None:
    """2,000 living articles with ids of 80 bytes, all known before a restart; 1,000 views a second over an hour's edge."""
    articles, readers = new_articles(tmp_path), addresses(50_000)
    living = [view(f"/{number:079}") for number in range(2_000)]
    for one in living:
        articles._known.count("demo", name(one.article_id, "view"), NEVER)
    chance = random.Random(7)
    for number in range(240_000):
        now_s = 3_480 + number / 1_000
        assert not articles.admit(chance.choice(living), readers[number % 50_000], now_s)
    assert articles.left("demo", 3_720) > 0.4
