"""`producers replay --follow` on the embedded broker: every line once, whatever ends the process."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from deploy.local.waiting import until_async
from producers import Producer
from producers.replay import following
from producers.replay.following import Follower
from producers.replay.position import Position
from producers.replay.replaying import Rules
from producers.replay.summary import Summary
from ranker.core.fold import Fold
from ranker.core.generation import from_table
from ranker.core.memory import Memory
from ranker.core.rules import memory_rules
from schemas import configuration
from tests.support import followed_log
from tests.support.followed_log import caught_up, ended, line, sent_to, write
from tests.support.producers_command import read, run
from tests.support.raw_records import Given


async def events(bootstrap: str, topic: str, count: int) -> list[dict[str, Any]]:
    return [orjson.loads(record.value) for record in await read(bootstrap, topic, count)]


def articles(found: list[dict[str, Any]]) -> list[str]:
    return sorted(event["article_id"] for event in found)


async def test_lines_are_sent_as_they_come_and_a_restart_goes_on(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Of several files, through a rotation; SIGTERM ends it with the summary and exit code 0."""
    one, other, state = tmp_path / "access.log", tmp_path / "other.log", tmp_path / "state" / "position.json"
    write(one, range(3))
    async with followed_log.following(kafka_embedded, topics[0], state, one, other, more=("--json",)) as process:
        await caught_up(state, topics[0], one)
        write(other, ["b"])
        write(one, [3])
        await caught_up(state, topics[0], one, other)
        code, out, err = await ended(process)
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["lines"], summary["sent"], summary["formats"]) == (5, 5, {"combined": 2})
    assert f"{other} does not exist; waiting for it" in err
    assert f"{one}: combined, 3 of the first 3 lines" in err
    one.rename(tmp_path / "access.log.1")
    write(tmp_path / "access.log.1", [4])
    write(one, [5])
    async with followed_log.following(kafka_embedded, topics[0], state, one, other) as process:
        await caught_up(state, topics[0], one, other)
        code, out, err = await ended(process)
    assert (code, out.splitlines()[0]) == (0, f"2 of 2 lines sent to {topics[0]}"), err
    found = await events(kafka_embedded, topics[0], 7)
    assert articles(found) == ["/a0", "/a1", "/a2", "/a3", "/a4", "/a5", "/ab"]
    assert {event["producer_id"] for event in found} == {found[0]["producer_id"]}
    assert sorted(event["sequence"] for event in found) == list(range(7))


