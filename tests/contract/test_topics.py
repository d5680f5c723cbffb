"""The topics as issue and architecture fix them."""

import schemas

DAY_MS = 86_400_000


def test_the_topics_are_those_that_others_script_against() -> None:
    """Names are part of the contract."""
    assert [topic.name for topic in schemas.topics()] == ["articles", "best-of", "page-views", "page-views.dead"]


def test_page_views_outlive_the_longest_window_by_days() -> None:
    """Retention of at least 10 days leaves time to rebuild a week; the broker's clock stamps the records."""
    topic = schemas.topic("page-views")
    assert int(topic.config["retention.ms"]) >= 10 * DAY_MS
    assert topic.config["message.timestamp.type"] == "LogAppendTime"
    assert topic.config["cleanup.policy"] == "delete"
    assert topic.partitions == 4


def test_dead_letters_are_compacted_and_end() -> None:
    """A rebuild writes no second letters, and none is kept for ever; there is one partition for each of page-views."""
    topic = schemas.topic("page-views.dead")
    assert topic.config["cleanup.policy"] == "compact,delete"
    assert int(topic.config["retention.ms"]) >= 10 * DAY_MS
    assert topic.partitions == schemas.topic("page-views").partitions


def test_articles_are_kept() -> None:
    """The last word on every article stays, in one partition."""
    topic = schemas.topic("articles")
    assert topic.config == {"cleanup.policy": "compact", "min.insync.replicas": "2"}
    assert topic.partitions == 1


def test_documents_are_kept() -> None:
    """For ever: compaction keeps the record of each key. One partition, and room for the largest document."""
    topic = schemas.topic("best-of")
    assert topic.config["cleanup.policy"] == "compact"
    assert int(topic.config["max.message.bytes"]) == 8 << 20
    assert topic.partitions == 1


def test_what_is_acknowledged_outlives_a_broker() -> None:
    """Of three copies two have it before a producer gets the acknowledgement; the third may be away."""
    assert {topic.config["min.insync.replicas"] for topic in schemas.topics()} == {"2"}


def test_every_setting_is_text() -> None:
    """Kafka's admin protocol takes settings as strings."""
    for topic in schemas.topics():
        assert all(isinstance(value, str) for value in topic.config.values())
        assert topic.key
