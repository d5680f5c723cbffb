"""`ranker dead`: letters are counted, shown and sent again, each once, on both brokers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from deploy.local import children, waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port
from ranker.core.partial_counts import KEPT_BYTES, Cut, Rejected
from ranker.log import dead_letter_resender
from ranker.log.dead_letter_reader import DeadLetter, reading
from ranker.log.dead_letter_resender import opened
from ranker.log.dead_letter_writer import DeadLetters
from ranker.log.errors import LogRefusedError, LogUnavailableError
from tests.integration.consume.engine import CHECKOUT, RANKER

HOUR_MS = 3_600_000
UNKNOWN = "unknown_site"


def event(article: str, occurred_ms: int, site: str = "demo") -> bytes:
    fields = {"event_id": article, "event_type": "view", "site_id": site, "article_id": article}
    return json.dumps(fields | {"occurred_at": occurred_ms}).encode()


class Topic:
    """A source topic and its dead letters, under names of their own, and the real command."""

    def __init__(self, bootstrap: str, directory: Path, *, transactional: bool) -> None:
        self.bootstrap = bootstrap
        self.transactional = transactional
        self.directory = directory
        self.name = f"views-{uuid.uuid4().hex[:8]}"
        self.config = directory / "ranker.toml"
        self.config.write_text(f'topic = "{self.name}"\n[rules]\nunknown_sites = "reject"\n[sites.demo]\n')

    async def create(self, **dead: str) -> None:
        settings = {"cleanup.policy": "compact,delete", "retention.ms": "2592000000"} | {
            name.replace("_", "."): value for name, value in dead.items()
        }
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(self.name, 2, 1), NewTopic(f"{self.name}.dead", 4, 1, topic_configs=settings)]
            )
        finally:
            await admin.close()
        await self.until_there()

    async def until_there(self) -> None:
        async def there() -> bool:
            async with self.consumer() as consumer:
                return len(await self.partitions(consumer, f"{self.name}.dead")) == 4

        await waiting.until_async("the topics", there, 20.0)

    async def write(self, rejected: list[Rejected], partition: int = 0) -> None:
        """Letters as the consumer writes them."""
        letters = DeadLetters(self.bootstrap, self.name)
        await letters.start()
        try:
            await letters.write(partition, rejected)
        finally:
            await letters.stop()

    @contextlib.asynccontextmanager
    async def consumer(self, isolation_level: str = "read_committed") -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level=isolation_level,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    @staticmethod
    async def partitions(consumer: AIOKafkaConsumer, name: str) -> list[TopicPartition]:
        cluster = await consumer._client.fetch_all_metadata()
        return [TopicPartition(name, partition) for partition in cluster.partitions_for_topic(name) or ()]

    async def records(self, topic: str | None = None) -> list[ConsumerRecord]:
        """All that is committed in a topic (the source), by a plain client."""
        name = topic or self.name
        found: list[ConsumerRecord] = []
        async with self.consumer() as consumer:
            places = await self.partitions(consumer, name)
            consumer.assign(places)
            for place, end in (await consumer.end_offsets(places)).items():
                while await consumer.position(place) < end:
                    found += (await consumer.getmany(place, timeout_ms=200)).get(place, [])
        return found

    async def letters(self) -> list[DeadLetter]:
        async with reading(self.bootstrap, self.name, lambda _done, _total: None) as log:
            return [letter async for portion in log.portions() for letter in portion]

    @property
    def environ(self) -> dict[str, str]:
        ours = {"RANKER_KAFKA_BOOTSTRAP": self.bootstrap, "RANKER_CONFIG": str(self.config)}
        return os.environ | ours | {"PYTHONPATH": str(CHECKOUT)}

    async def ranker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`ranker dead …` to its end."""
        argv = [*RANKER, "dead", *words]
        return await asyncio.to_thread(subprocess.run, argv, env=self.environ, capture_output=True, text=True)

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Reason to letters and resent, as `list` has them."""
        listed = await self.ranker("list", "--json")
        assert listed.returncode == 0, listed.stderr
        return {
            reason: (count["letters"], count["resent"])
            for reason, count in json.loads(listed.stdout)["reasons"].items()
        }


@pytest.fixture(params=["kafka_apache", pytest.param("kafka_embedded", marks=pytest.mark.long)])
async def topic(request: pytest.FixtureRequest, tmp_path: Path) -> Topic:
    broker = request.getfixturevalue(request.param)
    apache = isinstance(broker, ApacheKafka)
    made = Topic(broker.bootstrap if apache else broker, tmp_path, transactional=apache)
    await made.create()
    return made


@pytest.fixture
async def apache(kafka_apache: ApacheKafka, tmp_path: Path) -> Topic:
    made = Topic(kafka_apache.bootstrap, tmp_path, transactional=True)
    await made.create()
    return made


def wrong(offset: int, append_ms: int, reason: str, value: bytes, key: bytes | None = b"demo/a") -> Rejected:
    return Rejected(offset, append_ms, reason, key, value)


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
    assert "left: 10 which these rules count where they stand" in done.stdout

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


async def test_killed_at_any_moment_nothing_is_sent_twice(apache: Topic) -> None:
    """kill -9 as records of a portion arrive, some times over: in the end every letter is in the log once."""
    now = int(time.time() * 1000)
    total = 6000
    large = b" " * 3000  # a portion takes long enough to be caught in the middle
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now) + large) for n in range(total)])
    for turn, growth in enumerate((1, 1100, 300, 1, 700)):
        argv = [*RANKER, "dead", "resend", "--all"]
        child = children.start(f"resend {turn}", argv, apache.directory / f"resend-{turn}.log", apache.environ)
        try:
            await _grown(apache, child, growth)
        finally:
            child.kill()
    before = len(await apache.records())
    assert 0 < before < total
    last = await apache.ranker("resend", "--all")
    assert f"{total - before:,} letters sent" in last.stdout, last.stderr
    records = Counter(dict(record.headers)["resent"] for record in await apache.records())
    assert records == Counter(f"{apache.name}/0/{n}".encode() for n in range(total))
    assert await apache.counts() == {"future": (total, total)}


async def _grown(topic: Topic, child: children.Child, growth: int) -> None:
    """Returns as soon as so many more records have been written, committed or not."""
    async with topic.consumer(isolation_level="read_uncommitted") as consumer:
        places = [TopicPartition(topic.name, partition) for partition in (0, 1)]
        start = sum((await consumer.end_offsets(places)).values())
        deadline = time.monotonic() + 60.0
        while sum((await consumer.end_offsets(places)).values()) < start + growth:
            assert child.returncode() is None, child.tail(5)
            assert time.monotonic() < deadline, "no more records in a minute"


async def test_ctrl_c_ends_it_in_order(apache: Topic) -> None:
    """The portion under way is finished, and how many were sent is said and true."""
    now = int(time.time() * 1000)
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now)) for n in range(20_000)])
    argv = [*RANKER, "dead", "resend", "--all"]
    child = children.start("resend", argv, apache.directory / "resend.log", apache.environ)
    try:
        await _grown(apache, child, 1500)
        os.kill(child.process.pid, signal.SIGINT)
        await asyncio.to_thread(child.process.wait, 30)
    finally:
        child.kill()
    said = (apache.directory / "resend.log").read_text()
    sent = len(await apache.records())
    assert child.process.returncode == 1
    assert f"{sent:,} letters sent and marked to {apache.name}\n" in said
    assert "Traceback" not in said
    assert 0 < sent < 20_000
    assert await apache.counts() == {"future": (20_000, sent)}


async def test_of_two_resends_at_once_the_later_one_sends(apache: Topic) -> None:
    """The earlier one is refused with a sentence, and nothing of its portion is seen."""
    now = int(time.time() * 1000)
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now)) for n in range(6)])
    letters = await apache.letters()
    async with opened(apache.bootstrap, apache.name) as earlier:
        await earlier.send(letters[:2])
        async with opened(apache.bootstrap, apache.name) as later:
            with pytest.raises(LogRefusedError, match="another resend"):
                await earlier.send(letters[2:4])
            await later.send(letters[4:])
    sent = {letter.position for letter in await apache.letters() if letter.resent}
    assert sent == {letter.position for letter in letters[:2] + letters[4:]}
    assert {dict(record.headers)["resent"].decode() for record in await apache.records()} == sent


async def test_a_broker_that_falls_silent_ends_the_portion_in_time(
    apache: Topic, kafka_apache: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while letters are still being handed over: it is said, instead of waiting until the broker is back."""
    monkeypatch.setattr(dead_letter_resender, "_PORTION_S", 2.0)
    now = int(time.time() * 1000)
    large = b" " * 8000  # more than the client takes before the first are acknowledged
    await apache.write([wrong(n, now - HOUR_MS, "future", event(f"e{n}", now) + large) for n in range(100)])
    letters = await apache.letters()
    async with opened(apache.bootstrap, apache.name) as sender:
        await sender.send(letters[:1])
        kafka_apache.suspend()
        try:
            async with asyncio.timeout(10):
                with pytest.raises(LogUnavailableError):
                    await sender.send(letters[1:])
        finally:
            kafka_apache.resume()


