"""What a document costs before it is parsed."""

import time
import tracemalloc

import pytest

from producers.articles import markup
from producers.articles.markup import Notes

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("odd", [b" ", b"\n", BOM, BOM + b"\n\0", b"\1aa", b"\xef\xbf\xbfaa", b"&aa", b"&#146;aa"])
def test_no_document_takes_many_times_its_own_memory(odd: bytes) -> None:
    """Blanks before one of 5 MB once took 593 MB; of each & in it there were eighty bytes."""
    document = odd * (500_000 // len(odd)) + b"<rss/>"
    tracemalloc.start()
    try:
        text = markup.text_of(document, Notes())
        assert tracemalloc.get_traced_memory()[1] < 8 * len(document)
    finally:
        tracemalloc.stop()
    assert text.endswith(b"<rss/>")


def test_characters_that_are_none_are_spaces_and_blanks_keep_their_place() -> None:
    """Line ends stay, by which faults are found."""
    notes = Notes()
    document = BOM + b"\n\0\t<?xml version='1.0'\n?><a>\1\t\r\nb\xef\xbf\xbec\xef\xbf\xbf\xef\xbc\xa1&\x1f&eacute;</a>"
    text = markup.text_of(document, notes)
    assert text == b"   \n  " + b" " * 19 + b"\n  <a> \t\r\nb c \xef\xbc\xa1&amp; &#233;</a>"
    assert [note.partition(":")[0] for note in notes.sentences()] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    "start",
    [
        b"<?xml encoding=" + b" " * 100_000 + b"<",
        b"<?xml encoding='" + b"\n" * 100_000 + b"utf-8<",
        b"<?xml encoding='utf-8" + b"\t" * 100_000 + b"<",
        b"<?xml encoding" + b" " * 100_000 + b"<",
        b"<?xml " + b"encoding=" * 50 + b" " * 100_000 + b"<",
        b"<?xml encoding=" + b"a" * 100_000 + b"<",
        b"\v" * 100_000 + b"<?xml<",
    ],
)
def test_a_declaration_that_is_none_takes_linear_time(start: bytes) -> None:
    """8,000 blanks before no name once took 2 s."""
    began = time.process_time()
    assert markup.text_of(start + b"rss/>", Notes()).endswith(b"<rss/>")
    assert time.process_time() - began < 1
