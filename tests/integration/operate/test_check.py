"""`ranker check` on Kafka, and the command as a whole."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port
from ranker.commands import main
from ranker.core.generation import Generation
from ranker.core.periods import Calendar
from ranker.log import admin
from ranker.operate import check, check_kafka, check_topics, topics
from tests.support.calendars import calendar
from tests.support.checking import now_ms, of, off_by
from tests.support.kafka_at import kafka_at


async def apply(bootstrap: str, generation: Generation, views_config: dict[str, str] | None = None) -> None:
    wanted = topics.wanted(generation)
    wanted[0] = replace(wanted[0], config=wanted[0].config | (views_config or {}))
    async with admin.connected(kafka_at(bootstrap)) as log:
        await topics.apply(log, wanted, 1, dry=False)


@pytest.mark.parametrize("kafka", ["kafka_apache", "kafka_embedded"])
async def test_what_topics_apply_made_is_fit(
    request: pytest.FixtureRequest, generation: Generation, kafka: str
) -> None:
    """After `ranker topics apply`, `ranker check` has nothing to say against Kafka."""
    broker = request.getfixturevalue(kafka)
    bootstrap = broker if isinstance(broker, str) else broker.bootstrap
    await apply(bootstrap, generation)
    findings = await check_kafka.findings(kafka_at(bootstrap), generation, now_ms, accept_create_time=False)
    assert {finding.kind for finding in findings} == {"ok"}
    assert len(findings) == 4


async def test_missing_topics_are_each_a_fault(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """What to do about them is one command."""
    findings = await check_kafka.findings(
        kafka_at(kafka_apache.bootstrap), generation, now_ms, accept_create_time=False
    )
    faults = of("fault", findings)
    assert any(f"topic {generation.topic} does not exist | run `ranker topics apply`" in fault for fault in faults)
    assert any(f"topic {generation.topic}.dead does not exist" in fault for fault in faults)


async def test_a_topic_set_otherwise_has_all_its_faults_at_once(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """Retention, compaction and the kind of time."""
    wrong = {"retention.ms": "86400000", "cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    await apply(kafka_apache.bootstrap, generation, wrong)
    findings = await check_kafka.findings(
        kafka_at(kafka_apache.bootstrap), generation, now_ms, accept_create_time=False
    )
    faults = of("fault", findings)
    assert len(faults) == 3
    for told in ("retention.ms is 86400000 (1.0 days)", "cleanup.policy is compact", "producers' times instead"):
        assert sum(told in fault for fault in faults) == 1


async def test_records_that_are_gone_before_their_week_is_made(
    kafka_apache: ApacheKafka, generation: Generation
) -> None:
    """A fault if a site has a calendar; the documents' topic is checked then, too."""
    bootstrap = kafka_apache.bootstrap
    short, weeks = topics.period_ms(generation, calendar()) - 1, [calendar()]
    async with admin.connected(kafka_at(bootstrap)) as log:
        await topics.apply(log, topics.wanted(generation, weeks), 1, dry=False)
        await log.alter(generation.topic, {"retention.ms": str(short)})

    async def subjects(calendars: Collection[Calendar]) -> list[tuple[str, str]]:
        found = await check_kafka.findings(
            kafka_at(bootstrap), generation, now_ms, accept_create_time=False, calendars=calendars
        )
        return [(one.kind, one.subject) for one in found]

    assert ("fault", "periods") in await subjects(weeks)
    assert "periods" not in [subject for _, subject in await subjects([])]
    assert ("ok", "periods") in await subjects([calendar(kinds=["day"])])
    findings = await check_kafka.findings(
        kafka_at(bootstrap), generation, now_ms, accept_create_time=False, calendars=weeks
    )
    assert any("topic best-of: 1 partitions" in one for one in of("ok", findings))


