from __future__ import annotations

from dataclasses import replace

import pytest

import schemas
from ranker.core.generation import Generation, Window
from ranker.log.admin import TopicState
from ranker.operate import topics
from tests.support.calendars import calendar
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS

DAY_MS = 86_400_000
VIEWS = schemas.topic("page-views")


def state(topic: schemas.Topic, partitions: int = 4, config: dict[str, str | None] | None = None) -> TopicState:
    changed = config or {}
    settings = {name: value for name, value in (topic.config | changed).items() if value is not None}
    return TopicState(topic.name, partitions, 1, settings)


def generation(topic: str = "page-views", longest_days: int = 7) -> Generation:
    windows = (DEFAULT_WINDOWS[0], Window(f"{longest_days}d", longest_days * DAY_MS, 3_600_000))
    return Generation(topic, windows, DEFAULT_BOARDS)


def test_the_topics_are_those_of_the_contract() -> None:
    """With default settings and a calendar, what is wanted is what schemas/topics says."""
    assert sorted(topics.wanted(generation(), [calendar()]), key=lambda topic: topic.name) == list(schemas.topics())


def test_another_name_renames_its_dead_letters_too() -> None:
    """The dead letters of topic hits go to hits.dead; the catalogue is shared."""
    assert [topic.name for topic in topics.wanted(generation("hits"))] == ["hits", "hits.dead", "articles"]


def test_longer_windows_want_a_longer_log() -> None:
    """The log must outlast the longest window, with time to repair, or a rebuild would find less than was counted.

    So must dead letters: a mark that were gone before a rebuild writes its letter again would let it be resent twice.
    """
    for longest, views, dead in ((30, 33, 33), (2, 10, 30)):
        kept = [topic.config.get("retention.ms") for topic in topics.wanted(generation(longest_days=longest))]
        assert kept == [str(views * DAY_MS), str(dead * DAY_MS), None]


def test_a_topic_as_wanted_has_no_fault() -> None:
    """What `topics apply` creates, `check` accepts; more partitions than requested are fine."""
    for topic in schemas.topics():
        assert topics.faults(topic, state(topic, partitions=12)) == []


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_one_copy_may_be_away_without_stopping_what_is_written(replicas: int, in_sync: str) -> None:
    """A topic with fewer copies wants fewer in sync, and never more than it can have; more is no fault."""
    assert topics.settings(VIEWS, replicas)["min.insync.replicas"] == in_sync
    there = replace(state(VIEWS, config={"min.insync.replicas": in_sync}), replicas=replicas)
    assert topics.faults(VIEWS, there) == []
    assert topics.faults(VIEWS, replace(there, config=there.config | {"min.insync.replicas": str(replicas)})) == []


def test_three_copies_of_which_one_suffices_are_a_fault() -> None:
    """What a producer takes for safe would be on one broker: Kafka's own default."""
    there = replace(state(VIEWS, config={"min.insync.replicas": "1"}), replicas=3)
    (fault,) = topics.faults(VIEWS, there)
    assert "min.insync.replicas is 1" in fault
    assert fault.endswith("instead of 2; run `ranker topics apply`")


@pytest.mark.parametrize("retention", ["-1", "864000000", "2592000000"])
def test_more_retention_is_no_fault(retention: str) -> None:
    """Ten days or more, or for ever."""
    assert topics.faults(VIEWS, state(VIEWS, config={"retention.ms": retention})) == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"retention.ms": "604800000"}, "retention.ms is 604800000 (7.0 days)"),
        ({"retention.ms": None}, "retention.ms is not set"),
        ({"cleanup.policy": "compact"}, "cleanup.policy is compact"),
        ({"cleanup.policy": "delete,compact"}, "cleanup.policy is delete,compact"),
        ({"message.timestamp.type": "CreateTime"}, "message.timestamp.type is CreateTime"),
    ],
)
def test_each_wrong_setting_is_named_with_its_fix(config: dict[str, str | None], told: str) -> None:
    """The fix is a command; `topics apply` sets what nobody has chosen for this topic."""
    (fault,) = topics.faults(VIEWS, state(VIEWS, config=config))
    assert told in fault
    assert fault.endswith("; run `ranker topics apply`")


def test_what_somebody_chose_is_left() -> None:
    """A shorter retention may be meant."""
    shorter = replace(state(VIEWS, config={"retention.ms": "86400000"}), chosen=frozenset({"retention.ms"}))
    (fault,) = topics.faults(VIEWS, shorter)
    assert "kafka-configs.sh --alter --entity-type topics --entity-name page-views --add-config retention.ms=" in fault


def test_all_faults_of_a_topic_come_at_once() -> None:
    """Nobody has to repair one setting to learn of the next."""
    assert (
        len(topics.faults(VIEWS, state(VIEWS, 1, {"retention.ms": "1", "message.timestamp.type": "CreateTime"}))) == 3
    )


def test_policies_are_compared_as_sets() -> None:
    """delete,compact is compact,delete."""
    dead = schemas.topic("page-views.dead")
    assert topics.faults(dead, state(dead, config={"cleanup.policy": "delete,compact"})) == []
    (fault,) = topics.faults(dead, state(dead, config={"cleanup.policy": "delete"}))
    assert "cleanup.policy is delete instead of compact,delete" in fault


def test_a_compacted_topic_is_never_grown() -> None:
    """The latest record of a key must stay in one partition, so few partitions there are no fault."""
    articles = replace(schemas.topic("articles"), partitions=8)
    assert not topics.may_grow(articles)
    assert topics.faults(articles, state(articles, 1)) == []


def test_a_missing_topic_is_one_fault() -> None:
    """What to do about it is one command."""
    assert topics.faults(VIEWS, None) == ["topic page-views does not exist; run `ranker topics apply`"]
