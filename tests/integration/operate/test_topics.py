from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import schemas
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.ports import free_port
from ranker.commands import main
from ranker.core.generation import Generation
from ranker.log import admin
from ranker.log.admin import TopicState
from ranker.log.errors import LogRefusedError, LogUnavailableError
from ranker.operate import topics
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.kafka_at import kafka_at, kafka_environ


def own_topics() -> list[schemas.Topic]:
    """The wanted topics, under names that no other test has."""
    name = f"views-{uuid.uuid4().hex[:8]}"
    views, dead, articles = topics.wanted(Generation(name, DEFAULT_WINDOWS, DEFAULT_BOARDS))
    return [views, dead, replace(articles, name=f"{name}.articles")]


@pytest.fixture(params=["kafka_apache", "kafka_embedded"])
def bootstrap(request: pytest.FixtureRequest) -> str:
    broker = request.getfixturevalue(request.param)
    return broker if isinstance(broker, str) else str(broker.bootstrap)


async def test_created_as_wanted_and_then_left_alone(bootstrap: str) -> None:
    """The first run creates every topic with its settings; the second finds nothing to do and no fault."""
    wanted = own_topics()
    async with admin.connected(kafka_at(bootstrap)) as log:
        first = await topics.apply(log, wanted, None, dry=False)
        assert [outcome.done for outcome in first] == [
            ("created with 4 partitions, 1 replicas",),
            ("created with 4 partitions, 1 replicas",),
            ("created with 1 partitions, 1 replicas",),
        ]
        assert not any(outcome.faults for outcome in first)
        there = await log.topics(topic.name for topic in wanted)
        for topic in wanted:
            assert there[topic.name].partitions == topic.partitions
            assert topics.settings(topic, 1).items() <= there[topic.name].config.items()
            assert topics.faults(topic, there[topic.name]) == []
        second = await topics.apply(log, wanted, None, dry=False)
        assert all(outcome.done == outcome.faults == () for outcome in second)


async def test_a_dry_run_creates_nothing(bootstrap: str) -> None:
    """It says what it would do, and asking does not create topics either, not even on brokers that would."""
    wanted = own_topics()
    async with admin.connected(kafka_at(bootstrap)) as log:
        outcomes = await topics.apply(log, wanted, None, dry=True)
        assert all(outcome.done for outcome in outcomes)
        assert await log.topics(topic.name for topic in wanted) == {}


async def test_partitions_are_added_and_never_taken(kafka_apache: ApacheKafka) -> None:
    """A larger number in the topic file grows the topic; a smaller one changes nothing; compacted ones stay."""
    views, dead, articles = own_topics()
    async with admin.connected(kafka_at(kafka_apache.bootstrap)) as log:
        await topics.apply(log, [views, dead, articles], 1, dry=False)
        grown = [replace(topic, partitions=6) for topic in (views, dead, articles)]
        outcomes = await topics.apply(log, grown, 1, dry=False)
        assert [outcome.done for outcome in outcomes] == [("raised from 4 to 6 partitions",), (), ()]
        shrunk = await topics.apply(log, [replace(views, partitions=2)], 1, dry=False)
        assert shrunk[0].done == shrunk[0].faults == ()
        there = await log.topics([views.name, dead.name, articles.name])
        assert [there[topic.name].partitions for topic in (views, dead, articles)] == [6, 4, 1]


async def test_settings_that_differ_are_set_and_others_stay(kafka_apache: ApacheKafka) -> None:
    """What counts need is altered alone; a retention that somebody gave to the topic is reported, with the command."""
    views = own_topics()[0]
    theirs = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime", "segment.ms": "60000"}
    async with admin.connected(kafka_at(kafka_apache.bootstrap)) as log:
        assert await log.create(views.name, 4, 1, theirs)
        (dry,) = await topics.apply(log, [views], 1, dry=True)
        assert theirs.items() <= (await log.topics([views.name]))[views.name].config.items()
        (outcome,) = await topics.apply(log, [views], 1, dry=False)
        assert outcome.done == dry.done
        assert [done.split(" (")[0] for done in outcome.done] == [
            f"set to {name}={views.config[name]}"
            for name in views.config  # the broker's own retention is 7 days
            if name != topics.IN_SYNC  # of one copy one is in sync
        ]
        assert "set accept_create_time until they are counted" in outcome.done[-1]
        state = (await log.topics([views.name]))[views.name]
        assert (topics.settings(views, 1) | {"segment.ms": "60000"}).items() <= state.config.items()
        assert topics.faults(views, state) == []
        assert await topics.apply(log, [views], 1, dry=False) == [topics.Outcome(views.name, (), ())]

        await log.alter(views.name, {"retention.ms": "86400000"})
        (outcome,) = await topics.apply(log, [views], 1, dry=False)
        assert outcome.done == ()
        assert "retention.ms is 86400000 (1.0 days) instead of 864000000; if that was not meant" in outcome.faults[0]
        with pytest.raises(LogRefusedError, match=f"did not alter topic {views.name}"):
            await log.alter(views.name, {"cleanup.policy": "shred"})