async def test_create_time_that_is_accepted_is_a_note(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """Then late and future are as right as the producers' clocks, which somebody should know."""
    await apply(kafka_apache.bootstrap, generation, {"message.timestamp.type": "CreateTime"})
    findings = await check_kafka.findings(kafka_at(kafka_apache.bootstrap), generation, now_ms, accept_create_time=True)
    assert of("fault", findings) == []
    assert len(of("note", findings)) == 1


@pytest.mark.parametrize("kafka", ["kafka_apache", "kafka_embedded"])
async def test_times_that_a_broker_does_not_stamp_are_seen_in_the_records(
    request: pytest.FixtureRequest, generation: Generation, kafka: str
) -> None:
    """The embedded broker keeps the setting and does not heed it: a fault, or a note if such times are accepted."""
    broker = request.getfixturevalue(kafka)
    bootstrap = broker if isinstance(broker, str) else broker.bootstrap
    await apply(bootstrap, generation)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for _ in range(3):  # batches: the embedded broker's end offsets lag by one
            await producer.send_and_wait(generation.topic, b"{}", partition=2)
    finally:
        await producer.stop()
    for accepted, kind in ((False, "fault"), (True, "note")):
        findings = await check_kafka.findings(kafka_at(bootstrap), generation, now_ms, accept_create_time=accepted)
        said = [one for one in of(kind, findings) if f"newest records of {generation.topic}" in one]
        assert len(said) == (kafka == "kafka_embedded"), findings
        assert all("RANKER_ENV=development" in one for one in said if kind == "fault")


@pytest.mark.parametrize(("behind_s", "seen"), [(0, False), (60, True)])
async def test_a_broker_ahead_of_us_is_seen(
    kafka_apache: ApacheKafka, generation: Generation, behind_s: int, seen: bool
) -> None:
    """If the broker stamps records itself, a stamp from our future shows that the clocks are apart."""
    await apply(kafka_apache.bootstrap, generation)
    producer = AIOKafkaProducer(bootstrap_servers=kafka_apache.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(generation.topic, b"{}", partition=2)
    finally:
        await producer.stop()
    findings = await check_kafka.findings(
        kafka_at(kafka_apache.bootstrap), generation, off_by(-behind_s), accept_create_time=False
    )
    assert any("ahead of this machine" in fault for fault in of("fault", findings)) is seen


@asynccontextmanager
async def live(bootstrap: str, topic: str) -> AsyncIterator[None]:
    """Records come in while the block runs; the first is there before."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()

    async def send() -> None:
        while True:
            await producer.send_and_wait(topic, b"{}", partition=1)
            await asyncio.sleep(0.02)

    await producer.send_and_wait(topic, b"{}", partition=1)
    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.wait([sending])
        await producer.stop()


@pytest.mark.parametrize(("our_s", "told"), [(0, None), (1, None), (-1, None), (-4, "ahead of"), (4, "behind")])
async def test_a_broker_with_another_clock_is_seen_by_what_comes_in(
    kafka_apache: ApacheKafka, generation: Generation, our_s: int, told: str | None
) -> None:
    """Either way, and how far: a stamp of which it is known when its record was appended."""
    await apply(kafka_apache.bootstrap, generation)
    async with live(kafka_apache.bootstrap, generation.topic):
        findings = await check_kafka.findings(
            kafka_at(kafka_apache.bootstrap), generation, off_by(our_s), accept_create_time=False
        )
    said = [finding for finding in findings if finding.subject == "clocks"]
    assert [finding.kind for finding in said] == (["fault"] if told else [])
    for finding in said:
        told_s = re.fullmatch(r"broker 1: its clock is (\d\.\d) s (ahead of|behind) this machine's", finding.text)
        assert told_s is not None, finding.text
        assert told_s[2] == told
        assert 2 < float(told_s[1]) <= abs(our_s)


async def test_without_records_a_clock_behind_is_not_seen(kafka_apache: ApacheKafka, generation: Generation) -> None:
    """That is reported: a clock is not right because nobody has looked at it."""
    await apply(kafka_apache.bootstrap, generation)
    async with live(kafka_apache.bootstrap, generation.topic):
        pass
    findings = await check_kafka.findings(
        kafka_at(kafka_apache.bootstrap), generation, off_by(60), accept_create_time=False
    )
    assert of("fault", findings) == []
    (note,) = of("note", findings)
    assert "whether its clock is behind cannot be seen" in note


@pytest.mark.parametrize(
    ("replicas", "least", "in_sync", "kind", "told"),
    [
        (1, "1", 1, None, "one copy: what is acknowledged is on one broker"),
        (3, "2", 3, None, "3 copies: what is acknowledged is on 2 brokers at least"),
        (3, "2", 2, "note", "2 of its 3 copies in sync: what it acknowledges now is on no others"),
        (2, "1", 1, "note", "1 of its 2 copies in sync"),
        (3, "2", 1, "fault", "1 of its 3 copies in sync: nothing can be written to it"),
        (1, "2", 1, "fault", "fewer copies (1) than min.insync.replicas (2): nothing can be written to it"),
    ],
)
def test_what_an_acknowledged_record_stands_on(
    replicas: int, least: str, in_sync: int, kind: str | None, told: str
) -> None:
    """How many brokers have it at least, and which of the copies are there now."""
    state = admin.TopicState("page-views", 4, replicas, {topics.IN_SYNC: least}, in_sync)
    found = check_topics.out_of_sync(state)
    assert [finding.kind for finding in found] == ([kind] if kind else [])
    assert told in " ".join(finding.text for finding in [check_topics.there("page-views", state), *found])


async def test_no_kafka_is_one_fault(generation: Generation) -> None:
    """With the address that was tried, and where to change it."""
    bootstrap = f"127.0.0.1:{free_port()}"
    (fault,) = of(
        "fault", await check_kafka.findings(kafka_at(bootstrap), generation, now_ms, accept_create_time=False)
    )
    assert bootstrap in fault
    assert "RANKER_KAFKA_BOOTSTRAP" in fault


def test_the_installed_client_is_the_one_the_fold_was_written_for() -> None:
    """With the pinned requirements, batches are taken apart inside the client."""
    assert [finding.kind for finding in check.versions()] == ["ok"]


def ranker_check(tmp_path: Path, topic: str, **environ: str) -> tuple[int, str]:
    config = tmp_path / "ranker.toml"
    config.write_text(f'topic = "{topic}"\n')
    result = CliRunner().invoke(main, ["check", "--config", str(config)], env=dict(os.environ) | environ)
    return result.exit_code, result.output


def test_the_command_when_all_is_fit(
    kafka_apache: ApacheKafka, redis_url: str, generation: Generation, tmp_path: Path
) -> None:
    """Effective settings, findings, exit code 0."""
    asyncio.run(apply(kafka_apache.bootstrap, generation))
    code, said = ranker_check(
        tmp_path, generation.topic, RANKER_KAFKA_BOOTSTRAP=kafka_apache.bootstrap, RANKER_REDIS_URL=redis_url
    )
    assert code == 0, said
    assert re.search(rf"^topic +{re.escape(generation.topic)}$", said, re.MULTILINE)
    assert said.endswith("\nno faults\n")


def test_the_command_reports_every_fault_at_once(tmp_path: Path) -> None:
    """Neither server there: both are reported, secrets are not, exit code 1, no traceback."""
    code, said = ranker_check(
        tmp_path,
        "page-views",
        RANKER_KAFKA_BOOTSTRAP=f"127.0.0.1:{free_port()}",
        RANKER_REDIS_URL=f"redis://:s3cret@127.0.0.1:{free_port()}/0",
    )
    assert code == 1
    assert said.count("\nfault") == 2
    assert said.count("fix: start") == 2
    assert said.endswith("\n2 faults\n")
    assert "s3cret" not in said
    assert "Traceback" not in said
