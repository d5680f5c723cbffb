"""What a generation will take, from what another one takes."""

from __future__ import annotations

import msgspec

from ranker.core.generation import Generation, Window
from ranker.core.memory_estimate import KEY_BYTES, Measured, added, estimate, remembered, remembered_ms
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS, PRESS

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
OLD = Generation("views", (Window("24h", DAY_MS, 60_000), Window("7d", 7 * DAY_MS, HOUR_MS)), {"read": {"view": 1}})
MEASURED = Measured({"24h": 1000, "7d": 3000}, {0: 600, 1: 1200}, 50, 10)


def with_(**changes: object) -> Generation:
    return msgspec.structs.replace(OLD, **changes)


def test_the_same_takes_the_same() -> None:
    """But for what is remembered, which goes by the log."""
    assert estimate(OLD, OLD, MEASURED, [100]) == Measured(MEASURED.totals, MEASURED.slices, 0, MEASURED.rest)


def test_totals_grow_with_the_boards_and_slices_do_not() -> None:
    """A count is stored once; every board of every window has its totals."""
    found = estimate(with_(boards={"read": {"view": 1}, "shared": {"share": 1}}), OLD, MEASURED, [])
    assert found.totals == {"24h": 2000, "7d": 6000}
    assert found.slices == MEASURED.slices


def test_windows() -> None:
    """
    A shorter window takes at most what the next longer one takes; one beyond the longest grows in proportion.

    old   |-- 24h, minutes --|------- 7d, hours: 6 more days -------|
    new   |- 6h -|                  14d, hours: 13 days and 18 h more           |
    """
    new = with_(windows=(Window("6h", 6 * HOUR_MS, 60_000), Window("14d", 14 * DAY_MS, HOUR_MS)))
    found = estimate(new, OLD, MEASURED, [])
    assert found.totals == {"6h": 1000, "14d": 6000}
    assert found.slices == {0: 150, 1: 2750}


def test_finer_slices_hold_an_article_more_often() -> None:
    """Half a minute instead of a minute: at most twice as much. Coarser ones than any: as the coarsest that is finer."""
    new = with_(windows=(Window("24h", DAY_MS, 30_000), Window("7d", 7 * DAY_MS, DAY_MS)))
    assert estimate(new, OLD, MEASURED, []).slices == {0: 1200, 1: 1200}


def test_what_rules_remember() -> None:
    """Ten bytes for each rule and event, in each partition up to the bound; without such rules nothing."""
    assert remembered(OLD, [1000]) == 0
    assert remembered_ms(OLD) == 0
    assert remembered_ms(PRESS) == 2 * HOUR_MS
    assert remembered(PRESS, [1000, 500]) == KEY_BYTES * 2 * 1500
    assert remembered(PRESS, [1000, 10**9]) == KEY_BYTES * (2000 + 20_000_000)
    assert isinstance(PRESS.rules, msgspec.Struct)
    one = msgspec.structs.replace(PRESS, rules=msgspec.structs.replace(PRESS.rules, duplicate=""))
    assert remembered(one, [1000]) == KEY_BYTES * 1000


def test_shards_are_added_by_kind() -> None:
    """Of windows and tiers that one of them lacks too."""
    found = added([MEASURED, Measured({"24h": 1}, {2: 5}, 1, 1)])
    assert found == Measured({"24h": 1001, "7d": 3000}, {0: 600, 1: 1200, 2: 5}, 51, 11)
    assert found.whole == 1001 + 3000 + 600 + 1200 + 5 + 51 + 11
    assert added([]).whole == 0


def test_nothing_measured_is_nothing_estimated() -> None:
    """Before anything was counted: no division by zero."""
    defaults = Generation("views", DEFAULT_WINDOWS, DEFAULT_BOARDS)
    assert estimate(PRESS, defaults, Measured(), []).whole == 0