async def test_creating_twice_at_once_is_no_error(bootstrap: str) -> None:
    """Two deployments may run `topics apply` side by side."""
    views = own_topics()[0]
    async with admin.connected(kafka_at(bootstrap)) as log:
        assert await log.create(views.name, 2, 1, views.config)
        assert not await log.create(views.name, 2, 1, views.config)


async def test_what_kafka_refuses_is_reported_in_its_words(kafka_apache: ApacheKafka) -> None:
    """More replicas than brokers, or fewer partitions than there are: a sentence, not a code."""
    views = own_topics()[0]
    async with admin.connected(kafka_at(kafka_apache.bootstrap)) as log:
        with pytest.raises(LogRefusedError, match=r"did not create topic .*[Rr]eplication factor"):
            await log.create(views.name, 4, 3, views.config)
        await log.create(views.name, 4, 1, views.config)
        with pytest.raises(LogRefusedError, match="did not add partitions"):
            await log.add_partitions(views.name, 2)


async def test_the_embedded_broker_says_that_it_cannot_grow(kafka_embedded: str) -> None:
    """The limit is reported as a fault of that topic; the others are still looked after."""
    views, dead, _ = own_topics()
    async with admin.connected(kafka_at(kafka_embedded)) as log:
        await topics.apply(log, [views], 1, dry=False)
        outcomes = await topics.apply(log, [replace(views, partitions=8), dead], 1, dry=False)
        assert "cannot add partitions" in outcomes[0].faults[0]
        assert outcomes[1].done


def test_documents_have_a_topic_if_a_site_has_a_calendar(tmp_path: Path) -> None:
    """`ranker topics apply` creates best-of then, and not before."""
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    try:
        config = tmp_path / "ranker.toml"
        environ = {**kafka_environ(broker.bootstrap), "RANKER_CONFIG": str(config)}
        for table, is_there in (("[sites.demo]\n", False), ('[sites.demo.calendar]\nzone = "Europe/Paris"\n', True)):
            config.write_text(table)
            result = CliRunner().invoke(main, ["topics", "apply"], env=environ)
            assert result.exit_code == 0, result.output
            assert ("best-of: created with 1 partitions" in result.output) is is_there
            there = asyncio.run(_state(broker.bootstrap, "best-of"))
            assert (there is not None) is is_there
        assert there is not None
        assert there.config["cleanup.policy"] == "compact"
    finally:
        broker.stop()


async def _state(bootstrap: str, topic: str) -> TopicState | None:
    async with admin.connected(kafka_at(bootstrap)) as log:
        return (await log.topics([topic])).get(topic)


async def test_no_kafka_is_one_error() -> None:
    """Nobody listens there: reported at once, as an error that callers know."""
    with pytest.raises(LogUnavailableError):
        async with admin.connected(kafka_at(f"127.0.0.1:{free_port()}")):
            pass


def test_the_command(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """Apply, again, and with a dry run before: exit code 1 only if something differs."""
    config = tmp_path / "ranker.toml"
    name = f"views-{uuid.uuid4().hex[:8]}"
    config.write_text(f'topic = "{name}"\n')

    def ranker(*arguments: str) -> tuple[int, str]:
        environ = {**kafka_environ(kafka_apache.bootstrap)}
        result = CliRunner().invoke(main, ["topics", "apply", "--config", str(config), *arguments], env=environ)
        return result.exit_code, result.output

    code, said = ranker("--dry-run")
    assert (code, f"{name}: would be created with 4 partitions" in said) == (1, True)
    code, said = ranker()
    assert (code, f"{name}.dead: created" in said) == (0, True)
    code, said = ranker()
    assert (code, said) == (0, f"{name}: is there\n{name}.dead: is there\narticles: is there\n")