async def test_kills_at_any_moment_lose_nothing_and_count_nothing_twice(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """A line that is sent again has its id and its number, so that the rule `duplicate` drops it.

    Without the rule it counts again: at most those of one batch for each kill.
    """
    log, state, moments = tmp_path / "access.log", tmp_path / "position.json", random.Random(16)
    written = 0

    async def begun() -> bool:
        return state.exists()

    for kill in range(5):
        async with followed_log.following(kafka_embedded, topics[0], state, log) as process:
            for _ in range(moments.randrange(4, 9)):
                write(log, range(written, written + 800))
                written += 800
                await asyncio.sleep(moments.random() * 0.3)
            if kill % 3 == 2:  # a file that was renamed before the first start is no part of the log
                await until_async("A position", begun)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        if kill % 3 == 2:
            log.rename(tmp_path / f"access.log.{9 - kill}")
    write(log, range(written, written + 10))
    written += 10
    async with followed_log.following(kafka_embedded, topics[0], state, log) as process:
        await caught_up(state, topics[0], log)
        code, _, err = await ended(process)
    assert code == 0, err
    found = await events(kafka_embedded, topics[0], written)
    by_id = {event["event_id"]: event for event in found}
    assert Counter(event["article_id"] for event in by_id.values()) == {f"/a{n}": 1 for n in range(written)}
    assert len({event["sequence"] for event in by_id.values()}) == written
    for event in found:
        assert event == by_id[event["event_id"]]
    assert len(found) - written <= 5 * 256 * 1024 // len(line(0))
    generation = from_table(configuration.filled({"rules": {"duplicate": "drop"}}))
    rules = memory_rules(generation)
    assert rules is not None
    records = [
        Given(offset, event["occurred_at"] + 1, b"", orjson.dumps(event))
        for offset, event in enumerate(sorted(found, key=lambda event: int(event["occurred_at"])))
    ]
    partial = Fold(generation)(records, Memory(rules))
    outcomes: Counter[str] = Counter()
    for (_, _, outcome), counts in partial.counts.items():
        outcomes[outcome] += sum(counts.values())
    assert (outcomes["view"], outcomes["!duplicate"]) == (written, len(found) - written)


async def test_a_death_before_the_first_position_repeats_the_same_ids(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ids are made of is kept before anything is sent."""
    log, state = tmp_path / "access.log", tmp_path / "position.json"
    write(log, range(3))

    class DeathError(Exception):
        pass

    def die(*_: Any) -> None:
        raise DeathError

    async def follow(stop: asyncio.Event) -> None:
        position = Position(state, topics[0])
        try:
            follower = Follower([log], "auto", Rules("demo"), position, Summary(), lambda _: None)
            await follower.run(lambda: Producer(kafka_embedded, topics[0]), stop)
        finally:
            position.close()

    with monkeypatch.context() as patch:
        patch.setattr(Follower, "_commit", die)
        with pytest.raises(DeathError):
            await follow(asyncio.Event())
    stop = asyncio.Event()
    again = asyncio.create_task(follow(stop))
    await caught_up(state, topics[0], log)
    stop.set()
    await again
    found = await events(kafka_embedded, topics[0], 6)
    assert sorted(Counter(event["event_id"] for event in found).values()) == [2, 2, 2]


async def test_the_fields_of_a_w3c_log_are_known_after_a_restart(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """They stand at its beginning only, or where they were changed last."""
    log, state = tmp_path / "u_ex.log", tmp_path / "position.json"
    log.write_text("#Software: Microsoft Internet Information Services 10.0\n")
    texts = [
        "#Fields: date time cs-method cs-uri-stem sc-status\n2026-11-22 09:05:03 GET /a 200\n",
        "2026-11-22 09:05:04 GET /b 200\n#Fields: time date sc-status cs-method cs-uri-stem\n",
        "09:05:05 2026-11-22 304 GET /c\n",
    ]
    for text in texts:
        with log.open("a") as file:
            file.write(text)
        async with followed_log.following(kafka_embedded, topics[0], state, log) as process:
            await caught_up(state, topics[0], log)
            code, out, err = await ended(process)
        assert (code, out.startswith("1 of 1 lines sent")) == (0, True), err
    assert articles(await events(kafka_embedded, topics[0], 3)) == ["/a", "/b", "/c"]


async def test_lines_that_were_not_understood_are_told_of_now_and_then(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones each, with their place; later how many."""
    monkeypatch.setattr(following, "NOTE_S", 0.0)
    log, state, said, stop = tmp_path / "access.log", tmp_path / "position.json", list[str](), asyncio.Event()
    write(log, range(30))
    position = Position(state, topics[0])
    follower = Follower([log], "auto", Rules("demo"), position, Summary(), said.append)
    work = asyncio.create_task(follower.run(lambda: Producer(kafka_embedded, topics[0]), stop))
    await caught_up(state, topics[0], log)
    with log.open("a") as file:
        file.write("junk\n" * 12 + line(30))
    await caught_up(state, topics[0], log)
    stop.set()
    await work
    position.close()
    assert sum(", byte " in one and "malformed: not in the combined format" in one for one in said) == 10
    assert said[-1] == f"{log}: 12 of the last 13 lines were not understood"


async def test_two_of_them_cannot_share_a_position(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """The second one ends at once, and the first one goes on."""
    log, state = tmp_path / "access.log", tmp_path / "position.json"
    write(log, range(3))
    async with followed_log.following(kafka_embedded, topics[0], state, log) as first:
        await caught_up(state, topics[0], log)
        code, _, err = await run(
            kafka_embedded, "replay", str(log), "--follow", "--state", str(state), "--topic", topics[0]
        )
        assert (code, "belongs to another process that follows" in err) == (1, True)
        write(log, [3])
        await caught_up(state, topics[0], log)
        assert (await ended(first))[0] == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("LOG", "--follow"), "--follow needs --state PATH"),
        (("LOG", "--state", "STATE"), "--state is where --follow keeps its position"),
        (("-", "--follow", "--state", "STATE"), "Standard input has no position"),
        (("LOG", "--follow", "--state", "STATE", "--rebase-to", "now"), "leave --rebase-to and --speed out"),
        (("LOG", "--follow", "--state", "STATE", "--format", "csv"), "A row of CSV may span lines"),
        (("PACKED", "--follow", "--state", "STATE"), "is packed: it does not grow"),
        ((".", "--follow", "--state", "STATE"), "Is a directory"),
    ],
)
async def test_what_cannot_be_followed_is_refused(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    """Before anything is sent or kept: exit code 2."""
    files = {"LOG": tmp_path / "access.log", "PACKED": tmp_path / "access.log.gz", "STATE": tmp_path / "position.json"}
    write(files["LOG"], [1])
    files["PACKED"].write_bytes(gzip.compress(files["LOG"].read_bytes()))
    code, _, err = await run("127.0.0.1:9", "replay", *(str(files.get(arg, arg)) for arg in args))
    assert (code, said in " ".join(err.split())) == (2, True), err
    assert not files["STATE"].exists()


async def test_a_format_that_cannot_be_told_yet_is_waited_for(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Nothing is passed over; and a log whose format changes is read on."""
    log, state = tmp_path / "access.log", tmp_path / "position.json"
    log.write_text("the server starts\n")
    async with followed_log.following(kafka_embedded, topics[0], state, log) as process:
        write(log, range(3))
        await caught_up(state, topics[0], log)
        row = {"time_iso8601": "2026-11-22T10:05:03+01:00", "status": 200, "request": "GET /json HTTP/1.1"}
        with log.open("a") as file:
            file.write(json.dumps(row | {"http_user_agent": "x"}) + "\n")
        await caught_up(state, topics[0], log)
        code, out, err = await ended(process)
    assert code == 0, err
    assert out.startswith("4 of 5 lines sent")
    assert f"{log}: nginx-json from byte " in err
    assert f"{log}, byte 0: malformed: not in the combined format" in err
    assert articles(await events(kafka_embedded, topics[0], 4)) == ["/a0", "/a1", "/a2", "/json"]


async def test_a_log_in_no_format_ends_it(kafka_embedded: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """With the fix; the position stays."""
    log, state = tmp_path / "access.log", tmp_path / "position.json"
    log.write_text("no request in this line\n" * 2_000)
    code, _, err = await run(
        kafka_embedded, "replay", str(log), "--follow", "--state", str(state), "--topic", topics[0]
    )
    assert code == 1
    assert "none of its first 1,000 lines is in a format that is read" in err
    assert sent_to(state, topics[0]) == {}
