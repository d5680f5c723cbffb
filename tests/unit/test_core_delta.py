"""What a slice's list is made of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.core import delta
from ranker.core.delta import Counts

names = st.sampled_from(("a", "b", "é", "/x?y", "\U0001f41f", "view", "a" * 80))
contents = st.dictionaries(
    names,
    st.dictionaries(names, st.dictionaries(names, st.integers(-1000, 1000).filter(bool), min_size=1), min_size=1),
    max_size=4,
)


@settings(max_examples=50)
@given(contents)
def test_what_is_packed_or_sealed_comes_out_again(counts: Counts) -> None:
    assert delta.unpack(delta.pack(counts)) == counts
    assert delta.unpack(delta.seal(counts)) == counts


@settings(max_examples=30)
@given(st.lists(st.tuples(contents, st.booleans()), max_size=5))
def test_a_slice_is_the_sum_of_its_deltas_sealed_or_not(parts: list[tuple[Counts, bool]]) -> None:
    """Sealing replaces deltas by their total: the content stays."""
    deltas = [delta.seal(counts) if sealed else delta.pack(counts) for counts, sealed in parts]
    want: dict[tuple[str, str, str], int] = {}
    for counts, _ in parts:
        for site, outcomes in counts.items():
            for outcome, articles in outcomes.items():
                for article, count in articles.items():
                    want[site, outcome, article] = want.get((site, outcome, article), 0) + count
    assert _flat(delta.total(deltas)) == {key: count for key, count in want.items() if count}
    assert _flat(delta.total([delta.seal(delta.total(deltas))])) == _flat(delta.total(deltas))


def test_counts_that_cancel_leave_nothing() -> None:
    """A slice whose counts add up to zero is empty, site and outcome too."""
    assert delta.total([delta.pack({"s": {"view": {"a": 2}}}), delta.pack({"s": {"view": {"a": -2}}})]) == {}


def test_equal_contents_are_sealed_to_equal_bytes() -> None:
    """Two consumers that seal one slice write the same."""
    one = {"s": {"view": {"a": 1, "b": 2}, "share": {"c": 1}}, "t": {"view": {"a": 1}}}
    other = {"t": {"view": {"a": 1}}, "s": {"share": {"c": 1}, "view": {"b": 2, "a": 1}}}
    assert delta.seal(one) == delta.seal(other)


@pytest.mark.parametrize("strange", [b"\x07", b"", b"\x03\x80"])
def test_bytes_of_another_version_are_refused(strange: bytes) -> None:
    """Better to stop than to count something else."""
    with pytest.raises(delta.UnknownDeltaError, match="update the software"):
        delta.unpack(strange)


def test_adding_keeps_what_is_added() -> None:
    """`add` changes the first, never the second: tallies are routed twice."""
    into: Counts = {}
    articles = {"a": 1}
    delta.add(into, "s", "view", articles)
    delta.add(into, "s", "view", articles)
    assert into == {"s": {"view": {"a": 2}}}
    assert articles == {"a": 1}


def _flat(counts: Counts) -> dict[tuple[str, str, str], int]:
    return {
        (site, outcome, article): count
        for site, outcomes in counts.items()
        for outcome, articles in outcomes.items()
        for article, count in articles.items()
    }


@settings(max_examples=100)
@given(contents, names, st.frozensets(names))
def test_counts_of_a_few_articles(counts: Counts, site: str, articles: frozenset[str]) -> None:
    """The same as unpacking everything and looking, in every form a delta has."""
    want = {
        (outcome, article): count
        for outcome, counted in counts.get(site, {}).items()
        for article, count in counted.items()
        if article in articles
    }
    for packed in (delta.pack(counts), delta.seal(counts)):
        found = delta.counts_of(packed, site, articles)
        flat = {(outcome, article): count for outcome, of in found.items() for article, count in of.items() if count}
        assert flat == want
