"""`ranker dead`: letters are counted, shown and sent again, each once, on both brokers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from deploy.local.ports import free_port
from tests.support.dead_letter_topic import HOUR_MS, UNKNOWN, Topic, event, wrong
from tests.support.kafka_at import kafka_at


@pytest.mark.long
async def test_listed_shown_resent_once(topic: Topic) -> None:
    """What came too early is sent with its own bytes and counted as resent; nothing else is, and nothing twice."""
    now = int(time.time() * 1000)
    early = [
        wrong(n, now - HOUR_MS, "future", event(f"early-{n}", now - 1000), f"demo/early-{n}".encode())
        for n in range(700)
    ]
    early[0].key = None
    bad = [wrong(n, now - HOUR_MS + n, "malformed", b"\x1b[31m{half") for n in range(700, 705)]
    late = [wrong(705, now - 480 * HOUR_MS, UNKNOWN, event("late", now - 480 * HOUR_MS))]
    await topic.write(early + bad)
    await topic.write(early[:100])  # a rebuild, of two consumers at once
    await topic.write(late)

    assert await topic.counts() == {"future": (700, 0), "malformed": (5, 0), UNKNOWN: (1, 0)}
    listed = await topic.ranker("list", "--reason", "malformed")
    assert f"{topic.name}/0/704" in listed.stdout
    assert "future" not in listed.stdout

    shown = await topic.ranker("show", f"{topic.name}/0/703")
    assert "\\x1b[31m{half" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert shown.stdout.count("reason malformed") == 1
    raw = await topic.ranker("show", f"{topic.name}/0/703", "--raw")
    assert raw.stdout == "\x1b[31m{half"

    dry = await topic.ranker("resend", "--all", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "700 letters would be sent" in dry.stdout
    assert "left: 5 still rejected (malformed)" in dry.stdout
    assert "left: 1 too old for the longest window" in dry.stdout
    assert await topic.records() == []

    sent = await topic.ranker("resend", "--reason", "future", "--limit", "600")
    assert (sent.returncode, sent.stdout) == (0, f"600 letters sent and marked to {topic.name}\n"), sent.stderr
    assert (await topic.counts())["future"] == (700, 600)
    sent = await topic.ranker("resend", "--all")
    assert f"100 letters sent and marked to {topic.name}\n" in sent.stdout
    assert "left: 600 resent before" in sent.stdout
    assert ("no transactions" in sent.stderr) == (not topic.transactional)
    again = await topic.ranker("resend", "--all")
    assert again.stdout.startswith("0 letters sent")

    records = await topic.records()
    expected = {(letter.key, letter.value, f"{topic.name}/0/{letter.offset}".encode()) for letter in early}
    assert {(record.key, record.value, dict(record.headers)["resent"]) for record in records} == expected
    assert len(records) == len(early)
    await topic.write(early)  # a rebuild
    assert (await topic.counts())["future"] == (700, 700)
    assert (await topic.ranker("resend", "--reason", "future")).stdout.startswith("0 letters sent")
    named = await topic.ranker("resend", "--reason", "malformed")
    assert named.stdout.startswith("0 letters sent")
    named = await topic.ranker("resend", "--reason", "malformed", "--force")
    assert "5 letters sent and marked" in named.stdout
    assert "of them: 5 still rejected (malformed): sent again, they come back as new dead letters" in named.stdout


async def test_what_the_log_still_counts_is_left(apache: Topic) -> None:
    """A site was added: a record that is still in the log is counted from there, one that is gone may be sent."""
    now = int(time.time() * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=apache.bootstrap)
    await producer.start()
    try:
        for n in range(10):
            await producer.send_and_wait(apache.name, event(f"a{n}", now), f"demo/a{n}".encode(), partition=1)
    finally:
        await producer.stop()
    letters = [wrong(n, now, UNKNOWN, event(f"a{n}", now), f"demo/a{n}".encode()) for n in range(10)]
    await apache.write(letters, partition=1)
    done = await apache.ranker("resend", "--reason", UNKNOWN)
    assert done.stdout.startswith("0 letters sent")
    assert "left: 10 which these rules count at their place" in done.stdout

    admin = AIOKafkaAdminClient(bootstrap_servers=apache.bootstrap)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(apache.name, 1): RecordsToDelete(before_offset=4)})
    finally:
        await admin.close()
    done = await apache.ranker("resend", "--reason", UNKNOWN)
    assert done.stdout.startswith("4 letters sent")
    again = {dict(record.headers).get("resent") for record in await apache.records()} - {None}
    assert again == {f"{apache.name}/1/{n}".encode() for n in range(4)}


@pytest.mark.long
async def test_records_of_others_are_skipped(topic: Topic) -> None:
    """Tombstones, marks and what somebody else wrote are no letters; neither is a mark of another log's record."""
    now = int(time.time() * 1000)
    await topic.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now)) for n in range(3)])
    assert (await topic.ranker("resend", "--all")).stdout.startswith("3 letters sent")
    producer = AIOKafkaProducer(bootstrap_servers=topic.bootstrap)
    await producer.start()
    try:
        headers = [("reason", b"future"), ("append_ms", b"1")]
        for key, value, given in (
            (b"hello", b"", []),
            (b"", b"", []),
            (f"{topic.name}/0/x".encode(), b"", headers),
            (f"{topic.name}/0/5".encode(), b"", [("reason", b"tuesday"), ("append_ms", b"1")]),
            (f"{topic.name}/0/6".encode(), b"", [("reason", b"future"), ("append_ms", b"-")]),
            (f"{topic.name}/0/7".encode(), b"", [("reason", b"future"), ("append_ms", b"9" * 5000)]),
            (f"{topic.name}/0/8".encode(), b"", [("reason", b"future"), ("append_ms", None)]),
            (f"{topic.name}/0/9".encode(), b"", [("reason", None), ("append_ms", b"1")]),
            (f"{topic.name}/0/9#resent".encode(), b"", []),  # no mark without a time
        ):
            await producer.send_and_wait(f"{topic.name}.dead", value, key, headers=given)
        for partition in range(4):  # neither undoes a mark, nor hides a letter
            mark, stray = f"{topic.name}/0/1#resent".encode(), f"{topic.name}/0/2".encode()
            await producer.send_and_wait(f"{topic.name}.dead", None, mark, partition=partition)
            given = [("reason", b"tuesday"), ("append_ms", b"1")]
            await producer.send_and_wait(f"{topic.name}.dead", b"", stray, partition=partition, headers=given)
    finally:
        await producer.stop()
    await topic.write([wrong(0, now - HOUR_MS + 1, "future", event("new-log", now))])  # the topic was created anew
    assert await topic.counts() == {"future": (3, 2)}
    assert (await topic.ranker("resend", "--all")).stdout.startswith("1 letter sent")


