"""`producers replay` on the embedded broker."""

import asyncio
import contextlib
import gzip
import signal
from pathlib import Path

import orjson
import pytest

import schemas
from deploy.local.waiting import until_async
from producers import Producer, ProducerError, agents
from tests.support.producers_command import PARTITIONS, read, run, start

LOG = "\n".join(
    [
        *(
            f"1.2.3.{n % 250} - - [17/May/2015:10:{n // 60:02}:{n % 60:02} +0000] "
            f'"GET /blog/a{n % 37}?n={n} HTTP/1.1" {(200, 304, 404)[n % 3]} 1 "-" '
            f'"{("Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0", "Googlebot/2.1")[n % 10 == 0]}"'
            for n in range(3000)
        ),
        "junk",
    ]
)


async def test_replay_sends_what_its_summary_says(kafka_embedded: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """Each line that counts is one record of the contract, keyed by site and article, in its home partition, once."""
    file = tmp_path / "access.log"
    file.write_text(LOG)
    args = ("replay", str(file), "--article-pattern", "^/blog/(.+)", "--bots", "drop", "--json", "--topic", topics[0])
    code, out, err = await run(kafka_embedded, *args)
    assert code == 0, err
    summary = orjson.loads(out)
    bots = sum(1 for n in range(3000) if n % 3 != 2 and n % 10 == 0)
    assert summary == {
        "lines": 3001,
        "sent": 2000 - bots,
        "skipped": {"malformed": 1, "method": 0, "status": 1000, "pattern": 0, "bot": bots, "future": 0},
        "shift_ms": 0,
        "first_occurred_at": 1431856801000,
        "last_occurred_at": 1431856800000 + 2998 * 1000,
        "twice": 0,
        "faults": [{"file": str(file), "line": 3001, "reason": "not in the combined format"}],
        "not_understood": [],
        "without_repeat_key": None,
        "without_agent": 0,
        "formats": {"combined": 1},
        "hosts": [],
        "crawler_lists": agents.LISTS,
    }
    assert "older than 7 days" in err
    records = await read(kafka_embedded, topics[0], summary["sent"])
    events = [orjson.loads(record.value) for record in records]
    assert len(events) == summary["sent"]
    assert len({event["event_id"] for event in events}) == len(events)
    for record, event in zip(records, events, strict=True):
        assert record.key == f"demo/{event['article_id']}".encode()
    assert len({event["producer_id"] for event in events}) == 1
    assert events[0]["producer_id"].startswith("replay/")
    assert sorted(event["sequence"] for event in events) == list(range(len(events)))
    homes = {(record.key, record.partition) for record in records}
    assert len(homes) == len({key for key, _ in homes}) == 37
    assert len({partition for _, partition in homes}) == PARTITIONS
    assert all(schemas.faults("page-view", event) == [] for event in events[::100])


async def test_replay_moves_the_input_to_the_present(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """One constant shift: the latest time is now, all distances stay."""
    file = tmp_path / "access.log"
    file.write_text(LOG)
    code, out, err = await run(
        kafka_embedded, "replay", str(file), "--rebase-to", "now", "--json", "--topic", topics[0]
    )
    assert code == 0, err
    assert err.splitlines() == [
        f"{file}: combined, 1,000 of the first 1,000 lines",
        f"{file}, line 3001: malformed: not in the combined format",
    ]
    summary = orjson.loads(out)
    records = await read(kafka_embedded, topics[0], summary["sent"])
    times = sorted(orjson.loads(record.value)["occurred_at"] for record in records)
    expected = sorted(1431856800000 + n * 1000 + summary["shift_ms"] for n in range(3000) if n % 3 != 2)
    assert times == expected
    appended = max(record.timestamp for record in records)
    # The last line is skipped for its status, one second after the last one sent; reading and sending took the rest.
    assert 0 <= appended - (summary["last_occurred_at"] + 1000) < 60_000


async def test_replay_reads_standard_input_and_several_files(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """The summary is one for all of them."""
    file = tmp_path / "events.jsonl"
    file.write_text('{"article_id":"a","occurred_at":1431856801005}\n{"article_id":"b","occurred_at":1431856801006}\n')
    code, out, err = await run(
        kafka_embedded, "replay", str(file), str(file), "-", "--json", "--topic", topics[0],
        stdin=b'{"article_id":"c","occurred_at":1431856801007,"producer_id":"cms/1","sequence":9}\n',
    )  # fmt: skip
    assert code == 0, err
    summary = orjson.loads(out)
    assert (summary["lines"], summary["sent"]) == (5, 5)
    events = [orjson.loads(record.value) for record in await read(kafka_embedded, topics[0], 5)]
    assert len(events) == 5
    # Who was numbered by another producer stays so, and takes none of ours.
    assert [event["sequence"] for event in events if event["producer_id"] == "cms/1"] == [9]
    assert sorted(event["sequence"] for event in events if event["producer_id"] != "cms/1") == [0, 1, 2, 3]


async def test_replay_at_a_speed_takes_its_time(kafka_embedded: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """100 seconds of traffic at 100 times real time take a second."""
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f'{{"article_id":"a","occurred_at":{1431856800000 + n * 10_000}}}\n' for n in range(11)))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    code, _, err = await run(kafka_embedded, "replay", str(file), "--speed", "100", "--topic", topics[0])
    assert code == 0, err
    assert loop.time() - begun >= 0.9
    assert len(await read(kafka_embedded, topics[0], 11)) == 11


async def test_what_comes_by_a_quiet_pipe_is_sent_at_once(kafka_embedded: str, topics: tuple[str, str]) -> None:
    """As `tail -f access.log | producers replay -` needs; Ctrl-C ends it while nothing comes."""
    process = await start(kafka_embedded, "replay", "-", "--format", "jsonl", "--topic", topics[0])
    try:
        assert process.stdin is not None
        process.stdin.write(b'{"article_id":"a","occurred_at":1431856801005}\n')
        await read(kafka_embedded, topics[0], 1)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (1, "Error: Interrupted: 1 events of 1 lines were sent.\n")


@pytest.mark.parametrize("more", [(), ("--rebase-to", "now")], ids=["sending", "looking for the latest time"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
async def test_a_replay_that_finds_nothing_ends_on_a_signal(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path, number: signal.Signals, more: tuple[str, ...]
) -> None:
    """Four gigabytes of lines that do not count take minutes; the end takes a moment."""
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(b"junk\n" * 2_000_000) * 400)
    process = await start(kafka_embedded, "replay", str(file), "--format", "combined", "--topic", topics[0], *more)
    try:

        def reads() -> bool:
            # After what is looked at before Kafka: the connection is made first.
            links = Path(f"/proc/{process.pid}/fd").iterdir()
            opened = [str(link.readlink()) for link in links if link.is_symlink()]
            return str(file) in opened and sum(name.startswith("socket:") for name in opened) > 2

        await until_async("The reading of the file", lambda: asyncio.to_thread(reads))
        process.send_signal(number)
        async with asyncio.timeout(10):
            await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    _, err = await process.communicate()
    assert process.returncode == 1, err
    assert err.decode().startswith("Error: Interrupted: 0 events of ")


async def test_a_damaged_file_says_how_much_was_sent(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Exit code 1, the place, and the count; what was read before is delivered."""
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(LOG.encode())[:-2000])
    code, _, err = await run(kafka_embedded, "replay", str(file), "--topic", topics[0])
    assert code == 1
    assert "cannot be read beyond line" in err
    assert "Traceback" not in err
    sent = int(err.rpartition(" events were sent")[0].rpartition(" ")[2])
    assert 0 < sent < 2000
    assert len(await read(kafka_embedded, topics[0], sent)) == sent


async def test_a_missing_topic_is_not_made(kafka_embedded: str, tmp_path: Path) -> None:
    """The sentence names the command that makes it with the right settings."""
    file = tmp_path / "access.log"
    file.write_text(LOG)
    code, _, err = await run(kafka_embedded, "replay", str(file), "--topic", "no-such-topic")
    assert code == 1
    assert "has no topic no-such-topic. Create it with: ranker topics apply" in err
    with pytest.raises(ProducerError, match="no-such-topic"):
        async with Producer(kafka_embedded, "no-such-topic"):
            pass