async def test_others_records_are_told_and_left(topic: Topic) -> None:
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
    finally:
        await producer.stop()
    await topic.write([wrong(0, now - HOUR_MS + 1, "future", event("new-log", now))])  # the topic was created anew
    listed = await topic.ranker("list")
    assert f"records of {topic.name}.dead: 8" in listed.stdout
    assert await topic.counts() == {"future": (3, 2)}
    assert (await topic.ranker("resend", "--all")).stdout.startswith("1 letter sent")


async def test_letters_of_a_topic_with_any_times(topic: Topic) -> None:
    """Records without a time (-1), or with one in microseconds, have letters that are counted and shown like others.

    What is cut says so, also where bytes take four characters each.
    """
    bytes_ = b"{half" + b"\xff" * 1500
    await topic.write([wrong(n, at, "malformed", bytes_) for n, at in enumerate((-1, 1_795_400_000_000_000))])
    listed = await topic.ranker("list")
    assert listed.returncode == 0, listed.stderr
    assert "1795400000000000 ms" in listed.stdout
    assert await topic.counts() == {"malformed": (2, 0)}
    shown = await topic.ranker("show")
    assert shown.stdout.count("{half") == 2, shown.stderr
    assert shown.stdout.count("… (1,505 bytes in all)") == 2


