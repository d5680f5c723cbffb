"""Which reading is on show, what is hidden, and the words of the page: decisions without any server."""

import pytest

from ranker.core.generation import Generation, ListName
from ranker.core.merge import Hints, Merged, Row, Span
from ranker.core.times import rfc3339
from ranker.lists import names
from ranker.lists.boards import first_boards
from ranker.serve.live.published import Ages, Published
from ranker.serve.pages.speech import Speech
from ranker.store.reader import ListRead
from schemas.article_id import IdRule, normalized
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

GENERATION = Generation("page-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
OTHER = Generation("other-views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
AGES = Ages(stale_ms=30_000, gone_ms=3_600_000)
NAME = ListName("demo", "read", "24h")
T = 1_795_396_624_735


def reading(
    as_of_ms: int = T, *, rows: list[Row] | None = None, level: bool = True, answered: int = 4, more: bool = False
) -> ListRead:
    merged = Merged(rows or [], more, False, Hints())
    clocks = dict.fromkeys(range(answered), as_of_ms)
    return ListRead(merged, Span(T - 86_400_000, as_of_ms, level, level and answered == 4), 12, clocks, True)


def shown(**how: object) -> Published:
    return Published(NAME, GENERATION, 4, reading(**how), T)  # type: ignore[arg-type]


#        T          T+5 s                T+30 s              T+1 h
#        |-----------|--------------------|-------------------|
#  kept while between floors              |                   |
#        kept while older or short of shards                  |
#        fresh                            stale, marked       gone: 503


def yields(to: ListRead, at_ms: int, *, generation: Generation = GENERATION, **how: object) -> bool:
    return shown(**how).yields_to(to, generation, 4, at_ms, AGES)


def test_a_newer_reading_is_shown() -> None:
    """The ordinary case, once a second."""
    assert yields(reading(T + 1000), T + 1000)


def test_between_floors_the_last_level_list_stays_five_seconds() -> None:
    """Not a moment longer; and a list that was not level itself never stays for that reason."""
    between = reading(T + 1000, level=False)
    assert not yields(between, T + 5000)
    assert yields(between, T + 5001)
    assert yields(between, T + 1000, level=False)


def test_after_a_failover_the_list_stays_until_it_is_passed_or_stale() -> None:
    """as_of never goes back on the page, unless the newer list has become stale."""
    lost = reading(T - 10)
    assert not yields(lost, T + 30_000)
    assert yields(lost, T + 30_001)
    assert yields(reading(T), T + 1)


def test_a_list_of_the_future_gives_way_at_once() -> None:
    """Counts made anew after clocks jumped have an older as_of, and nobody waits a day for it to become stale."""
    assert yields(reading(T - 1), T - 86_400_000)
    assert not yields(reading(T - 1), T - 1_999), "clocks may differ by so much"


def test_a_stale_list_stays_while_the_new_one_is_too_old_to_serve() -> None:
    """Shards counted again from the start begin a week ago: rather the old list, marked, than none, while it may be."""
    again = reading(T - 604_800_000)
    assert not yields(again, T + 30_001)
    assert not yields(again, T + 3_600_000)
    assert yields(again, T + 3_600_001)
    assert not yields(reading(T - 1), T + 3_600_000)
    assert yields(reading(T - 3_000_000), T + 600_000)
    assert yields(reading(T + 1, answered=3), T + 3_600_000)


def test_a_list_short_of_shards_waits_until_the_whole_one_is_stale() -> None:
    """A node away does not shorten lists at once."""
    short = reading(T + 1000, answered=3)
    assert not yields(short, T + 30_000)
    assert yields(short, T + 30_001)
    assert yields(short, T + 1000, answered=3)


def test_another_generation_is_shown_at_once() -> None:
    """Older or not."""
    assert yields(reading(T - 5000), T + 1, generation=OTHER)


def test_times_are_utc_with_milliseconds() -> None:
    """RFC 3339, to the millisecond that the counts are exact to."""
    assert rfc3339(T) == "2026-11-23T01:17:04.735Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86_400, "24 heures"), (604_800, "7 jours"), (3_600, "1 heure"), (5_400, "90 min"), (172_800, "2 jours")],
)
def test_periods_in_words(seconds: int, text: str) -> None:
    """With a no-break space, and the singular where it belongs."""
    units = {
        "day": {"one": "jour", "other": "jours"},
        "hour": {"one": "heure", "other": "heures"},
        "minute": {"one": "min", "other": "min"},
    }
    assert Speech({"units": units}, "fr").length(seconds // 60) == text.replace(" ", "\u00a0")


def test_three_boards_side_by_side() -> None:
    """The usual three in their order, others after them, never more than three."""
    weights = {"view": 1}
    assert first_boards(None) == ["read", "commented", "shared"]
    several = Generation(
        "t", DEFAULT_WINDOWS, {"engaged": weights, "shared": weights, "read": weights, "zest": weights}
    )
    assert first_boards(several) == ["read", "shared", "engaged"]


def test_the_count_of_an_article() -> None:
    """Of the places and of what was read by name; nought if it surely has none; unknown if it may have one."""

    def count_of(article: bytes, *, more: bool) -> int | None:
        merged = Merged([(9, b"/a")], more, False, Hints(), [(2, b"/z")])
        read = ListRead(merged, Span(0, T, level=True, complete=True), 40, dict.fromkeys(range(4), T), True)
        named = frozenset({b"/y", b"/z"})
        return Published(ListName("demo", "read", "24h"), GENERATION, 4, read, T, named=named).count_of(article)

    assert [count_of(article, more=True) for article in (b"/a", b"/z", b"/y", b"/x")] == [9, 2, 0, None]
    assert count_of(b"/x", more=False) == 0


def test_names_are_made_once_for_as_long_as_an_id_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ids all lists have together, and whether a reading was looked at or not; none is kept beyond its list."""
    made: list[str] = []

    def counted(article_id: str, rule: IdRule) -> str:
        made.append(article_id)
        return normalized(article_id, rule)

    monkeypatch.setattr(names, "normalized", counted)
    ids = [[f"/{at}/{n}/" for n in range(2_000)] for at in range(20)]
    shown: dict[int, Published] = {}

    def refresh(ids: list[list[str]], *, looked_at: bool = True) -> None:
        for at, listed in enumerate(ids):
            read = reading(rows=[(1, one.encode()) for one in listed])
            shown[at] = Published(NAME, GENERATION, 4, read, T, before=shown.get(at))
            if looked_at:
                assert shown[at].names[listed[-1]] == (listed[-1][:-1],) * 2

    refresh(ids)
    assert len(made) == 40_000
    made.clear()
    refresh(ids)
    refresh(ids, looked_at=False)
    refresh(ids)
    assert made == []
    refresh([[*ids[0][:-1], "/new/"]])
    assert made == ["/new/"]
    refresh(ids[:1])
    assert made == ["/new/", ids[0][-1]]
