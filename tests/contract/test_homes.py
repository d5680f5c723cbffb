"""Producers and ranker agree where an article is at home: what one writes there, the other looks for there."""

from hypothesis import given
from hypothesis import strategies as st

from producers import event
from producers.sink import Sink
from ranker.core.home import home


class Batches:
    """As much of a producer as a sink needs before it sends anything."""

    def create_batch(self) -> None:
        return None


@given(st.text(min_size=1, max_size=40), st.integers(1, 300))
def test_an_article_is_sent_to_its_home(article_id: str, partitions: int) -> None:
    """murmur2 of the key, without its sign, modulo partitions; the second time from memory."""
    key = event.key("demo", article_id)
    sink = Sink(Batches(), "page-views", partitions, idempotent=True)
    assert sink.partition_of(key) == sink.partition_of(key) == home(key, partitions)
