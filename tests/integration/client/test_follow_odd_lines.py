"""Following files whose lines do not fit: the others go on, the log of the service says so and holds no reader."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import orjson
import pytest

from deploy.local.waiting import until_async
from producers import Producer
from producers.replay import following
from producers.replay.following import Follower, NoFormatError
from producers.replay.position import Position
from producers.replay.replaying import Rules
from producers.replay.summary import Summary
from tests.support import followed_log
from tests.support.followed_log import line, write
from tests.support.producers_command import read

SECRETS = ("203.0.113.77", "token=s3cret", "Agent/7")
ODD = [
    '203.0.113.77 - - [22/Nov/2026:10:05:03 +0100] "/?token=s3cret Agent/7" 200 1 "-" "Agent/7"',
    '203.0.113.77 - - [32/Nov/2026:10:05:03 +0100] "GET /?token=s3cret HTTP/1.1" 200 1 "-" "Agent/7"',
    '203.0.113.77 Agent/7 "GET /?token=s3cret',
]
Started = Callable[..., AbstractAsyncContextManager[tuple[list[str], Summary, "asyncio.Task[None]"]]]


@pytest.fixture
def started(kafka_embedded: str, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """Follows files as the command does: what is said, the summary, and the task. `_note` is not waited for."""
    monkeypatch.setattr(following, "NOTE_S", 0.0)

    @asynccontextmanager
    async def start(
        *logs: Path, kind: str = "auto", rules: Rules | None = None
    ) -> AsyncIterator[tuple[list[str], Summary, asyncio.Task[None]]]:
        said, summary, stop = list[str](), Summary(), asyncio.Event()
        position = Position(tmp_path / "position.json", topics[0])
        follower = Follower(logs, kind, rules or Rules("demo"), position, summary, said.append)
        work = asyncio.create_task(follower.run(lambda: Producer(kafka_embedded, topics[0]), stop))
        try:
            yield said, summary, work
        finally:
            stop.set()
            await asyncio.wait((work,))
            position.close()

    return start


async def lines_of(summary: Summary, count: int, work: asyncio.Task[None]) -> None:
    async def counted() -> bool:
        return summary.lines == count or work.done()

    await until_async(f"{count} lines", counted)


async def articles(bootstrap: str, topic: str, count: int) -> list[str]:
    return sorted(orjson.loads(record.value)["article_id"] for record in await read(bootstrap, topic, count))


async def test_a_file_in_no_format_does_not_stop_the_others(
    started: Started, kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Before anything was sent it ends the program; later its lines are passed over, and counted."""
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    write(good, range(3))
    async with started(good, bad) as (said, summary, work):
        await lines_of(summary, 3, work)
        bad.write_text("no request in this line\n" * 1_200)
        await lines_of(summary, 1_203, work)
        write(good, [3])
        write(bad, ["x"])
        await lines_of(summary, 1_205, work)
        assert not work.done()
    assert any("bad.log: none of its first 1,000 lines is in a format" in one for one in said)
    assert any(f"{bad}: 1,200 of the last 1,200 lines were not understood. Read are" in one for one in said)
    assert await articles(kafka_embedded, topics[0], 5) == ["/a0", "/a1", "/a2", "/a3", "/ax"]
    bad.write_text("not a line of it\n" * 1_201)  # as long as before, so that it is another file
    async with started(good, bad) as (said, summary, work):
        write(good, [4])
        await lines_of(summary, 1_202, work)
        assert not work.done()


async def test_all_files_are_looked_at_before_anything_is_sent(started: Started, tmp_path: Path) -> None:
    """Whoever starts it sees it end."""
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    write(good, range(3))
    bad.write_text("".join(f"{one}\n" for one in ODD[2:] * 1_200))
    async with started(good, bad) as (said, _, work):
        await asyncio.wait((work,), timeout=20)
        with pytest.raises(NoFormatError, match="none of its first 1,000 lines is in a format") as raised:
            work.result()
    assert not any(secret in text for secret in SECRETS for text in [*said, str(raised.value)])


async def test_a_new_file_has_the_format_of_the_one_before(
    started: Started, kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """So that one that begins with odd lines is not waited for, nor refused."""
    log = tmp_path / "access.log"
    log.write_text(line(0).replace("1.2.3.4", "www.example.org:443 1.2.3.4"))
    async with started(log) as (said, summary, work):
        await lines_of(summary, 1, work)
        log.rename(tmp_path / "access.log.1")
        log.write_text("the server starts\n")
        await lines_of(summary, 2, work)
        assert summary.files[0].kind == "vhost"
    assert not any("Waiting for more lines" in one for one in said)
    assert await articles(kafka_embedded, topics[0], 1) == ["/a0"]


async def test_a_chosen_format_holds_for_a_file_that_was_read_in_another(started: Started, tmp_path: Path) -> None:
    """The fix that is said: --format."""
    log = tmp_path / "access.log"
    write(log, [0])
    async with started(log) as (_, summary, work):
        await lines_of(summary, 1, work)
    write(log, [1])
    async with started(log, kind="common") as (_, summary, work):
        await lines_of(summary, 1, work)
        assert (summary.files[0].kind, summary.skipped["malformed"]) == ("common", 1)


async def test_no_reader_is_in_the_log_of_the_service(started: Started, tmp_path: Path) -> None:
    """Place and reason are; nor is one in the summary, which a service prints as JSON at its end."""
    log = tmp_path / "access.log"
    write(log, range(4))
    with log.open("a") as file:
        file.writelines(f"{one}\n" for one in ODD)
    async with started(log) as (said, summary, work):
        await lines_of(summary, 7, work)
    shown = "\n".join([*said, orjson.dumps(summary.as_json(0)).decode()])
    assert not [secret for secret in SECRETS if secret in shown]
    assert [one.rpartition(": malformed: ")[2] for one in said if ": malformed: " in one] == [
        "no request in it",
        "its time",
        "not in the combined format",
    ]


async def test_a_pattern_that_fits_nothing_is_told_of(started: Started, tmp_path: Path) -> None:
    """Not only at the end, which a service has not."""
    log = tmp_path / "access.log"
    write(log, range(3))
    async with started(log, rules=Rules("demo", pattern="^/articles/([0-9]+)")) as (said, summary, work):
        await lines_of(summary, 3, work)
        await until_async("the sentence", lambda: told(said))


async def told(said: list[str]) -> bool:
    return any("No address of the last 3 has an article's id; see --article-pattern" in one for one in said)


async def test_a_position_that_cannot_be_written_says_what_was_sent(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """As on a full disk: Kafka has events that the position does not know of."""
    log, state = tmp_path / "access.log", tmp_path / "state" / "position.json"
    write(log, [0])
    async with followed_log.following(kafka_embedded, topics[0], state, log) as process:
        await followed_log.caught_up(state, topics[0], log)
        shutil.rmtree(state.parent)
        write(log, [1])
        async with asyncio.timeout(30):
            _, err = await process.communicate()
        assert process.returncode == 1
    assert f"The position cannot be kept in {state}: No such file or directory. 2 events were sent; the next" in (
        err.decode()
    )