async def test_what_was_too_large_for_a_letter_is_cut(apache: Topic) -> None:
    """Listed, shown with its size and its hash, and never sent, since what is here is not the record."""
    now = int(time.time() * 1000)
    value = event("a", now) + b" " * (9 << 20)
    await apache.write([wrong(0, now - HOUR_MS, "too_large", value).shortened(KEPT_BYTES, KEPT_BYTES)])
    await apache.write([wrong(1, now - HOUR_MS, "future", event("b", now), b"k" * 99_999).shortened(1, 1)])
    await apache.write([replace(wrong(2, now - HOUR_MS, "unreadable", b"{"), cut=Cut(None, None))])
    listed = json.loads((await apache.ranker("list", "--json")).stdout)["reasons"]
    assert {reason: (count["letters"], count["cut"]) for reason, count in listed.items()} == {
        "too_large": (1, 1),
        "future": (1, 1),
        "unreadable": (1, 1),
    }
    shown = (await apache.ranker("show")).stdout
    assert f"  cut    size {len(value)}, sha256 {hashlib.sha256(value).hexdigest()}\n" in shown
    assert ", key_size 99999\n" in shown
    assert "  cut    size unknown\n" in shown
    assert "  fault " not in shown, "what is cut is no fault of who sent it"
    raw = await apache.ranker("show", f"{apache.name}/0/0", "--raw")
    assert (raw.stdout, "the beginning only" in raw.stderr) == (value[:KEPT_BYTES].decode(), True)
    sent = await apache.ranker("resend", "--reason", "too_large", "--reason", "future", "--force")
    assert sent.stdout.startswith("0 letters sent"), sent.stderr
    assert "left: 2 too large to be kept whole" in sent.stdout
    assert await apache.records() == []


