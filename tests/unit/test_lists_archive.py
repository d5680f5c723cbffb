"""The archive's index: newest first, and what stands before and after a document, against a plain search."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ranker.core.best_of import Key
from ranker.lists.archive import Archive

DAYS = st.integers(0, 40).map(lambda n: date(2026, 10, 1) + timedelta(days=n))
KEYS = st.builds(
    Key,
    st.sampled_from(["demo", "other"]),
    st.sampled_from(["day", "week"]),
    DAYS,
    st.sampled_from(["read", "shared"]),
    st.integers(1, 3),
)


def of(keys: list[Key]) -> Archive:
    archive = Archive(None)
    archive._take([str(key).encode() for key in keys])
    return archive


@given(st.lists(KEYS, max_size=60), DAYS)
def test_before_and_after(keys: list[Key], day: date) -> None:
    """Of the same site, kind and board, whether there is a document of that day or not."""
    archive = of(keys)
    days = {key.first for key in keys if key[:2] == ("demo", "week") and key.board == "read"}
    expected = (
        max((one for one in days if one < day), default=None),
        min((one for one in days if one > day), default=None),
    )
    assert archive.beside("demo", "week", day, "read") == expected


@given(st.lists(KEYS, max_size=60))
def test_newest_first(keys: list[Key]) -> None:
    """Each period once, the week before the day that begins with it, with the newest revision of each board."""
    archive = of(keys)
    entries = archive.entries("demo")
    own = [key for key in keys if key.site == "demo"]
    named = [(one.first, one.kind) for one in entries]
    assert named == sorted({(key.first, key.kind) for key in own}, reverse=True)
    for one in entries:
        boards = {key.board for key in own if (key.first, key.kind) == (one.first, one.kind)}
        assert one.boards == {
            board: max(k.revision for k in own if (k.first, k.kind, k.board) == (one.first, one.kind, board))
            for board in boards
        }
        assert archive.entry("demo", one.kind, one.first) is one
    assert archive.entry("demo", "day", date(2027, 1, 1)) is None
