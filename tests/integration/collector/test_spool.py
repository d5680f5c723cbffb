"""The spool on a real disk: order, its bound, a full disk, damage."""

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import orjson
import pytest

from deploy.local import waiting
from producers.client.producer import Producer
from producers.collector.delivery import spool_file as module
from producers.collector.delivery.spool import (
    CHUNK_EVENTS,
    PUT_BYTES,
    SMALLEST_LIMIT_BYTES,
    Chunk,
    Spool,
    SpoolError,
    SpoolFullError,
)
from producers.collector.http.body import MAX_BYTES, MAX_EVENTS
from producers.event import PageView
from tests.support.spool_process import LIMIT, noise, numbers, records
from tests.support.spool_talk import talk


async def everything(spool: Spool) -> tuple[list[int], int]:
    """All numbers in the order in which they are sent, and how many of them were doubtful; the spool is empty then."""
    found, doubtful = [], 0
    done: Chunk | None = None
    while (done := await spool.take(done)).records:
        found += numbers(done.records)
        doubtful += done.doubtful
    return found, doubtful


async def test_records_come_out_as_and_when_they_went_in(tmp_path: Path) -> None:
    """In chunks, in order, also over a restart; what is done with is gone for good."""
    async with Spool.open(tmp_path, LIMIT) as spool:
        await asyncio.gather(*(spool.put(records(n, 100), doubtful=False) for n in range(0, 12_000, 100)))
        assert spool.events == 12_000
        assert spool.oldest_ms is not None
        first = await spool.take()
        assert numbers(first.records) == list(range(len(first.records)))
        assert 0 < len(first.records) <= CHUNK_EVENTS
        await spool.forget(first)
    async with Spool.open(tmp_path, LIMIT) as spool:
        assert spool.events == 12_000 - len(first.records)
        assert await everything(spool) == (list(range(len(first.records), 12_000)), 0)
        assert (spool.events, spool.oldest_ms) == (0, None)