@pytest.mark.parametrize("most", [60_000, 1_000, 400, 100])
async def test_letters_fit_the_topic_of_dead_letters(kafka_apache: ApacheKafka, tmp_path: Path, most: int) -> None:
    """Whatever its max.message.bytes is: each letter is as whole as it may be, and none stops the others."""
    topic = Topic(kafka_apache.bootstrap, tmp_path, transactional=True)
    await topic.create(max_message_bytes=str(most))
    await topic.write([wrong(n, n, "malformed", b"{" * size) for n, size in enumerate((10, 500, 50_000, 900_000))])
    kept = {
        int(letter.position.rsplit("/")[-1]): (len(letter.value), letter.cut is not None)
        for letter in await topic.letters()
    }
    small = {0: (10, False), 1: (500, False)}
    assert (
        kept
        == {
            60_000: {**small, 2: (50_000, False), 3: (4096, True)},
            1_000: {**small, 2: (0, True), 3: (0, True)},
            400: {0: (10, False), 1: (0, True), 2: (0, True), 3: (0, True)},
            100: {},
        }[most]
    )


async def test_a_letter_that_fails_leaves_nothing_behind(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """No future of those beside it is left that nobody looks at: asyncio would log each with a traceback."""
    topic = Topic(kafka_apache.bootstrap, tmp_path, transactional=True)
    await topic.create(max_message_bytes="400")
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    sizes = 20_000, 20_000, 9 << 20, 20_000  # refused by Kafka, and by its client
    await topic.write([wrong(n, 0, "malformed", b"{" * size) for n, size in enumerate(sizes)])
    gc.collect()
    assert complaints == []
    assert [letter.value for letter in await topic.letters()] == [b""] * 4


async def test_what_is_wrong_with_a_letter_is_shown(topic: Topic) -> None:
    """In the decoder's words, by [source] too, without a character that a terminal obeys; not where it can be read."""
    good = json.loads(event("a", 1_795_400_000_000))
    values = [
        good | {"agent_class": "\x1b[2J"},
        good | {"occurred_at": "yesterday"},
        good | {"site_id": "elsewhere"},
    ]
    reasons = "schema", "schema", UNKNOWN
    letters = zip(reasons, values, strict=True)
    await topic.write([wrong(n, n, reason, json.dumps(value).encode()) for n, (reason, value) in enumerate(letters)])
    shown = await topic.ranker("show")
    assert faults(shown.stdout) == [
        "Expected `int`, got `str` - at `$.occurred_at`",
        "Invalid enum value '\\x1b[2J' - at `$.agent_class`",
    ]
    topic.config.write_text(f'topic = "{topic.name}"\n[source.fields]\narticle_id = "page"\n')
    shown = await topic.ranker("show", f"{topic.name}/0/2")
    assert faults(shown.stdout) == ["Object missing required field `page`"]


def faults(shown: str) -> list[str]:
    return [line.strip().removeprefix("fault ").strip() for line in shown.splitlines() if line.startswith("  fault ")]


async def test_what_cannot_be_done_is_said(topic: Topic, tmp_path: Path) -> None:
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
    assert "topic never-created.dead does not exist; create it with `ranker topics apply`" in missing.stderr
    topic.bootstrap = f"127.0.0.1:{free_port()}"
    away = await topic.ranker("resend", "--all")
    assert (away.returncode, "Kafka is not available" in away.stderr, "Traceback" in away.stderr) == (1, True, False)
