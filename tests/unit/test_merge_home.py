"""Where an article is at home: the same partition as every Kafka client chooses."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as kafkas
from hypothesis import given
from hypothesis import strategies as st

from ranker.core.home import home, murmur2


@given(st.binary(max_size=600))
def test_the_hash_is_kafkas(key: bytes) -> None:
    """Any key, of any length, hashes as in Kafka's own clients."""
    assert murmur2(key) == kafkas(key)


@given(st.text(min_size=1, max_size=80), st.integers(1, 1000))
def test_home_is_where_the_default_partitioner_sends(key: str, partitions: int) -> None:
    """A producer with the default partitioner sends a key to its home."""
    everywhere = list(range(partitions))
    assert home(key.encode(), partitions) == DefaultPartitioner()(key.encode(), everywhere, everywhere)