async def test_puts_that_come_together_share_a_commit(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        await asyncio.gather(*(spool.put(records(n, 1), doubtful=False) for n in range(500)))
        rows = await spool._run(lambda: spool._file._db.execute("SELECT count(*) FROM queue").fetchone()[0])
    assert rows <= 5


def test_no_request_brings_more_than_a_put_is_taken_for() -> None:
    """The longest names and 500 events in 64 KiB: else a number would be given to an event that is then refused."""
    producer = Producer(name="n" * 64)
    article = "a" * ((MAX_BYTES - 2) // MAX_EVENTS - len('{"article_id":""},'))
    body = [{"article_id": article}] * MAX_EVENTS
    assert MAX_BYTES - 600 < len(orjson.dumps(body)) <= MAX_BYTES
    view = PageView(
        site_id="s" * 64, article_id=article, visitor_id="f" * 32, repeat_key="f" * 16, agent_class="internal"
    )
    stamped = [producer.stamp(view) for _ in body]
    longest = len(str(2**63))
    assert sum(len(key) + len(value) + longest for key, value in stamped) <= PUT_BYTES


async def test_what_was_under_way_is_doubtful(tmp_path: Path) -> None:
    """Taken and not done with, in this process or an earlier one, or put as such; nothing else."""
    async with Spool.open(tmp_path, LIMIT) as spool:
        await spool.put(records(0, 10), doubtful=False)
        assert (await spool.take()).doubtful == 0
        await spool.put(records(10, 10), doubtful=True)
        await spool.put(records(20, 10), doubtful=False)
    async with Spool.open(tmp_path, LIMIT) as spool:
        again = await spool.take()
        assert (numbers(again.records), again.doubtful) == (list(range(30)), 20)
        await spool.forget(again)
    # A row after a restart with nothing left must not be taken for one that the mark was set for.
    async with Spool.open(tmp_path, LIMIT) as spool:
        await spool.put(records(30, 10), doubtful=False)
        assert (await spool.take()).doubtful == 0


async def test_a_put_that_is_given_up_is_stored(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        waiting = asyncio.ensure_future(spool.put(records(0, 10), doubtful=False))
        await asyncio.sleep(0)
        waiting.cancel()
        assert await everything(spool) == (list(range(10)), 0)
        assert spool.events == 0


async def test_the_bound_holds_on_disk_and_is_reported_before(tmp_path: Path) -> None:
    """At the bound a put is refused whole; the files are not larger; sending makes room; empty, the file is small."""

    def on_disk() -> int:
        return sum(file.stat().st_size for file in tmp_path.iterdir())

    async with Spool.open(tmp_path, SMALLEST_LIMIT_BYTES) as spool:
        stored, warned, most = 0, 0, 0
        full: SpoolFullError | None = None
        while full is None:
            try:
                await spool.put(noise(stored), doubtful=False)
            except SpoolFullError as error:
                full = error
                continue
            stored += 10
            most = max(most, on_disk())
            warned = warned or (stored if spool.nearly_full else 0)
        assert "has reached its limit" in str(full)
        assert most <= SMALLEST_LIMIT_BYTES
        assert spool.events == stored
        assert stored * 8_000 > 0.9 * (SMALLEST_LIMIT_BYTES - module.WAL_BYTES - module.RESERVE_BYTES)
        assert 0.75 * stored < warned < 0.9 * stored
        done = await spool.take()
        await spool.forget(done)
        assert not spool.full
        await spool.put(noise(stored), doubtful=False)
        found = numbers(done.records) + (await everything(spool))[0]
        assert found == list(range(stored + 10))
        assert not spool.nearly_full

        async def shrunk() -> bool:
            return on_disk() < module.RESERVE_BYTES + 100_000

        await waiting.until_async("The shrinking of an empty spool", shrunk)


async def test_a_full_disk_refuses_whole_puts_and_recovers(tmp_path: Path) -> None:
    """The disk is played by a limit to the size of files, in a process of its own."""
    code, said = await talk(tmp_path, "outgrow", 1 << 20)
    assert code == 0, said
    word, stored, events, *why = said[0].split()
    assert (word, events) == ("full", stored)
    assert " ".join(why).endswith("Make room on its disk.")
    assert said[1] == f"again {int(stored) + 10}"
    async with Spool.open(tmp_path, LIMIT) as spool:
        assert (await everything(spool))[0] == list(range(int(stored) + 10))


async def test_a_full_disk_can_be_emptied(tmp_path: Path) -> None:
    """What Kafka takes is marked and deleted although the disk takes nothing more."""
    code, said = await talk(tmp_path, "outgrow", 1 << 20, 1)
    assert code == 0, said
    assert said[1] == "emptied " + said[0].split()[1]


async def test_others_can_read_nothing(tmp_path: Path) -> None:
    """Whatever the umask is: the directory made is 0700, all files in it 0600."""
    before = os.umask(0)
    try:
        async with Spool.open(tmp_path / "a" / "spool", LIMIT) as spool:
            await spool.put(records(0, 1), doubtful=False)
            assert stat.S_IMODE(spool.path.parent.stat().st_mode) == 0o700
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in spool.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert files == dict.fromkeys(("spool.sqlite3", "spool.sqlite3-wal", "reserve"), 0o600)


@pytest.mark.parametrize("damage", ["head", "page", "nothing of ours"])
async def test_a_damaged_file_is_named_and_kept(tmp_path: Path, damage: str) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        for n in range(0, 200, 10):
            await spool.put(noise(n), doubtful=False)
    text = bytearray(spool.path.read_bytes())
    if damage == "head":
        text[:100] = bytes(100)
    elif damage == "page":
        text[4096 : len(text) // 2] = b"x" * (len(text) // 2 - 4096)
    else:
        text[:] = b"no spool at all\n" * 1000
    spool.path.write_bytes(text)
    with pytest.raises(SpoolError, match=r"is damaged .* Move it away to start with an empty one"):
        async with Spool.open(tmp_path, LIMIT):
            pass
    # But for the counters in its head.
    assert spool.path.read_bytes()[100:] == text[100:]


async def test_a_row_that_cannot_be_read_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It holds up none of the others, is counted out, and kept."""
    async with Spool.open(tmp_path, LIMIT) as spool:
        for n in range(0, 30, 10):
            await spool.put(records(n, 10), doubtful=False)
        await spool._run(lambda: spool._file._db.execute("UPDATE queue SET body = x'00' WHERE id = 2"))
        assert await everything(spool) == ([*range(10), *range(20, 30)], 0)
        assert spool.events == 0
        assert await spool._run(lambda: spool._file._db.execute("SELECT id, events FROM aside").fetchall()) == [(2, 10)]
    assert "10 events in the spool" in caplog.text


async def test_a_newer_spool_is_left_alone(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        pass
    with contextlib.closing(sqlite3.connect(spool.path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(SpoolError, match="newer version"):
        async with Spool.open(tmp_path, LIMIT):
            pass
