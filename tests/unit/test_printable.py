"""Text of the world on its way to a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from ranker.service.printable import printable, printable_lines

NO_BREAK = str.maketrans("", "", "\xa0\u202f")


@given(st.text(), st.none() | st.integers(0, 20))
def test_nothing_of_it_is_obeyed(text: str, longest: int | None) -> None:
    """Lone surrogates, which cannot be printed at all, are no exception."""
    shown = printable(text, longest)
    assert shown.translate(NO_BREAK).isprintable()
    shown.encode()
    if longest is not None:
        assert shown.endswith("…") == (len(text) > longest or text.endswith("…"))


def test_what_readers_write_stays() -> None:
    """French typography, emoji, brackets; the rest is named as Python names it."""
    assert printable("« Où\u202f? »\xa0: 🦊 [red]") == "« Où\u202f? »\xa0: 🦊 [red]"
    assert printable("\x1b[2J\x9b\u202e\x7f\n") == r"\x1b[2J\x9b\u202e\x7f\n"
    assert printable_lines("one\x1b\ntwo") == "one\\x1b\ntwo"
    assert printable("abc", 2) == "ab…"
