"""`producers simulate` and `articles import`, and the producer, on the embedded broker."""

import contextlib
import signal
from collections import Counter

import orjson
import pytest

import schemas
from producers import Producer
from producers.simulate.emit import now_ms
from producers.simulate.traffic import STEP_MS
from tests.support.producers_command import PARTITIONS, read, run, start


async def test_simulate_sends_what_its_summary_says(kafka_embedded: str, topics: tuple[str, str]) -> None:
    """History first and in the order of time, then live; the demonstration's articles stand in the catalogue.

    The broker has the records' own times: the past's are of then.
    """
    begin_ms = now_ms()
    code, out, err = await run(
        kafka_embedded, "simulate", "--demo", "--history", "7d", "--history-events", "5000", "--events", "100",
        "--rate", "500", "--bot", "0.1", "--json", "--topic", topics[0], "--articles-topic", topics[1],
    )  # fmt: skip
    assert code == 0, err
    summary = orjson.loads(out)
    assert abs(summary["history"] - 5000) <= 1
    assert summary["live"] == 100
    assert summary["sent"] == sum(summary["kinds"].values())
    records = await read(kafka_embedded, topics[0], summary["sent"])
    assert len(records) == summary["sent"]
    events = [orjson.loads(record.value) for record in records]
    for record, event in zip(records, events, strict=True):
        if event.get("producer_id", "").startswith("simulate/"):
            assert begin_ms <= record.timestamp <= now_ms()
        else:
            assert 0 < record.timestamp - event["occurred_at"] <= STEP_MS
    numbered = [event["sequence"] for event in events if event.get("producer_id", "").startswith("simulate/")]
    assert sorted(numbered) == list(range(100))
    classes = Counter(event["agent_class"] for event in events)
    assert classes["bot"] == summary["kinds"]["bot"]
    for partition in range(PARTITIONS):
        times = [
            event["occurred_at"] for record, event in zip(records, events, strict=True) if record.partition == partition
        ]
        assert times == sorted(times)
    articles = [orjson.loads(record.value) for record in await read(kafka_embedded, topics[1], 190, partitions=1)]
    assert all(schemas.faults("article", article) == [] for article in articles)
    assert {event["article_id"] for event in events} <= {article["article_id"] for article in articles}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
async def test_simulate_ends_on_a_signal(kafka_embedded: str, topics: tuple[str, str], number: signal.Signals) -> None:
    """What was sent is delivered and reported, exit code 0: to be stopped is how live traffic ends."""
    process = await start(kafka_embedded, "simulate", "--rate", "1000", "--json", "--topic", topics[0])
    try:
        await read(kafka_embedded, topics[0], 200)
        process.send_signal(number)
        out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0, err
    sent = orjson.loads(out)["sent"]
    assert len(await read(kafka_embedded, topics[0], sent)) == sent


async def test_articles_are_imported(kafka_embedded: str, topics: tuple[str, str]) -> None:
    """Good entries are written under their key; bad ones are reported and make the exit code 1."""
    stdin = (
        b'{"title":"A","url":"https://demo.example/a","published_at":1795338000000}\nnothing\n'
        b'{"article_id":"/b","status":"removed"}\n'
    )
    code, out, err = await run(kafka_embedded, "articles", "import", "-", "--json", "--topic", topics[1], stdin=stdin)
    assert code == 1
    assert orjson.loads(out) == {"imported": 2, "removed": 1, "refused": 1, "repeated": 0, "undated": 0}
    assert "Entry 2: no JSON" in err
    records = await read(kafka_embedded, topics[1], 2, partitions=1)
    assert [record.key for record in records] == [b"demo//a", b"demo//b"]


async def test_a_producer_counts_what_kafka_acknowledged(kafka_embedded: str, topics: tuple[str, str]) -> None:
    """After a flush everything is; the embedded broker gives no producer ids, so the producer does without."""
    async with Producer(kafka_embedded, topics[0]) as producer:
        await producer.send_records((b"demo/a%d" % (n % 10), b"x" * 1000) for n in range(5000))
        await producer.flush()
        assert (producer.sent, producer.delivered) == (5000, 5000)
        assert not producer.idempotent
        assert producer.partitions == PARTITIONS
    assert len(await read(kafka_embedded, topics[0], 5000)) == 5000


async def test_a_record_larger_than_a_batch_is_sent_alone(kafka_embedded: str, topics: tuple[str, str]) -> None:
    """Whether it is too large is for the broker to say."""
    async with Producer(kafka_embedded, topics[0]) as producer:
        await producer.send_records([(b"demo/a", b"small"), (b"demo/a", b"x" * 600_000), (b"demo/a", b"small")])
    assert [len(record.value) for record in await read(kafka_embedded, topics[0], 3)] == [5, 600_000, 5]