@pytest.mark.long
async def test_what_cannot_be_done_is_reported(topic: Topic, tmp_path: Path) -> None:
    """No letters, no such letter, no topic, no Kafka: a sentence and an exit code, never a traceback."""
    nothing = await topic.ranker("list")
    assert (nothing.returncode, nothing.stdout) == (0, f"{topic.name}.dead has no letters\n")
    assert (await topic.ranker("resend", "--all")).stdout.startswith("0 letters sent")
    absent = await topic.ranker("show", f"{topic.name}/0/7")
    assert (absent.returncode, f"there is no such letter: {topic.name}/0/7" in absent.stderr) == (1, True)
    foreign = await topic.ranker("show", "other/0/7")
    assert (foreign.returncode, f"write {topic.name}/PARTITION/OFFSET" in foreign.stderr) == (2, True)
    (tmp_path / "ranker.toml").write_text('topic = "never-created"\n')
    missing = await topic.ranker("list")
    assert missing.returncode == 1
    assert kafka_at(topic.bootstrap).no_topic("never-created.dead") in missing.stderr
    topic.bootstrap = f"127.0.0.1:{free_port()}"
    away = await topic.ranker("resend", "--all")
    assert (away.returncode, "Kafka is not available" in away.stderr, "Traceback" in away.stderr) == (1, True, False)
