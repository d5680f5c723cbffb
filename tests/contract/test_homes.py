"""Producers and ranker agree where an article is at home: what one writes to a partition, the other looks for in it."""

from hypothesis import given
from hypothesis import strategies as st

from producers import event
from producers.client.batches import Homes
from ranker.core.home import home


@given(st.text(min_size=1, max_size=40), st.integers(1, 300))
def test_an_article_is_sent_to_its_home(article_id: str, partitions: int) -> None:
    """murmur2 of the key, without its sign, modulo partitions; the second time from memory."""
    key = event.key("demo", article_id)
    homes = Homes(partitions)
    assert homes[key] == homes[key] == home(key, partitions)
