"""What is kept of a dead letter: cut to its topic, readable whatever its times, and what was wrong with it."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.kafka_apache import ApacheKafka
from ranker.core.partial_counts import KEPT_BYTES, Cut
from tests.support.dead_letter_topic import HOUR_MS, UNKNOWN, Topic, event, wrong


@pytest.mark.long
async def test_letters_of_a_topic_with_any_times(topic: Topic) -> None:
    """Records without a time (-1), or with one in microseconds, have letters that are counted and shown like others.

    What is cut says so, also if bytes take four characters each.
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


@pytest.mark.long
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


@pytest.mark.long
async def test_what_is_wrong_with_a_letter_is_shown(topic: Topic) -> None:
    """In the decoder's words, by [source] too, without a character that a terminal obeys; not if it can be read."""
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
